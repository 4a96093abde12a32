//! What the directions share on maps in blocks of channels: sums over every map, and passes over every pixel.

use std::ops::Range;

use super::BatchNormDesc;
use crate::Context;
use crate::activation::Activation;
use crate::isa::Isa;
use crate::layout::maps::Maps;
use crate::simd::{Body, Simd, activate, activation_gradient, dispatch};
use crate::threads::Pointer;

/// Bytes of the maps of a group of blocks of channels.
const CACHE_BYTES: usize = 4 << 20;

/// Pixels of a map whose moments are computed at a time.
const PART: usize = 256;

/// The operands of a kernel.
pub(super) struct Operands {
    pub desc: BatchNormDesc,
    pub isa: Isa,
    pub x: Maps,
    /// The residual or dy.
    pub second: Maps,
    /// y or dx.
    pub out: Maps,
}

/// The two quantities that are summed over a map.
#[derive(Clone, Copy)]
pub(super) enum Sums<'a> {
    /// The mean and the squared deviations of x.
    Moments,
    /// dy and dy·(x − mean), with scale and shift of the forward direction.
    Products { dy: &'a [f32], means: &'a [f32], forward: [&'a [f32]; 2] },
}

/// The second operand of a pass over all maps.
#[derive(Clone, Copy)]
pub(super) enum Second<'a> {
    None,
    Residual(&'a [f32]),
    /// dy, with scale and shift of the forward direction.
    Gradient {
        dy: &'a [f32],
        forward: [&'a [f32]; 2],
    },
}

impl Operands {
    /// The number of channels, padded to whole blocks.
    pub fn channels(&self) -> usize {
        self.x.blocks * self.x.block
    }

    /// The size of scratch memory: two sums per map and lane, and five coefficients per channel, padded to whole
    /// blocks.
    pub fn scratch_bytes(&self) -> usize {
        size_of::<f32>() * (self.sums_len() + 5 * self.channels())
    }

    /// The number of floats of the sums in scratch memory, which the coefficients follow.
    pub fn sums_len(&self) -> usize {
        self.x.count * 2 * self.x.block
    }

    /// The offset of the first sum of channel `c` of an image; the second follows one block later.
    pub fn sum_at(&self, image: usize, c: usize) -> usize {
        let block = self.x.block;
        (image * self.x.blocks + c / block) * 2 * block + c % block
    }

    /// Ranges of blocks of channels whose maps, of `operands` operands, stay in the cache from the computation of the
    /// sums to the pass that needs them.
    pub fn groups(&self, operands: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let (blocks, images) = (self.x.blocks, self.desc.shape[0]);
        let bytes = images * self.x.map_len() * size_of::<f32>() * operands;
        let step = (CACHE_BYTES / bytes).max(1);
        (0..blocks).step_by(step).map(move |first| first..(first + step).min(blocks))
    }

    /// The channels of a range of blocks.
    pub fn channels_of(&self, blocks: &Range<usize>) -> Range<usize> {
        blocks.start * self.x.block..(blocks.end * self.x.block).min(self.desc.shape[1])
    }

    /// Calls `work` for every map of these blocks of channels, image by image.
    pub fn each_map(&self, context: &Context, blocks: &Range<usize>, work: impl Fn(usize) + Sync) {
        let (first, count) = (blocks.start, blocks.len());
        context.thread_pool.run(self.desc.shape[0] * count, |item| {
            work(item / count * self.x.blocks + first + item % count);
        });
    }

    /// Computes the sums of every map of these blocks of channels.
    pub fn sums(&self, context: &Context, blocks: &Range<usize>, x: &[f32], sums: &mut [f32], what: Sums) {
        let length = 2 * self.x.block;
        assert_eq!(sums.len(), self.x.count * length, "the scratch memory must have the requested length");
        let sums = Pointer(sums.as_mut_ptr());
        self.each_map(context, blocks, |map| {
            // SAFETY: maps have separate sums, and each is taken once.
            let sums = unsafe { std::slice::from_raw_parts_mut(sums.get().add(map * length), length) };
            let x = self.x.map(x, map);
            let what = match what {
                Sums::Moments => Sums::Moments,
                Sums::Products { dy, means, forward } => Sums::Products {
                    dy: self.second.map(dy, map),
                    means: self.lanes(means, map),
                    forward: forward.map(|all| self.lanes(all, map)),
                },
            };
            dispatch(self.isa, MapSums { operands: self, x, sums, what });
        });
    }

    /// For every pixel of these blocks of channels outside the halo: y = of_x·x + shift, plus the residual, activated;
    /// or of_x·x + shift + scale·dy, where dy is the gradient before the activation.
    pub fn apply(
        &self,
        context: &Context,
        blocks: &Range<usize>,
        x: &[f32],
        second: Second,
        y: &mut [f32],
        coefficients: [&[f32]; 2],
    ) {
        assert!(y.len() >= self.out.len(), "operand lengths must match the layouts");
        let y = Pointer(y.as_mut_ptr());
        self.each_map(context, blocks, |map| {
            let (at, length) = (self.out.at(map), self.out.map_len());
            // SAFETY: maps do not overlap and lie within `y`; each is taken once.
            let y = unsafe { std::slice::from_raw_parts_mut(y.get().add(at), length) };
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
            dispatch(self.isa, MapApply { operands: self, x: self.x.map(x, map), second, y, coefficients });
        });
    }

    /// The part of the coefficients of all channels that belongs to a map.
    pub fn lanes<'a>(&self, all: &'a [f32], map: usize) -> &'a [f32] {
        &all[map % self.x.blocks * self.x.block..][..self.x.block]
    }
}

