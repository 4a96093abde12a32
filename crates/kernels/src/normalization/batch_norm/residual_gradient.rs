//! The gradient of a batch norm, of the addition of a residual to its result, and of the activation of the sum.

use std::ops::Range;

use super::blocked::{Operands, Second, fifths, set_coefficients};
use super::plain::{self, each_map};
use super::reference;
use super::{BatchNormDesc, gradient};
use crate::activation::Activation;
use crate::isa::Isa;
use crate::layout::maps::{Maps, is_blocked};
use crate::reference::{Reference, floats};
use crate::simd::{Body, Simd, activation_gradient, dispatch};
use crate::threads::Pointer;
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

/// The gradient of y = f(norm(x) + residual).
#[derive(Debug, Clone, PartialEq)]
pub struct ResidualGradientDesc {
    /// The batch norm; its activation is f.
    pub norm: BatchNormDesc,
    /// Whether dy is the sum of two values.
    pub is_sum: bool,
}

impl ResidualGradientDesc {
    /// The operands: x, dy, γ, mean, 1/√(variance + ε), y and the second addend, then dx, dγ, dβ and the residual's.
    fn operands(&self) -> usize {
        10 + usize::from(self.is_sum)
    }
}

/// Reads x, dy, γ, mean, 1/√(variance + ε), y and, if dy is a sum, its second addend; writes dx, dγ, dβ and the
/// gradient of the residual.
pub fn residual_gradient() -> &'static [&'static dyn Implementation<ResidualGradientDesc>] {
    &[
        &Blocked,
        &Plain,
        &Reference::<ResidualGradientDesc> {
            name: "batch_norm_residual_gradient_reference",
            operands: |d| floats(d.operands()),
            run: |d, v| {
                let [x, dy, gamma, mean, inverse, y] = std::array::from_fn(|i| v.read::<f32>(i));
                let out = (v.write(0), v.write(1), v.write(2));
                let before = v.write(3);
                reference::before_activation(d.norm.activation, y, dy, d.is_sum.then(|| v.read(6)), before);
                let norm = BatchNormDesc { activation: Activation::None, ..d.norm.clone() };
                reference::gradient(&norm, (x, before, gamma), (mean, inverse, None), out);
            },
        },
    ]
}

struct Blocked;

impl Implementation<ResidualGradientDesc> for Blocked {
    fn name(&self) -> &'static str {
        "batch_norm_residual_gradient_f32"
    }

    fn formats(&self, desc: &ResidualGradientDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        let plain = Layout::Plain;
        is_blocked(first, isa.block()).then(|| {
            let reads = [first, first, plain, plain, plain, first, first];
            Format::f32s([&reads[..6 + usize::from(desc.is_sum)], &[first, plain, plain, first]].concat())
        })
    }

    fn prepare(&self, desc: &ResidualGradientDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let maps = |operand: usize| Maps::new(desc.norm.shape, layouts[operand]);
        let last = layouts.len() - 1;
        let norm = BatchNormDesc { activation: Activation::None, ..desc.norm.clone() };
        Box::new(BlockedKernel {
            operands: Operands { desc: norm, isa, x: maps(0), second: maps(last), out: maps(last - 3) },
            activation: desc.norm.activation,
            dy: maps(1),
            y: maps(5),
            addend: desc.is_sum.then(|| maps(6)),
        })
    }
}

struct BlockedKernel {
    /// The operands of the gradient of the batch norm, whose dy is the gradient of the residual.
    operands: Operands,
    activation: Activation,
    dy: Maps,
    y: Maps,
    addend: Option<Maps>,
}

impl Kernel for BlockedKernel {
    fn scratch_bytes(&self, _threads: usize) -> usize {
        self.operands.scratch_bytes()
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let [x, dy, gamma, mean, inverse, y] = std::array::from_fn(|i| views.read::<f32>(i));
        let addend = self.addend.map(|maps| (maps, views.read::<f32>(6)));
        let [dx, dgamma, dbeta, before] = std::array::from_fn(|i| views.write::<f32>(i));
        let operands = &self.operands;
        let (sums, coefficients) = views.write::<f32>(4).split_at_mut(operands.sums_len());
        coefficients.fill(0.0);
        let [of_dy, of_x, shift, means, unused] = fifths(coefficients, operands.channels());
        means[..mean.len()].copy_from_slice(mean);
        set_coefficients([of_dy, unused], [gamma, gamma, mean], 0..mean.len(), |c| inverse[c]);
        let forward = [&*of_dy, &*unused];
        for blocks in operands.groups(4 + usize::from(self.addend.is_some())) {
            self.before(context, &blocks, [x, dy, y, means], addend, before, sums);
            gradient::finish(operands, &blocks, sums, [of_dy, mean, inverse], [of_x, shift, dgamma, dbeta]);
            let second = Second::Gradient { dy: before, forward };
            operands.apply(context, &blocks, x, second, dx, [of_x, shift]);
        }
    }
}

