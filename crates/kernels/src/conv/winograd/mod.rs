//! Winograd convolution F(4×4, 3×3): tiles of 4 × 4 outputs from 6 × 6 inputs, with 36 multiplications per pair of
//! channels where the direct convolution has 144.
//!
//! Y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A. The products over the input channels are 36 matrix multiplications of transformed
//! tiles and transformed weights. The interpolation points 0, ±5/8, ±3/2, ∞ give a smaller rounding error than the
//! usual 0, ±1, ±2, ∞ at the same cost.
//!
//! Sources: Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016; Barabasz et al., "Error
//! analysis and improving the accuracy of Winograd convolution", ACM TOMS 2020 (points).

mod forward;
mod packing;
mod weight_gradient;

pub(super) use forward::{DataGradient, Forward};
pub(super) use weight_gradient::WeightGradient;

use std::ops::Range;

use super::ConvDesc;
use crate::layout::maps::Maps;
use crate::simd::{Body, Simd};

/// Outputs along the side of a tile.
const OUT: usize = 4;
/// Inputs along the side of a tile.
const IN: usize = 6;
/// Products of a tile and pair of channels.
const PRODUCTS: usize = IN * IN;
/// The interpolation points other than 0 and ∞ are ±A and ±B.
const A: f32 = 0.625;
const B: f32 = 1.5;
/// Floats between the products of a tile, in addition to their length, so that they do not compete for the same lines
/// of the cache.
const GAP: usize = 80;

/// Whether the convolution is one of 3 × 3 taps without stride, dilation and groups.
fn supports(d: &ConvDesc) -> bool {
    d.kernel == [3, 3] && d.stride == [1, 1] && d.dilation == [1, 1] && d.groups == 1
}

/// The time of the products of all tiles with their transforms, and of a direct convolution, in multiply-adds for each
/// pair of an input and an output channel. The transforms of a tile take 17 times as long for a channel as its products
/// do for a pair (measured).
fn costs(d: &ConvDesc) -> [f64; 2] {
    let tiles: usize = d.output.map(|extent| extent.div_ceil(OUT)).iter().product();
    let [tiles, pixels] = [tiles, d.output[0] * d.output[1]].map(|count| (count * d.batch) as f64);
    let transforms = 17.0 * (1.0 / d.in_channels as f64 + 1.0 / d.out_channels as f64);
    [tiles * PRODUCTS as f64 * (1.0 + transforms), 9.0 * pixels]
}

/// Bᵀ d: the transform of six inputs along an axis.
#[inline(always)]
fn transform_input<S: Simd>(s: S, d: [S::F; IN]) -> [S::F; IN] {
    let (a2, b2) = (A * A, B * B);
    let minus = |factor: f32, x: S::F, y: S::F| s.fma(s.splat(-factor), x, y);
    let (even_a, odd_a) = (minus(b2, d[2], d[4]), minus(b2, d[1], d[3]));
    let (even_b, odd_b) = (minus(a2, d[2], d[4]), minus(a2, d[1], d[3]));
    let end = |x: S::F, y: S::F, z: S::F| s.fma(s.splat(a2 * b2), x, minus(a2 + b2, y, z));
    [
        end(d[0], d[2], d[4]),
        s.fma(s.splat(A), odd_a, even_a),
        s.fma(s.splat(-A), odd_a, even_a),
        s.fma(s.splat(B), odd_b, even_b),
        s.fma(s.splat(-B), odd_b, even_b),
        end(d[1], d[3], d[5]),
    ]
}

/// A value in tiles of 6 × 6 inputs, which overlap by 2.
struct Input {
    maps: Maps,
    /// Padding above and to the left.
    padding: [usize; 2],
    /// Tiles in a column and in a row of a map.
    grid: [usize; 2],
}

impl Input {
    /// Image, row and column of each of the tiles.
    fn places(&self, tiles: Range<usize>) -> impl Iterator<Item = [usize; 3]> {
        let [rows, columns] = self.grid;
        let place = |tile: usize| [tile / (rows * columns), tile / columns % rows, tile % columns];
        let next = move |place: &[usize; 3]| {
            Some(match *place {
                [image, row, column] if column + 1 < columns => [image, row, column + 1],
                [image, row, _] if row + 1 < rows => [image, row + 1, 0],
                [image, ..] => [image + 1, 0, 0],
            })
        };
        std::iter::successors(Some(place(tiles.start)), next).take(tiles.len())
    }
}

/// The input transforms of some tiles.
struct InputTiles<'a> {
    input: &'a Input,
    x: &'a [f32],
    /// Block of channels.
    block: usize,
    tiles: Range<usize>,
    /// The first of 36 vectors of the first tile; those of the next tile lie after them.
    to: *mut f32,
    /// Floats from one of them to the next.
    stride: usize,
}

impl Body for InputTiles<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let InputTiles { input, x: values, block, tiles, mut to, stride } = self;
        let (x, padding) = (&input.maps, input.padding);
        let rows = x.halo.top + x.size[0] + x.halo.bottom;
        let columns = x.halo.left + x.size[1] + x.halo.right;
        for [image, row, column] in input.places(tiles) {
            let map = (image * x.blocks + block) * x.map_len();
            // Position of the first input in the map including its halo.
            let [top, left] = [x.halo.top - padding[0] + row * OUT, x.halo.left - padding[1] + column * OUT];
            let (height, width) = (IN.min(rows - top), IN.min(columns - left));
            let start = map + top * x.row_len() + left * S::LANES;
            let source = &values[start..start + (height - 1) * x.row_len() + width * S::LANES];
            // SAFETY: the pixels lie within the source, and the caller guarantees the other addresses.
            unsafe {
                // Constants let the compiler unroll the loops.
                match [height, width] {
                    [IN, IN] => transform_tile(s, source.as_ptr(), x.row_len(), [IN, IN], to, stride),
                    size => transform_tile(s, source.as_ptr(), x.row_len(), size, to, stride),
                }
                to = to.add(S::LANES);
            }
        }
    }
}

/// Bᵀ x B of a tile of which only `size` pixels are given. Beyond them there are zeros, whose outputs are not used.
///
/// # Safety
/// The pixels, in rows of `row_len` floats, must be readable and 36 vectors at distances of `stride` writable.
#[inline(always)]
unsafe fn transform_tile<S: Simd>(
    s: S,
    from: *const f32,
    row_len: usize,
    [height, width]: [usize; 2],
    to: *mut f32,
    stride: usize,
) {
    let mut halves = [[s.zero(); IN]; IN];
    for column in 0..width {
        let mut line = [s.zero(); IN];
        for row in 0..height {
            // SAFETY: the caller guarantees the address.
            line[row] = unsafe { s.load(from.add(row * row_len + column * S::LANES)) };
        }
        let line = transform_input(s, line);
        for row in 0..IN {
            halves[row][column] = line[row];
        }
    }
    for row in 0..IN {
        let line = transform_input(s, halves[row]);
        for column in 0..IN {
            // SAFETY: as above.
            unsafe { s.store(to.add((row * IN + column) * stride), line[column]) };
        }
    }
}
