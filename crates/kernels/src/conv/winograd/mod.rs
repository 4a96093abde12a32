//! Winograd convolution of 3×3 taps, F(4×4, 3×3): tiles of 4 × 4 outputs from 6 × 6 inputs, with 36 multiplications per pair of
//! channels where the direct convolution has 144.
//!
//! Y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A. The products over the input channels are 36 matrix multiplications of transformed
//! tiles and transformed weights. The interpolation points 0, ±5/8, ±3/2, ∞ give a smaller rounding error than the usual
//! 0, ±1, ±2, ∞ at the same cost.
//!
//! Blocks of tiles pass through three phases: input transform, products, output transform. With few channels, a block is
//! small enough for a thread's own cache and one thread takes it through all phases. With many channels, the transformed
//! weights are larger than any cache, so blocks are large and all threads share each phase.
//!
//! Sources: Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016; Barabasz et al., "Error
//! analysis and improving the accuracy of Winograd convolution", ACM TOMS 2020 (points).

mod forward;
mod packing;
mod weight_gradient;

pub(super) use forward::{DataGradient, Forward};
pub(super) use weight_gradient::WeightGradient;

use super::ConvDesc;
use crate::maps::Maps;
use crate::simd::{Body, Simd};

/// Outputs along the side of a tile.
const OUT: usize = 4;
/// Inputs along the side of a tile.
const IN: usize = 6;
/// Products of a tile and pair of channels.
const PRODUCTS: usize = IN * IN;
/// Squares of the interpolation points other than 0 and ∞.
const A: f32 = 0.625;
const B: f32 = 1.5;
/// Floats between the products of a tile, in addition to their length, so that they do not compete for the same lines
/// of the cache.
const GAP: usize = 80;
/// Whether the convolution is one of 3 × 3 taps without stride, dilation and groups.
fn supports(d: &ConvDesc) -> bool {
    d.kernel == [3, 3] && d.stride == [1, 1] && d.dilation == [1, 1] && d.groups == 1
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
    /// Image, row and column of a tile.
    #[inline(always)]
    fn place(&self, tile: usize) -> [usize; 3] {
        let [rows, columns] = self.grid;
        [tile / (rows * columns), tile / columns % rows, tile % columns]
    }
}

/// The input transform of a tile.
struct InputTile<'a> {
    input: &'a Input,
    x: &'a [f32],
    /// Block of channels.
    block: usize,
    tile: usize,
    /// The first of 36 vectors.
    to: *mut f32,
    /// Floats from one of them to the next.
    stride: usize,
}

impl Body for InputTile<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let InputTile { input, x: values, block, tile, to, stride } = self;
        let [image, row, column] = input.place(tile);
        let (x, padding) = (&input.maps, input.padding);
        let map = (image * x.blocks + block) * x.map_len();
        // Position of the first input in the map including its halo.
        let [top, left] = [x.halo.top - padding[0] + row * OUT, x.halo.left - padding[1] + column * OUT];
        let rows = x.halo.top + x.size[0] + x.halo.bottom;
        let columns = x.halo.left + x.size[1] + x.halo.right;
        let (height, width) = (IN.min(rows - top), IN.min(columns - left));
        let start = map + top * x.row_len() + left * S::LANES;
        let source = &values[start..start + (height - 1) * x.row_len() + width * S::LANES];
        // Beyond the map there are zeros, whose outputs are not stored.
        let mut halves = [[s.zero(); IN]; IN];
        for column in 0..width {
            let mut line = [s.zero(); IN];
            for (row, value) in line.iter_mut().enumerate().take(height) {
                // SAFETY: the vector lies within the source.
                *value = unsafe { s.load(source.as_ptr().add(row * x.row_len() + column * S::LANES)) };
            }
            let line = transform_input(s, line);
            (0..IN).for_each(|row| halves[row][column] = line[row]);
        }
        for (row, line) in halves.into_iter().enumerate() {
            for (column, value) in transform_input(s, line).into_iter().enumerate() {
                // SAFETY: the caller guarantees the addresses.
                unsafe { s.store(to.add((row * IN + column) * stride), value) };
            }
        }
    }
}
