//! Batch normalization per channel: inference, training, gradient.
//!
//! Statistics are computed map by map as (count, mean, sum of squared deviations) and merged in the order
//! of the images (Chan, Golub and LeVeque, 1979), so that they do not depend on the number of threads.

use crate::{Layout, Views};

use crate::batch_norm_plain::Plain;
use crate::isa::Isa;
use crate::maps::{Maps, is_blocked};
use crate::reference::{self, Reference, batch_norm::Statistics};
use crate::simd::{Body, Simd, dispatch};
use crate::threads::Pointer;
use crate::{Context, Implementation, Kernel};

/// Batch normalization of maps.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNormDesc {
    /// `[N, C, H, W]`.
    pub shape: [usize; 4],
    /// Added to the variance.
    pub epsilon: f32,
    /// Weight of the new batch in the running statistics.
    pub momentum: f32,
}

/// Normalization with given statistics. Reads x, γ, β, mean, variance; writes y.
pub fn inference() -> &'static [&'static dyn Implementation<BatchNormDesc>] {
    &[
        &Blocked { name: "batch_norm_f32", mode: Mode::Inference },
        &Plain { name: "batch_norm_plain_f32", mode: Mode::Inference },
        &Reference::<BatchNormDesc> {
            name: "batch_norm_reference",
            operands: |_| 6,
            run: |d, v| {
                let [x, gamma, beta, mean, var] = std::array::from_fn(|i| v.read::<f32>(i));
                reference::batch_norm::inference(d, x, gamma, beta, mean, var, v.write(0));
            },
        },
    ]
}

/// Normalization with the statistics of the batch. Reads x, γ, β; writes y, mean, 1/√(variance + ε), running
/// mean and running variance (the last two in place).
pub fn training() -> &'static [&'static dyn Implementation<BatchNormDesc>] {
    &[
        &Blocked { name: "batch_norm_training_f32", mode: Mode::Training },
        &Plain { name: "batch_norm_training_plain_f32", mode: Mode::Training },
        &Reference::<BatchNormDesc> {
            name: "batch_norm_training_reference",
            operands: |_| 8,
            run: |d, v| {
                let [x, gamma, beta] = std::array::from_fn(|i| v.read::<f32>(i));
                let y = v.write(0);
                let [mean, inverse_deviation, running_mean, running_var] =
                    std::array::from_fn(|i| v.write(i + 1));
                let statistics = Statistics { mean, inverse_deviation, running_mean, running_var };
                reference::batch_norm::training(d, x, gamma, beta, y, statistics);
            },
        },
    ]
}

/// Gradient. Reads x, dy, γ, mean, 1/√(variance + ε); writes dx, dγ, dβ.
pub fn gradient() -> &'static [&'static dyn Implementation<BatchNormDesc>] {
    &[
        &Blocked { name: "batch_norm_gradient_f32", mode: Mode::Gradient },
        &Plain { name: "batch_norm_gradient_plain_f32", mode: Mode::Gradient },
        &Reference::<BatchNormDesc> {
            name: "batch_norm_gradient_reference",
            operands: |_| 8,
            run: |d, v| {
                let [x, dy, gamma, mean, inverse] = std::array::from_fn(|i| v.read::<f32>(i));
                let out = (v.write(0), v.write(1), v.write(2));
                reference::batch_norm::gradient(d, (x, dy, gamma), (mean, inverse), out);
            },
        },
    ]
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    Inference,
    Training,
    Gradient,
}

struct Blocked {
    name: &'static str,
    mode: Mode,
}

impl Implementation<BatchNormDesc> for Blocked {
    fn name(&self) -> &'static str {
        self.name
    }

    fn accepts(&self, _desc: &BatchNormDesc, isa: Isa, first: Layout) -> Option<Vec<Layout>> {
        let plain = Layout::Plain;
        is_blocked(first, isa.block()).then(|| match self.mode {
            Mode::Inference => vec![first, plain, plain, plain, plain, first],
            Mode::Training => vec![first, plain, plain, first, plain, plain, plain, plain],
            Mode::Gradient => vec![first, first, plain, plain, plain, first, plain, plain],
        })
    }

    fn prepare(&self, desc: &BatchNormDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let maps = |operand: usize| Maps::new(desc.shape, layouts[operand]);
        let (second, written) = match self.mode {
            Mode::Inference => (0, 5),
            Mode::Training => (0, 3),
            Mode::Gradient => (1, 5),
        };
        Box::new(Bound {
            desc: desc.clone(),
            isa,
            mode: self.mode,
            x: maps(0),
            dy: maps(second),
            out: maps(written),
        })
    }
}

