//! Normalization with given statistics.

use super::BatchNormDesc;
use super::blocked::{Operands, Second, fifths, set_coefficients};
use super::plain::{self, each_map};
use crate::isa::Isa;
use crate::layout::maps::{Maps, is_blocked};
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

pub(super) struct Blocked;

impl Implementation<BatchNormDesc> for Blocked {
    fn name(&self) -> &'static str {
        "batch_norm_f32"
    }

    fn formats(&self, _desc: &BatchNormDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        let plain = Layout::Plain;
        is_blocked(first, isa.block()).then(|| Format::f32s([first, plain, plain, plain, plain, first]))
    }

    fn prepare(&self, desc: &BatchNormDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let maps = |operand: usize| Maps::new(desc.shape, layouts[operand]);
        let (x, out) = (maps(0), maps(5));
        Box::new(BlockedKernel(Operands { desc: desc.clone(), isa, x, second: x, out }))
    }
}

struct BlockedKernel(Operands);

impl Kernel for BlockedKernel {
    fn scratch_bytes(&self, _threads: usize) -> usize {
        self.0.scratch_bytes()
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let [gamma, beta, mean, var] = std::array::from_fn(|i| views.read::<f32>(i + 1));
        let (_, coefficients) = views.write::<f32>(1).split_at_mut(self.0.sums_len());
        coefficients.fill(0.0);
        let [scale, shift, ..] = fifths(coefficients, self.0.channels());
        let inverse = |c: usize| 1.0 / (var[c] + self.0.desc.epsilon).sqrt();
        set_coefficients([scale, shift], [gamma, beta, mean], 0..gamma.len(), inverse);
        let (blocks, coefficients) = (0..self.0.x.blocks, [&*scale, &*shift]);
        self.0.apply(context, &blocks, views.read(0), Second::None, views.write(0), coefficients);
    }
}

pub(super) struct Plain;

impl Implementation<BatchNormDesc> for Plain {
    fn name(&self) -> &'static str {
        "batch_norm_plain_f32"
    }

    fn formats(&self, desc: &BatchNormDesc, _isa: Isa, first: Layout) -> Option<Vec<Format>> {
        plain::formats(desc, first, 6)
    }

    fn prepare(&self, desc: &BatchNormDesc, _isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(PlainKernel(desc.clone()))
    }
}

struct PlainKernel(BatchNormDesc);

impl Kernel for PlainKernel {
    fn run(&self, context: &Context, views: &mut Views) {
        let [x, gamma, beta, mean, var] = std::array::from_fn(|i| views.read::<f32>(i));
        each_map(&self.0, context, views.write(0), |c, first, y| {
            let scale = gamma[c] / (var[c] + self.0.epsilon).sqrt();
            y.iter_mut().zip(&x[first..]).for_each(|(y, x)| *y = (x - mean[c]) * scale + beta[c]);
        });
    }
}