impl BlockedKernel {
    /// Computes the gradient before the activation in these blocks of channels, and the sums of every map of it and of
    /// its product with x − mean.
    fn before(
        &self,
        context: &Context,
        blocks: &Range<usize>,
        [x, dy, y, means]: [&[f32]; 4],
        addend: Option<(Maps, &[f32])>,
        before: &mut [f32],
        sums: &mut [f32],
    ) {
        let (maps, length) = (&self.operands.second, 2 * self.operands.x.block);
        assert!(
            before.len() >= maps.len() && sums.len() >= maps.count * length,
            "operand lengths must match the layouts"
        );
        let (before, sums) = (Pointer(before.as_mut_ptr()), Pointer(sums.as_mut_ptr()));
        self.operands.each_map(context, blocks, |map| {
            // SAFETY: maps do not overlap, also not their sums, and lie within the operands; each is taken once.
            let (before, sums) = unsafe {
                (
                    std::slice::from_raw_parts_mut(before.get().add(maps.at(map)), maps.map_len()),
                    std::slice::from_raw_parts_mut(sums.get().add(map * length), length),
                )
            };
            maps.clear_halo(before);
            let [x, dy, y] =
                [(&self.operands.x, x), (&self.dy, dy), (&self.y, y)].map(|(m, all)| m.map(all, map));
            let addend = addend.as_ref().map(|(maps, values)| maps.map(values, map));
            let means = self.operands.lanes(means, map);
            dispatch(self.operands.isa, Map { kernel: self, x, dy, addend, y, means, before, sums });
        });
    }
}

/// The same map of all operands.
struct Map<'a> {
    kernel: &'a BlockedKernel,
    x: &'a [f32],
    dy: &'a [f32],
    addend: Option<&'a [f32]>,
    y: &'a [f32],
    means: &'a [f32],
    before: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Body for Map<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match (self.kernel.activation, self.addend) {
            (Activation::Relu, Some(addend)) => self.sum::<S, true>(s, Activation::Relu, addend),
            (Activation::Relu, None) => self.sum::<S, false>(s, Activation::Relu, &[]),
            (other, Some(addend)) => self.sum::<S, true>(s, other, addend),
            (other, None) => self.sum::<S, false>(s, other, &[]),
        }
    }
}

impl Map<'_> {
    /// Each row is summed separately first, because the rounding error grows with the number of terms that are added to
    /// one sum in sequence.
    #[inline(always)]
    fn sum<S: Simd, const SUM: bool>(self, s: S, activation: Activation, addend: &[f32]) {
        let k = self.kernel;
        let addend_maps = k.addend.as_ref().unwrap_or(&k.dy);
        let [rows, columns] = k.operands.x.size;
        let length = columns * S::LANES;
        let (mut sum, mut product) = (s.zero(), s.zero());
        // SAFETY: rows have `columns` vectors, means one, and sums two.
        unsafe {
            let mean = s.load(self.means.as_ptr());
            for r in 0..rows {
                let x = self.x[k.operands.x.row(r)..][..length].as_ptr();
                let dy = self.dy[k.dy.row(r)..][..length].as_ptr();
                let y = self.y[k.y.row(r)..][..length].as_ptr();
                let addend = if SUM { addend[addend_maps.row(r)..][..length].as_ptr() } else { dy };
                let before = self.before[k.operands.second.row(r)..][..length].as_mut_ptr();
                let (mut row_sum, mut row_product) = (s.zero(), s.zero());
                for i in (0..length).step_by(S::LANES) {
                    let mut gradient = s.load(dy.add(i));
                    if SUM {
                        gradient = s.add(gradient, s.load(addend.add(i)));
                    }
                    let gradient = activation_gradient(s, activation, s.load(y.add(i)), gradient);
                    s.store(before.add(i), gradient);
                    row_sum = s.add(row_sum, gradient);
                    row_product = s.fma(gradient, s.sub(s.load(x.add(i)), mean), row_product);
                }
                sum = s.add(sum, row_sum);
                product = s.add(product, row_product);
            }
            s.store(self.sums.as_mut_ptr(), sum);
            s.store(self.sums.as_mut_ptr().add(S::LANES), product);
        }
    }
}

/// First the gradient before the activation, then that of the batch norm.
struct Plain;

impl Implementation<ResidualGradientDesc> for Plain {
    fn name(&self) -> &'static str {
        "batch_norm_residual_gradient_plain_f32"
    }

    fn formats(&self, desc: &ResidualGradientDesc, _isa: Isa, first: Layout) -> Option<Vec<Format>> {
        plain::formats(&desc.norm, first, desc.operands())
    }

    fn prepare(&self, desc: &ResidualGradientDesc, _isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(PlainKernel(desc.clone()))
    }
}

struct PlainKernel(ResidualGradientDesc);

impl Kernel for PlainKernel {
    fn run(&self, context: &Context, views: &mut Views) {
        let [x, dy, gamma, mean, inverse, y] = std::array::from_fn(|i| views.read::<f32>(i));
        let addend = self.0.is_sum.then(|| views.read::<f32>(6));
        let out = std::array::from_fn(|i| views.write::<f32>(i));
        let before = views.write::<f32>(3);
        each_map(&self.0.norm, context, before, |_, first, before| {
            let range = first..first + before.len();
            let addend = addend.map(|addend| &addend[range.clone()]);
            let (y, dy) = (&y[range.clone()], &dy[range.clone()]);
            reference::before_activation(self.0.norm.activation, y, dy, addend, before);
        });
        gradient::on_plain(&self.0.norm, context, [x, before, gamma, mean, inverse], |_, _, dy| dy, out);
    }
}