struct Bound {
    desc: BatchNormDesc,
    isa: Isa,
    mode: Mode,
    x: Maps,
    dy: Maps,
    out: Maps,
}

impl Kernel for Bound {
    /// Two sums per map and lane, and four coefficients per channel, padded to whole blocks.
    fn scratch_len(&self, _threads: usize) -> usize {
        self.x.count * 2 * self.x.block + 4 * self.channels()
    }

    fn run(&self, context: &Context, views: &mut Views) {
        match self.mode {
            Mode::Inference => self.inference(context, views),
            Mode::Training => self.training(context, views),
            Mode::Gradient => self.gradient(context, views),
        }
    }
}

/// The two quantities that are summed over a map.
#[derive(Clone, Copy)]
enum Sums {
    /// The mean and the squared deviations of x.
    Moments,
    /// dy and dy·(x − mean).
    Products,
}

impl Bound {
    fn channels(&self) -> usize {
        self.x.blocks * self.x.block
    }

    fn inference(&self, context: &Context, views: &mut Views) {
        let [gamma, beta, mean, var] = std::array::from_fn(|i| views.read::<f32>(i + 1));
        let (_, coefficients) = views.write::<f32>(1).split_at_mut(self.x.count * 2 * self.x.block);
        let [scale, _, shift, _] = quarters(coefficients, self.channels());
        coefficients_of(scale, shift, gamma, beta, mean, |c| 1.0 / (var[c] + self.desc.epsilon).sqrt());
        let (scale, shift) = (&*scale, &*shift);
        self.apply(context, views.read(0), None, views.write(0), [scale, scale, shift]);
    }

    fn training(&self, context: &Context, views: &mut Views) {
        let [x, gamma, beta] = std::array::from_fn(|i| views.read::<f32>(i));
        let (sums, coefficients) = views.write::<f32>(5).split_at_mut(self.x.count * 2 * self.x.block);
        let [mean, inverse] = std::array::from_fn(|i| views.write::<f32>(i + 1));
        let [running_mean, running_var] = std::array::from_fn(|i| views.write::<f32>(i + 3));
        self.sums(context, x, x, None, sums, Sums::Moments);
        let pixels = self.x.size[0] * self.x.size[1];
        let count = self.desc.shape[0] * pixels;
        let keep = 1.0 - self.desc.momentum;
        for c in 0..self.desc.shape[1] {
            let (m, squares) = self.merge(sums, c, pixels);
            mean[c] = m;
            inverse[c] = 1.0 / (squares / count as f32 + self.desc.epsilon).sqrt();
            running_mean[c] = keep * running_mean[c] + self.desc.momentum * m;
            let unbiased = squares / (count.max(2) - 1) as f32;
            running_var[c] = keep * running_var[c] + self.desc.momentum * unbiased;
        }
        let [scale, _, shift, _] = quarters(coefficients, self.channels());
        coefficients_of(scale, shift, gamma, beta, mean, |c| inverse[c]);
        let (scale, shift) = (&*scale, &*shift);
        self.apply(context, x, None, views.write(0), [scale, scale, shift]);
    }

