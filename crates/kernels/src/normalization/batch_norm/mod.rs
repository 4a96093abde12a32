//! Batch normalization per channel: inference, training, gradient.
//!
//! Statistics are computed map by map as (count, mean, sum of squared deviations) and merged in the order
//! of the images (Chan, Golub and LeVeque, 1979), so that they do not depend on the number of threads.

pub mod fold;
mod plain;
pub mod reference;

use plain::Plain;
use reference::Statistics;

use crate::{Layout, Views};

use crate::activation::Activation;
use crate::isa::Isa;
use crate::layout::maps::{Maps, is_blocked};
use crate::reference::Reference;
use crate::simd::{Body, Simd, activate, activation_gradient, dispatch};
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
    /// Whether a value in the shape of y is added before the activation, in training.
    pub residual: bool,
    /// Applied to y in training: one that maps 0 to 0.
    pub activation: Activation,
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
                reference::inference(d, x, gamma, beta, mean, var, v.write(0));
            },
        },
    ]
}

/// Normalization with the statistics of the batch. Reads x, γ, β, the optional residual; writes y, mean,
/// 1/√(variance + ε), running mean and running variance (the last two in place).
pub fn training() -> &'static [&'static dyn Implementation<BatchNormDesc>] {
    &[
        &Blocked { name: "batch_norm_training_f32", mode: Mode::Training },
        &Plain { name: "batch_norm_training_plain_f32", mode: Mode::Training },
        &Reference::<BatchNormDesc> {
            name: "batch_norm_training_reference",
            operands: |d| 8 + usize::from(d.residual),
            run: |d, v| {
                let [x, gamma, beta] = std::array::from_fn(|i| v.read::<f32>(i));
                let residual = d.residual.then(|| v.read(3));
                let y = v.write(0);
                let [mean, inverse_deviation, running_mean, running_var] =
                    std::array::from_fn(|i| v.write(i + 1));
                let statistics = Statistics { mean, inverse_deviation, running_mean, running_var };
                reference::training(d, (x, gamma, beta), residual, y, statistics);
            },
        },
    ]
}

