//! Batch normalization of plain values with spatial axes, such as signals and volumes: first the statistics of each
//! channel, then each map.

use crate::{Layout, Views};

use crate::activation::Activation;
use crate::batch_norm::{BatchNormDesc, Mode};
use crate::isa::Isa;
use crate::normalization::plain_channels::sum;
use crate::{Context, Implementation, Kernel};

pub(crate) struct Plain {
    pub name: &'static str,
    pub mode: Mode,
}

impl Implementation<BatchNormDesc> for Plain {
    fn name(&self) -> &'static str {
        self.name
    }

    fn accepts(&self, desc: &BatchNormDesc, _isa: Isa, first: Layout) -> Option<Vec<Layout>> {
        let [_, _, h, w] = desc.shape;
        let fused = match self.mode {
            Mode::Inference => false,
            Mode::Training => desc.residual,
            Mode::Gradient => desc.activation != Activation::None,
        };
        let operands = if self.mode == Mode::Inference { 6 } else { 8 + usize::from(fused) };
        (first == Layout::Plain && h * w > 1).then(|| vec![Layout::Plain; operands])
    }

    fn prepare(&self, desc: &BatchNormDesc, _isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound { d: desc.clone(), mode: self.mode })
    }
}

struct Bound {
    d: BatchNormDesc,
    mode: Mode,
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        match self.mode {
            Mode::Inference => self.inference(context, views),
            Mode::Training => self.training(context, views),
            Mode::Gradient => self.gradient(context, views),
        }
    }
}

impl Bound {
    fn inference(&self, context: &Context, views: &mut Views) {
        let [x, gamma, beta, mean, var] = std::array::from_fn(|i| views.read::<f32>(i));
        self.each_map(context, views.write(0), |c, first, y| {
            let scale = gamma[c] / (var[c] + self.d.epsilon).sqrt();
            y.iter_mut().zip(&x[first..]).for_each(|(y, x)| *y = (x - mean[c]) * scale + beta[c]);
        });
    }

    fn training(&self, context: &Context, views: &mut Views) {
        let [x, gamma, beta] = std::array::from_fn(|i| views.read::<f32>(i));
        let y = views.write::<f32>(0);
        let [mean, inverse, running_mean, running_var] = std::array::from_fn(|i| views.write::<f32>(i + 1));
        let (shape, count) = (self.d.shape, self.count());
        context
            .thread_pool
            .pieces(mean, 1, |c, mean| mean[0] = (sum(shape, c, [x, x], |x, _| x) / count) as f32);
        // `inverse` temporarily holds the sums of squares.
        context.thread_pool.pieces(inverse, 1, |c, squares| {
            let mean = mean[c];
            squares[0] = sum(shape, c, [x, x], |x, _| (x - mean) * (x - mean)) as f32;
        });
        let (momentum, keep) = (self.d.momentum, (1.0 - f64::from(self.d.momentum)) as f32);
        for c in 0..shape[1] {
            let squares = f64::from(inverse[c]);
            inverse[c] = (1.0 / (squares / count + f64::from(self.d.epsilon)).sqrt()) as f32;
            let unbiased = squares / (count.max(2.0) - 1.0);
            running_mean[c] = keep * running_mean[c] + momentum * mean[c];
            running_var[c] = keep * running_var[c] + momentum * unbiased as f32;
        }
        let residual = self.d.residual.then(|| views.read::<f32>(3));
        let activation = self.d.activation;
        self.each_map(context, y, |c, first, y| {
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

    /// dx = γ·i·(dy − Σdy/m − (x − mean)·i·dγ/m), where i is 1/√(variance + ε).
    fn gradient(&self, context: &Context, views: &mut Views) {
        let [x, dy, gamma, mean, inverse] = std::array::from_fn(|i| views.read::<f32>(i));
        let dx = views.write::<f32>(0);
        let [dgamma, dbeta] = std::array::from_fn(|i| views.write::<f32>(i + 1));
        let (shape, count) = (self.d.shape, self.count());
        let activation = self.d.activation;
        let beta = if activation == Activation::None { gamma } else { views.read(5) };
        // The gradient before the activation, whose operand is computed as in the forward direction.
        let before = |c: usize, x: f32, dy: f32| match activation {
            Activation::None => dy,
            _ => {
                dy * activation
                    .derivative(activation.apply((x - mean[c]) * (inverse[c] * gamma[c]) + beta[c]))
            }
        };
        context.thread_pool.pieces(dbeta, 1, |c, to| {
            to[0] = sum(shape, c, [x, dy], |x, dy| before(c, x, dy)) as f32;
        });
        context.thread_pool.pieces(dgamma, 1, |c, to| {
            let inverse = f64::from(inverse[c]);
            to[0] = (sum(shape, c, [x, dy], |x, dy| before(c, x, dy) * (x - mean[c])) * inverse) as f32;
        });
        self.each_map(context, dx, |c, first, dx| {
            let (mean, scale) = (mean[c], gamma[c] * inverse[c]);
            let [product, shift] = [dgamma[c] * inverse[c], dbeta[c]].map(|sum| sum / count as f32);
            let operands = x[first..].iter().zip(&dy[first..]);
            for (dx, (x, dy)) in dx.iter_mut().zip(operands) {
                *dx = scale * (before(c, *x, *dy) - shift - (x - mean) * product);
            }
        });
    }

    /// The number of elements per channel.
    fn count(&self) -> f64 {
        let [n, _, h, w] = self.d.shape;
        (n * h * w) as f64
    }

    /// Calls `work` for every map with its channel, its offset, and its part of `to`.
    fn each_map(&self, context: &Context, to: &mut [f32], work: impl Fn(usize, usize, &mut [f32]) + Sync) {
        let [_, channels, h, w] = self.d.shape;
        context.thread_pool.pieces(to, h * w, |map, piece| work(map % channels, map * h * w, piece));
    }
}