    /// dx = γ·i·(dy − Σdy/m − (x − mean)·i²·Σdy·(x − mean)/m), i = 1/√(variance + ε): for each channel, a linear
    /// combination of dy and x plus a constant.
    fn gradient(&self, context: &Context, views: &mut Views) {
        let [x, dy, gamma, mean, inverse] = std::array::from_fn(|i| views.read::<f32>(i));
        let (sums, coefficients) = views.write::<f32>(3).split_at_mut(self.x.count * 2 * self.x.block);
        let (dgamma, dbeta) = (views.write::<f32>(1), views.write::<f32>(2));
        let [of_dy, of_x, shift, means] = quarters(coefficients, self.channels());
        means.fill(0.0);
        means[..mean.len()].copy_from_slice(mean);
        self.sums(context, x, dy, Some(means), sums, Sums::Products);
        let [n, channels, h, w] = self.desc.shape;
        let count = (n * h * w) as f32;
        [&mut *of_dy, &mut *of_x, &mut *shift].into_iter().for_each(|all| all.fill(0.0));
        for c in 0..channels {
            let (mut sum, mut product) = (0.0, 0.0);
            for image in 0..n {
                let at = self.sum_at(image, c);
                sum += sums[at];
                product += sums[at + self.x.block];
            }
            dbeta[c] = sum;
            dgamma[c] = product * inverse[c];
            of_dy[c] = gamma[c] * inverse[c];
            of_x[c] = -of_dy[c] * inverse[c] * dgamma[c] / count;
            shift[c] = -of_dy[c] * sum / count - of_x[c] * mean[c];
        }
        self.apply(context, x, Some(dy), views.write(0), [of_x, of_dy, shift]);
    }

    /// The offset of the first sum of channel `c` of an image; the second follows one block later.
    fn sum_at(&self, image: usize, c: usize) -> usize {
        let block = self.x.block;
        (image * self.x.blocks + c / block) * 2 * block + c % block
    }

    /// The mean and squared deviations of channel `c` over all images with `pixels` pixels each.
    fn merge(&self, sums: &[f32], c: usize, pixels: usize) -> (f32, f32) {
        let (mut count, mut mean, mut squares) = (0.0f32, 0.0f32, 0.0f32);
        for image in 0..self.desc.shape[0] {
            let at = self.sum_at(image, c);
            let (m, q) = (sums[at], sums[at + self.x.block]);
            let delta = m - mean;
            let total = count + pixels as f32;
            mean += delta * (pixels as f32 / total);
            squares += q + delta * delta * (count * pixels as f32 / total);
            count = total;
        }
        (mean, squares)
    }

    fn sums(
        &self,
        context: &Context,
        x: &[f32],
        dy: &[f32],
        means: Option<&[f32]>,
        sums: &mut [f32],
        what: Sums,
    ) {
        context.thread_pool.pieces(sums, 2 * self.x.block, |map, sums| {
            let x = &x[map * self.x.map_len()..][..self.x.map_len()];
            let dy = &dy[map * self.dy.map_len()..][..self.dy.map_len()];
            let means = means.map(|means| &means[map % self.x.blocks * self.x.block..][..self.x.block]);
            dispatch(self.isa, MapSums { bound: self, x, dy, means, sums, what });
        });
    }

    /// y = of_x·x + of_dy·dy + shift for every pixel outside the halo, with one coefficient per channel.
    fn apply(
        &self,
        context: &Context,
        x: &[f32],
        dy: Option<&[f32]>,
        y: &mut [f32],
        coefficients: [&[f32]; 3],
    ) {
        let out = Pointer(y.as_mut_ptr());
        context.thread_pool.run(self.out.count, |map| {
            let length = self.out.map_len();
            // SAFETY: maps do not overlap and lie within `y`; each is taken once.
            let y = unsafe { std::slice::from_raw_parts_mut(out.get().add(map * length), length) };
            self.out.clear_halo(y);
            let x = &x[map * self.x.map_len()..][..self.x.map_len()];
            let dy = dy.map(|dy| &dy[map * self.dy.map_len()..][..self.dy.map_len()]);
            let first = map % self.x.blocks * self.x.block;
            let coefficients = coefficients.map(|all| &all[first..][..self.x.block]);
            dispatch(self.isa, MapApply { bound: self, x, dy, y, coefficients });
        });
    }
}

/// Splits the first `4 · length` floats into four slices.
fn quarters(all: &mut [f32], length: usize) -> [&mut [f32]; 4] {
    let (a, rest) = all.split_at_mut(length);
    let (b, rest) = rest.split_at_mut(length);
    let (c, d) = rest.split_at_mut(length);
    [a, b, c, &mut d[..length]]
}

