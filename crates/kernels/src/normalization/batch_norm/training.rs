//! Normalization with the statistics of the batch.

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
        "batch_norm_training_f32"
    }

    fn formats(&self, desc: &BatchNormDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        let plain = Layout::Plain;
        is_blocked(first, isa.block()).then(|| {
            let reads = [first, plain, plain, first];
            Format::f32s(
                [&reads[..3 + usize::from(desc.residual)], &[first, plain, plain, plain, plain]].concat(),
            )
        })
    }

    fn prepare(&self, desc: &BatchNormDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let maps = |operand: usize| Maps::new(desc.shape, layouts[operand]);
        let (second, out) = if desc.residual { (maps(3), maps(4)) } else { (maps(0), maps(3)) };
        Box::new(BlockedKernel(Operands { desc: desc.clone(), isa, x: maps(0), second, out }))
    }
}

struct BlockedKernel(Operands);

impl Kernel for BlockedKernel {
    fn scratch_bytes(&self, _threads: usize) -> usize {
        self.0.scratch_bytes()
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let [x, gamma, beta] = std::array::from_fn(|i| views.read::<f32>(i));
        let (sums, coefficients) = views.write::<f32>(5).split_at_mut(self.0.sums_len());
        let [mean, inverse] = std::array::from_fn(|i| views.write::<f32>(i + 1));
        let [running_mean, running_var] = std::array::from_fn(|i| views.write::<f32>(i + 3));
        let pixels = self.0.x.size[0] * self.0.x.size[1];
        let count = self.0.desc.shape[0] * pixels;
        let keep = 1.0 - self.0.desc.momentum;
        coefficients.fill(0.0);
        let [scale, shift, ..] = fifths(coefficients, self.0.channels());
        let second = if self.0.desc.residual { Second::Residual(views.read(3)) } else { Second::None };
        let y = views.write::<f32>(0);
        for blocks in self.0.groups(1 + usize::from(self.0.desc.residual)) {
            self.0.sums(context, &blocks, x, sums, Sums::Moments);
            let channels = self.0.channels_of(&blocks);
            for c in channels.clone() {
                let (m, squares) = merge(&self.0, sums, c, pixels);
                mean[c] = m;
                inverse[c] = 1.0 / (squares / count as f32 + self.0.desc.epsilon).sqrt();
                running_mean[c] = keep * running_mean[c] + self.0.desc.momentum * m;
                let unbiased = squares / (count.max(2) - 1) as f32;
                running_var[c] = keep * running_var[c] + self.0.desc.momentum * unbiased;
            }
            set_coefficients([scale, shift], [gamma, beta, mean], channels, |c| inverse[c]);
            self.0.apply(context, &blocks, x, second, y, [scale, shift]);
        }
    }
}

/// The mean and squared deviations of channel `c` over all images with `pixels` pixels each.
fn merge(operands: &Operands, sums: &[f32], c: usize, pixels: usize) -> (f32, f32) {
    let (mut count, mut mean, mut squares) = (0.0f32, 0.0f32, 0.0f32);
    for image in 0..operands.desc.shape[0] {
        let at = operands.sum_at(image, c);
        let (m, q) = (sums[at], sums[at + operands.x.block]);
        let delta = m - mean;
        let total = count + pixels as f32;
        mean += delta * (pixels as f32 / total);
        squares += q + delta * delta * (count * pixels as f32 / total);
        count = total;
    }
    (mean, squares)
}

/// First the statistics of each channel, then each map.
pub(super) struct Plain;

impl Implementation<BatchNormDesc> for Plain {
    fn name(&self) -> &'static str {
        "batch_norm_training_plain_f32"
    }

    fn formats(&self, desc: &BatchNormDesc, _isa: Isa, first: Layout) -> Option<Vec<Format>> {
        plain::formats(desc, first, 8 + usize::from(desc.residual))
    }

    fn prepare(&self, desc: &BatchNormDesc, _isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(PlainKernel(desc.clone()))
    }
}

struct PlainKernel(BatchNormDesc);

impl Kernel for PlainKernel {
    fn run(&self, context: &Context, views: &mut Views) {
        let [x, gamma, beta] = std::array::from_fn(|i| views.read::<f32>(i));
        let y = views.write::<f32>(0);
        let [mean, inverse, running_mean, running_var] = std::array::from_fn(|i| views.write::<f32>(i + 1));
        let (shape, count) = (self.0.shape, count(&self.0));
        context
            .thread_pool
            .pieces(mean, 1, |c, mean| mean[0] = (sum(shape, c, [x, x], |x, _| x) / count) as f32);
        // `inverse` temporarily holds the sums of squares.
        context.thread_pool.pieces(inverse, 1, |c, squares| {
            let mean = mean[c];
            squares[0] = sum(shape, c, [x, x], |x, _| (x - mean) * (x - mean)) as f32;
        });
        let (momentum, keep) = (self.0.momentum, (1.0 - f64::from(self.0.momentum)) as f32);
        for c in 0..shape[1] {
            let squares = f64::from(inverse[c]);
            inverse[c] = (1.0 / (squares / count + f64::from(self.0.epsilon)).sqrt()) as f32;
            let unbiased = squares / (count.max(2.0) - 1.0);
            running_mean[c] = keep * running_mean[c] + momentum * mean[c];
            running_var[c] = keep * running_var[c] + momentum * unbiased as f32;
        }
        let residual = self.0.residual.then(|| views.read::<f32>(3));
        let activation = self.0.activation;
        each_map(&self.0, context, y, |c, first, y| {
            let (mean, scale, shift) = (mean[c], inverse[c] * gamma[c], beta[c]);
            y.iter_mut().zip(&x[first..]).for_each(|(y, x)| *y = (x - mean) * scale + shift);
            if let Some(residual) = residual {
                y.iter_mut().zip(&residual[first..]).for_each(|(y, residual)| *y += residual);
            }
            if activation != Activation::None {
                y.iter_mut().for_each(|y| *y = activation.apply(*y));
            }
        });
    }
}
