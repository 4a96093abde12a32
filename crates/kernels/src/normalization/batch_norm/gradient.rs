//! The gradient.

use std::ops::Range;

use super::BatchNormDesc;
use super::blocked::{Operands, Second, Sums, fifths, set_coefficients};
use super::plain::{self, count, each_map};
use crate::activation::Activation;
use crate::isa::Isa;
use crate::layout::maps::{Maps, is_blocked};
use crate::normalization::plain_channels::sum;
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

pub(super) struct Blocked;

impl Implementation<BatchNormDesc> for Blocked {
    fn name(&self) -> &'static str {
        "batch_norm_gradient_f32"
    }

    fn formats(&self, desc: &BatchNormDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        let plain = Layout::Plain;
        is_blocked(first, isa.block()).then(|| {
            let reads = [first, first, plain, plain, plain, plain];
            let activates = desc.activation != Activation::None;
            Format::f32s([&reads[..5 + usize::from(activates)], &[first, plain, plain]].concat())
        })
    }

    fn prepare(&self, desc: &BatchNormDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let maps = |operand: usize| Maps::new(desc.shape, layouts[operand]);
        let (x, second, out) = (maps(0), maps(1), maps(layouts.len() - 3));
        Box::new(BlockedKernel(Operands { desc: desc.clone(), isa, x, second, out }))
    }
}

struct BlockedKernel(Operands);

impl Kernel for BlockedKernel {
    fn scratch_bytes(&self, _threads: usize) -> usize {
        self.0.scratch_bytes()
    }

    /// dx = γ·i·(dy − Σdy/m − (x − mean)·i²·Σdy·(x − mean)/m), i = 1/√(variance + ε): for each channel, a linear
    /// combination of dy and x plus a constant.
    fn run(&self, context: &Context, views: &mut Views) {
        let [x, dy, gamma, mean, inverse] = std::array::from_fn(|i| views.read::<f32>(i));
        let (sums, coefficients) = views.write::<f32>(3).split_at_mut(self.0.sums_len());
        let (dgamma, dbeta) = (views.write::<f32>(1), views.write::<f32>(2));
        coefficients.fill(0.0);
        let [of_dy, of_x, shift, means, forward_shift] = fifths(coefficients, self.0.channels());
        means[..mean.len()].copy_from_slice(mean);
        // The scale of the forward direction is also the coefficient of dy.
        let beta = if self.0.desc.activation == Activation::None { gamma } else { views.read(5) };
        set_coefficients([of_dy, forward_shift], [gamma, beta, mean], 0..mean.len(), |c| inverse[c]);
        let forward = [&*of_dy, &*forward_shift];
        let dx = views.write::<f32>(0);
        for blocks in self.0.groups(2) {
            self.0.sums(context, &blocks, x, sums, Sums::Products { dy, means, forward });
            finish(&self.0, &blocks, sums, [of_dy, mean, inverse], [of_x, shift, dgamma, dbeta]);
            self.0.apply(context, &blocks, x, Second::Gradient { dy, forward }, dx, [of_x, shift]);
        }
    }
}

/// Computes dγ and dβ of these blocks of channels, and the coefficient of x and the constant of dx.
pub(super) fn finish(
    operands: &Operands,
    blocks: &Range<usize>,
    sums: &[f32],
    [of_dy, mean, inverse]: [&[f32]; 3],
    [of_x, shift, dgamma, dbeta]: [&mut [f32]; 4],
) {
    let [n, _, h, w] = operands.desc.shape;
    let count = (n * h * w) as f32;
    for c in operands.channels_of(blocks) {
        let (mut sum, mut product) = (0.0, 0.0);
        for image in 0..n {
            let at = operands.sum_at(image, c);
            sum += sums[at];
            product += sums[at + operands.x.block];
        }
        dbeta[c] = sum;
        dgamma[c] = product * inverse[c];
        of_x[c] = -of_dy[c] * inverse[c] * dgamma[c] / count;
        shift[c] = -of_dy[c] * sum / count - of_x[c] * mean[c];
    }
}

/// First the statistics of each channel, then each map.
pub(super) struct Plain;

impl Implementation<BatchNormDesc> for Plain {
    fn name(&self) -> &'static str {
        "batch_norm_gradient_plain_f32"
    }

    fn formats(&self, desc: &BatchNormDesc, _isa: Isa, first: Layout) -> Option<Vec<Format>> {
        plain::formats(desc, first, 8 + usize::from(desc.activation != Activation::None))
    }

    fn prepare(&self, desc: &BatchNormDesc, _isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(PlainKernel(desc.clone()))
    }
}

struct PlainKernel(BatchNormDesc);

impl Kernel for PlainKernel {
    fn run(&self, context: &Context, views: &mut Views) {
        let [x, dy, gamma, mean, inverse] = std::array::from_fn(|i| views.read::<f32>(i));
        let out = std::array::from_fn(|i| views.write::<f32>(i));
        let activation = self.0.activation;
        let beta = if activation == Activation::None { gamma } else { views.read(5) };
        // The gradient before the activation, whose operand is computed as in the forward direction.
        let before = |c: usize, x: f32, dy: f32| match activation {
            Activation::None => dy,
            _ => {
                dy * activation
                    .derivative(activation.apply((x - mean[c]) * (inverse[c] * gamma[c]) + beta[c]))
            }
        };
        on_plain(&self.0, context, [x, dy, gamma, mean, inverse], before, out);
    }
}

/// The gradient on plain values: dx = γ·i·(dy − Σdy/m − (x − mean)·i·dγ/m), where i is 1/√(variance + ε) and `before`
/// returns the gradient before the activation from a channel, x and dy.
pub(super) fn on_plain(
    desc: &BatchNormDesc,
    context: &Context,
    [x, dy, gamma, mean, inverse]: [&[f32]; 5],
    before: impl Fn(usize, f32, f32) -> f32 + Sync,
    [dx, dgamma, dbeta]: [&mut [f32]; 3],
) {
    let (shape, count) = (desc.shape, count(desc));
    context.thread_pool.pieces(dbeta, 1, |c, to| {
        to[0] = sum(shape, c, [x, dy], |x, dy| before(c, x, dy)) as f32;
    });
    context.thread_pool.pieces(dgamma, 1, |c, to| {
        let inverse = f64::from(inverse[c]);
        to[0] = (sum(shape, c, [x, dy], |x, dy| before(c, x, dy) * (x - mean[c])) * inverse) as f32;
    });
    each_map(desc, context, dx, |c, first, dx| {
        let (mean, scale) = (mean[c], gamma[c] * inverse[c]);
        let [product, shift] = [dgamma[c] * inverse[c], dbeta[c]].map(|sum| sum / count as f32);
        let operands = x[first..].iter().zip(&dy[first..]);
        for (dx, (x, dy)) in dx.iter_mut().zip(operands) {
            *dx = scale * (before(c, *x, *dy) - shift - (x - mean) * product);
        }
    });
}