/// scale = γ·i and shift = β − mean·scale; zero beyond the channels.
fn coefficients_of(
    scale: &mut [f32],
    shift: &mut [f32],
    gamma: &[f32],
    beta: &[f32],
    mean: &[f32],
    inverse: impl Fn(usize) -> f32,
) {
    scale.fill(0.0);
    shift.fill(0.0);
    for c in 0..gamma.len() {
        scale[c] = gamma[c] * inverse(c);
        shift[c] = beta[c] - mean[c] * scale[c];
    }
}

/// Computes the two sums of a map. Each row is summed separately first, because the rounding error grows with the
/// number of terms that are added to one sum in sequence.
struct MapSums<'a> {
    bound: &'a Bound,
    x: &'a [f32],
    dy: &'a [f32],
    means: Option<&'a [f32]>,
    sums: &'a mut [f32],
    what: Sums,
}

impl Body for MapSums<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (x, dy) = (&self.bound.x, &self.bound.dy);
        let [rows, columns] = x.size;
        let row =
            |maps: &Maps, data: &[f32], row: usize| data[maps.row(row)..][..columns * S::LANES].as_ptr();
        let (mut first, mut second) = (s.zero(), s.zero());
        // SAFETY: rows have `columns` vectors; sums have two, means one.
        unsafe {
            match self.what {
                Sums::Moments => {
                    for r in 0..rows {
                        let x = row(x, self.x, r);
                        let mut row_sum = s.zero();
                        for i in 0..columns {
                            row_sum = s.add(row_sum, s.load(x.add(i * S::LANES)));
                        }
                        first = s.add(first, row_sum);
                    }
                    first = s.mul(first, s.splat(1.0 / (rows * columns) as f32));
                    for r in 0..rows {
                        let x = row(x, self.x, r);
                        let mut row_sum = s.zero();
                        for i in 0..columns {
                            let deviation = s.sub(s.load(x.add(i * S::LANES)), first);
                            row_sum = s.fma(deviation, deviation, row_sum);
                        }
                        second = s.add(second, row_sum);
                    }
                }
                Sums::Products => {
                    let mean = s.load(self.means.expect("the products need the means").as_ptr());
                    for r in 0..rows {
                        let (x, dy) = (row(x, self.x, r), row(dy, self.dy, r));
                        let (mut row_sum, mut products) = (s.zero(), s.zero());
                        for i in 0..columns {
                            let dy = s.load(dy.add(i * S::LANES));
                            row_sum = s.add(row_sum, dy);
                            products = s.fma(dy, s.sub(s.load(x.add(i * S::LANES)), mean), products);
                        }
                        first = s.add(first, row_sum);
                        second = s.add(second, products);
                    }
                }
            }
            s.store(self.sums.as_mut_ptr(), first);
            s.store(self.sums[S::LANES..].as_mut_ptr(), second);
        }
    }
}

struct MapApply<'a> {
    bound: &'a Bound,
    x: &'a [f32],
    dy: Option<&'a [f32]>,
    y: &'a mut [f32],
    coefficients: [&'a [f32]; 3],
}

impl Body for MapApply<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Bound { x: xm, dy: dym, out, .. } = self.bound;
        let [rows, columns] = xm.size;
        // SAFETY: rows have `columns` vectors, coefficients one.
        unsafe {
            let [of_x, of_dy, shift] = self.coefficients.map(|c| s.load(c.as_ptr()));
            for r in 0..rows {
                let x = self.x[xm.row(r)..][..columns * S::LANES].as_ptr();
                let y = self.y[out.row(r)..][..columns * S::LANES].as_mut_ptr();
                match self.dy {
                    None => {
                        for i in (0..columns * S::LANES).step_by(S::LANES) {
                            s.store(y.add(i), s.fma(of_x, s.load(x.add(i)), shift));
                        }
                    }
                    Some(dy) => {
                        let dy = dy[dym.row(r)..][..columns * S::LANES].as_ptr();
                        for i in (0..columns * S::LANES).step_by(S::LANES) {
                            let both = s.fma(of_x, s.load(x.add(i)), shift);
                            s.store(y.add(i), s.fma(of_dy, s.load(dy.add(i)), both));
                        }
                    }
                }
            }
        }
    }
}