/// Gradient. Reads x, dy, γ, mean, 1/√(variance + ε), with an activation also β; writes dx, dγ, dβ.
pub fn gradient() -> &'static [&'static dyn Implementation<BatchNormDesc>] {
    &[
        &Blocked { name: "batch_norm_gradient_f32", mode: Mode::Gradient },
        &Plain { name: "batch_norm_gradient_plain_f32", mode: Mode::Gradient },
        &Reference::<BatchNormDesc> {
            name: "batch_norm_gradient_reference",
            operands: |d| 8 + usize::from(d.activation != Activation::None),
            run: |d, v| {
                let [x, dy, gamma, mean, inverse] = std::array::from_fn(|i| v.read::<f32>(i));
                let out = (v.write(0), v.write(1), v.write(2));
                let beta = (d.activation != Activation::None).then(|| v.read(5));
                reference::gradient(d, (x, dy, gamma), (mean, inverse, beta), out);
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

    fn accepts(&self, desc: &BatchNormDesc, isa: Isa, first: Layout) -> Option<Vec<Layout>> {
        let plain = Layout::Plain;
        is_blocked(first, isa.block()).then(|| match self.mode {
            Mode::Inference => vec![first, plain, plain, plain, plain, first],
            Mode::Training => {
                let reads = [first, plain, plain, first];
                [&reads[..3 + usize::from(desc.residual)], &[first, plain, plain, plain, plain]].concat()
            }
            Mode::Gradient => {
                let reads = [first, first, plain, plain, plain, plain];
                let activates = desc.activation != Activation::None;
                [&reads[..5 + usize::from(activates)], &[first, plain, plain]].concat()
            }
        })
    }

    fn prepare(&self, desc: &BatchNormDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let maps = |operand: usize| Maps::new(desc.shape, layouts[operand]);
        let (second, written) = match self.mode {
            Mode::Inference => (0, 5),
            Mode::Training if desc.residual => (3, 4),
            Mode::Training => (0, 3),
            Mode::Gradient => (1, layouts.len() - 3),
        };
        Box::new(Bound {
            desc: desc.clone(),
            isa,
            mode: self.mode,
            x: maps(0),
            second: maps(second),
            out: maps(written),
        })
    }
}

struct Bound {
    desc: BatchNormDesc,
    isa: Isa,
    mode: Mode,
    x: Maps,
    /// The residual or dy.
    second: Maps,
    out: Maps,
}

impl Kernel for Bound {
    /// Two sums per map and lane, and five coefficients per channel, padded to whole blocks.
    fn scratch_len(&self, _threads: usize) -> usize {
        self.x.count * 2 * self.x.block + 5 * self.channels()
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
enum Sums<'a> {
    /// The mean and the squared deviations of x.
    Moments,
    /// dy and dy·(x − mean), with scale and shift of the forward direction.
    Products { dy: &'a [f32], means: &'a [f32], forward: [&'a [f32]; 2] },
}

/// The second operand of a pass over all maps.
#[derive(Clone, Copy)]
enum Second<'a> {
    None,
    Residual(&'a [f32]),
    /// dy, with scale and shift of the forward direction.
    Gradient {
        dy: &'a [f32],
        forward: [&'a [f32]; 2],
    },
}

impl Bound {
    fn channels(&self) -> usize {
        self.x.blocks * self.x.block
    }

    fn inference(&self, context: &Context, views: &mut Views) {
        let [gamma, beta, mean, var] = std::array::from_fn(|i| views.read::<f32>(i + 1));
        let (_, coefficients) = views.write::<f32>(1).split_at_mut(self.x.count * 2 * self.x.block);
        let [scale, shift, ..] = fifths(coefficients, self.channels());
        coefficients_of(scale, shift, gamma, beta, mean, |c| 1.0 / (var[c] + self.desc.epsilon).sqrt());
        let (scale, shift) = (&*scale, &*shift);
        self.apply(context, views.read(0), Second::None, views.write(0), [scale, shift]);
    }

    fn training(&self, context: &Context, views: &mut Views) {
        let [x, gamma, beta] = std::array::from_fn(|i| views.read::<f32>(i));
        let (sums, coefficients) = views.write::<f32>(5).split_at_mut(self.x.count * 2 * self.x.block);
        let [mean, inverse] = std::array::from_fn(|i| views.write::<f32>(i + 1));
        let [running_mean, running_var] = std::array::from_fn(|i| views.write::<f32>(i + 3));
        self.sums(context, x, sums, Sums::Moments);
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
        let [scale, shift, ..] = fifths(coefficients, self.channels());
        coefficients_of(scale, shift, gamma, beta, mean, |c| inverse[c]);
        let (scale, shift) = (&*scale, &*shift);
        let second = if self.desc.residual { Second::Residual(views.read(3)) } else { Second::None };
        self.apply(context, x, second, views.write(0), [scale, shift]);
    }

    /// dx = γ·i·(dy − Σdy/m − (x − mean)·i²·Σdy·(x − mean)/m), i = 1/√(variance + ε): for each channel, a linear
    /// combination of dy and x plus a constant.
    fn gradient(&self, context: &Context, views: &mut Views) {
        let [x, dy, gamma, mean, inverse] = std::array::from_fn(|i| views.read::<f32>(i));
        let (sums, coefficients) = views.write::<f32>(3).split_at_mut(self.x.count * 2 * self.x.block);
        let (dgamma, dbeta) = (views.write::<f32>(1), views.write::<f32>(2));
        let [of_dy, of_x, shift, means, forward_shift] = fifths(coefficients, self.channels());
        means.fill(0.0);
        means[..mean.len()].copy_from_slice(mean);
        // The scale of the forward direction is also the coefficient of dy.
        let beta = if self.desc.activation == Activation::None { gamma } else { views.read(5) };
        coefficients_of(of_dy, forward_shift, gamma, beta, mean, |c| inverse[c]);
        let forward = [&*of_dy, &*forward_shift];
        self.sums(context, x, sums, Sums::Products { dy, means, forward });
        let [n, channels, h, w] = self.desc.shape;
        let count = (n * h * w) as f32;
        [&mut *of_x, &mut *shift].into_iter().for_each(|all| all.fill(0.0));
        for c in 0..channels {
            let (mut sum, mut product) = (0.0, 0.0);
            for image in 0..n {
                let at = self.sum_at(image, c);
                sum += sums[at];
                product += sums[at + self.x.block];
            }
            dbeta[c] = sum;
            dgamma[c] = product * inverse[c];
            of_x[c] = -of_dy[c] * inverse[c] * dgamma[c] / count;
            shift[c] = -of_dy[c] * sum / count - of_x[c] * mean[c];
        }
        let second = Second::Gradient { dy, forward };
        self.apply(context, x, second, views.write(0), [of_x, shift]);
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

    fn sums(&self, context: &Context, x: &[f32], sums: &mut [f32], what: Sums) {
        context.thread_pool.pieces(sums, 2 * self.x.block, |map, sums| {
            let x = self.x.map(x, map);
            let what = match what {
                Sums::Moments => Sums::Moments,
                Sums::Products { dy, means, forward } => Sums::Products {
                    dy: self.second.map(dy, map),
                    means: self.lanes(means, map),
                    forward: forward.map(|all| self.lanes(all, map)),
                },
            };
            dispatch(self.isa, MapSums { bound: self, x, sums, what });
        });
    }

    /// For every pixel outside the halo: y = of_x·x + shift, plus the residual, activated; or of_x·x + shift + scale·dy,
    /// where dy is the gradient before the activation.
    fn apply(&self, context: &Context, x: &[f32], second: Second, y: &mut [f32], coefficients: [&[f32]; 2]) {
        let out = Pointer(y.as_mut_ptr());
        context.thread_pool.run(self.out.count, |map| {
            let length = self.out.map_len();
            // SAFETY: maps do not overlap and lie within `y`; each is taken once.
            let y = unsafe { std::slice::from_raw_parts_mut(out.get().add(map * length), length) };
            self.out.clear_halo(y);
            let second = match second {
                Second::None => Second::None,
                Second::Residual(values) => Second::Residual(self.second.map(values, map)),
                Second::Gradient { dy, forward } => Second::Gradient {
                    dy: self.second.map(dy, map),
                    forward: forward.map(|all| self.lanes(all, map)),
                },
            };
            let coefficients = coefficients.map(|all| self.lanes(all, map));
            dispatch(self.isa, MapApply { bound: self, x: self.x.map(x, map), second, y, coefficients });
        });
    }

    /// The part of the coefficients of all channels that belongs to a map.
    fn lanes<'a>(&self, all: &'a [f32], map: usize) -> &'a [f32] {
        &all[map % self.x.blocks * self.x.block..][..self.x.block]
    }
}

/// Splits the first `5 · length` floats into five slices.
fn fifths(all: &mut [f32], length: usize) -> [&mut [f32]; 5] {
    let (a, rest) = all.split_at_mut(length);
    let (b, rest) = rest.split_at_mut(length);
    let (c, rest) = rest.split_at_mut(length);
    let (d, e) = rest.split_at_mut(length);
    [a, b, c, d, &mut e[..length]]
}

/// The gradient before the activation, whose operand is computed as in the forward direction.
#[inline(always)]
fn before_activation<S: Simd>(
    s: S,
    activation: Activation,
    [x, dy]: [S::F; 2],
    [scale, shift]: [S::F; 2],
) -> S::F {
    if activation == Activation::None {
        return dy;
    }
    let y = activate(s, activation, s.fma(scale, x, shift));
    activation_gradient(s, activation, y, dy)
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
    sums: &'a mut [f32],
    what: Sums<'a>,
}

impl Body for MapSums<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let sums = match self.what {
            Sums::Moments => self.moments(s),
            Sums::Products { dy, means, forward } => match self.bound.desc.activation {
                Activation::None => self.products(s, Activation::None, dy, means, forward),
                Activation::Relu => self.products(s, Activation::Relu, dy, means, forward),
                other => self.products(s, other, dy, means, forward),
            },
        };
        for (sum, to) in sums.into_iter().zip(self.sums.chunks_exact_mut(S::LANES)) {
            // SAFETY: the chunk is a vector long.
            unsafe { s.store(to.as_mut_ptr(), sum) };
        }
    }
}

impl MapSums<'_> {
    #[inline(always)]
    fn moments<S: Simd>(&self, s: S) -> [S::F; 2] {
        let maps = &self.bound.x;
        let [rows, columns] = maps.size;
        let row = |row: usize| self.x[maps.row(row)..][..columns * S::LANES].as_ptr();
        let (mut mean, mut squares) = (s.zero(), s.zero());
        // SAFETY: rows have `columns` vectors.
        unsafe {
            for r in 0..rows {
                let x = row(r);
                let mut sum = s.zero();
                for i in 0..columns {
                    sum = s.add(sum, s.load(x.add(i * S::LANES)));
                }
                mean = s.add(mean, sum);
            }
            mean = s.mul(mean, s.splat(1.0 / (rows * columns) as f32));
            for r in 0..rows {
                let x = row(r);
                let mut sum = s.zero();
                for i in 0..columns {
                    let deviation = s.sub(s.load(x.add(i * S::LANES)), mean);
                    sum = s.fma(deviation, deviation, sum);
                }
                squares = s.add(squares, sum);
            }
        }
        [mean, squares]
    }

    #[inline(always)]
    fn products<S: Simd>(
        &self,
        s: S,
        activation: Activation,
        dy: &[f32],
        means: &[f32],
        forward: [&[f32]; 2],
    ) -> [S::F; 2] {
        let Bound { x: maps, second, .. } = self.bound;
        let [rows, columns] = maps.size;
        let (mut sum, mut product) = (s.zero(), s.zero());
        // SAFETY: rows have `columns` vectors, coefficients one.
        unsafe {
            let mean = s.load(means.as_ptr());
            let forward = forward.map(|c| s.load(c.as_ptr()));
            for r in 0..rows {
                let x = self.x[maps.row(r)..][..columns * S::LANES].as_ptr();
                let dy = dy[second.row(r)..][..columns * S::LANES].as_ptr();
                let (mut row_sum, mut row_product) = (s.zero(), s.zero());
                for i in (0..columns * S::LANES).step_by(S::LANES) {
                    let x = s.load(x.add(i));
                    let dy = before_activation(s, activation, [x, s.load(dy.add(i))], forward);
                    row_sum = s.add(row_sum, dy);
                    row_product = s.fma(dy, s.sub(x, mean), row_product);
                }
                sum = s.add(sum, row_sum);
                product = s.add(product, row_product);
            }
        }
        [sum, product]
    }
}

struct MapApply<'a> {
    bound: &'a Bound,
    x: &'a [f32],
    second: Second<'a>,
    y: &'a mut [f32],
    coefficients: [&'a [f32]; 2],
}

impl Body for MapApply<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.bound.desc.activation {
            Activation::None => self.apply(s, Activation::None),
            Activation::Relu => self.apply(s, Activation::Relu),
            other => self.apply(s, other),
        }
    }
}

impl MapApply<'_> {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, activation: Activation) {
        let Bound { x: x_maps, second: second_maps, out, .. } = self.bound;
        let [rows, columns] = x_maps.size;
        let row = columns * S::LANES;
        // SAFETY: coefficients have one vector.
        let [of_x, shift] = self.coefficients.map(|lanes| unsafe { s.load(lanes.as_ptr()) });
        // Sets every pixel of y to an expression of the loaded pixels; a macro, because calls to closures are not
        // always compiled for the instruction set.
        macro_rules! each {
            ([$($name:ident: $maps:ident $values:expr),*] $pixel:expr) => {
                for r in 0..rows {
                    let y = self.y[out.row(r)..][..row].as_mut_ptr();
                    let rows = ($(self::row(&$values[$maps.row(r)..], row),)*);
                    for i in (0..row).step_by(S::LANES) {
                        let ($($name,)*) = rows;
                        // SAFETY: rows have `columns` vectors.
                        unsafe {
                            $(let $name = s.load($name.add(i));)*
                            s.store(y.add(i), $pixel);
                        }
                    }
                }
            };
        }
        match self.second {
            Second::None => each!([x: x_maps self.x] activate(s, activation, s.fma(of_x, x, shift))),
            Second::Residual(residual) => each!(
                [x: x_maps self.x, residual: second_maps residual]
                activate(s, activation, s.add(s.fma(of_x, x, shift), residual))
            ),
            Second::Gradient { dy, forward } => {
                // SAFETY: as above.
                let forward = forward.map(|lanes| unsafe { s.load(lanes.as_ptr()) });
                each!([x: x_maps self.x, dy: second_maps dy] {
                    let dy = before_activation(s, activation, [x, dy], forward);
                    s.fma(forward[0], dy, s.fma(of_x, x, shift))
                });
            }
        }
    }
}

/// The start of a row of `length` values.
#[inline(always)]
fn row(values: &[f32], length: usize) -> *const f32 {
    values[..length].as_ptr()
}