/// Splits the first `5 · length` floats into five slices.
pub(super) fn fifths(all: &mut [f32], length: usize) -> [&mut [f32]; 5] {
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

/// Sets scale = γ·i and shift = β − mean·scale of some channels.
pub(super) fn set_coefficients(
    [scale, shift]: [&mut [f32]; 2],
    [gamma, beta, mean]: [&[f32]; 3],
    channels: Range<usize>,
    inverse: impl Fn(usize) -> f32,
) {
    for c in channels {
        scale[c] = gamma[c] * inverse(c);
        shift[c] = beta[c] - mean[c] * scale[c];
    }
}

/// Computes the two sums of a map. Each row is summed separately first, because the rounding error grows with the
/// number of terms that are added to one sum in sequence.
struct MapSums<'a> {
    operands: &'a Operands,
    x: &'a [f32],
    sums: &'a mut [f32],
    what: Sums<'a>,
}

impl Body for MapSums<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let sums = match self.what {
            Sums::Moments => self.moments(s),
            Sums::Products { dy, means, forward } => match self.operands.desc.activation {
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
    /// The moments of a map, from those of parts of it, which stay in the L1 cache between their mean and their squared
    /// deviations.
    #[inline(always)]
    fn moments<S: Simd>(&self, s: S) -> [S::F; 2] {
        let [rows, columns] = self.operands.x.size;
        let step = (PART / columns).max(1);
        let [mut mean, mut squares] = self.moments_of(s, 0..step.min(rows));
        for first in (step..rows).step_by(step) {
            let part = first..(first + step).min(rows);
            let [before, pixels] = [first * columns, part.len() * columns];
            let total = (before + pixels) as f32;
            let [m, q] = self.moments_of(s, part);
            let delta = s.sub(m, mean);
            mean = s.fma(delta, s.splat(pixels as f32 / total), mean);
            let weight = s.splat(before as f32 * (pixels as f32 / total));
            squares = s.fma(s.mul(delta, delta), weight, s.add(squares, q));
        }
        [mean, squares]
    }

    /// The mean of some rows, and the sum of squared deviations from it.
    #[inline(always)]
    fn moments_of<S: Simd>(&self, s: S, rows: Range<usize>) -> [S::F; 2] {
        let maps = &self.operands.x;
        let columns = maps.size[1];
        let row = |row: usize| self.x[maps.row(row)..][..columns * S::LANES].as_ptr();
        let (mut mean, mut squares) = (s.zero(), s.zero());
        // SAFETY: rows have `columns` vectors.
        unsafe {
            for r in rows.clone() {
                let x = row(r);
                let mut sum = s.zero();
                for i in 0..columns {
                    sum = s.add(sum, s.load(x.add(i * S::LANES)));
                }
                mean = s.add(mean, sum);
            }
            mean = s.mul(mean, s.splat(1.0 / (rows.len() * columns) as f32));
            for r in rows {
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
        let Operands { x: maps, second, .. } = self.operands;
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
    operands: &'a Operands,
    x: &'a [f32],
    second: Second<'a>,
    y: &'a mut [f32],
    coefficients: [&'a [f32]; 2],
}

impl Body for MapApply<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.operands.desc.activation {
            Activation::None => self.apply(s, Activation::None),
            Activation::Relu => self.apply(s, Activation::Relu),
            other => self.apply(s, other),
        }
    }
}

impl MapApply<'_> {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, activation: Activation) {
        let Operands { x: x_maps, second: second_maps, out, .. } = self.operands;
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
