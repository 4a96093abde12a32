//! Weight gradient of a convolution in batch-innermost layout (see `images`).
//!
//! A tile of R output channels × T weights stays in registers while the loop runs over the pixels of a band of
//! rows: R vectors of dy are multiplied by T vectors of x. The T weights are neighboring taps of a row, or,
//! if the kernel is one tap wide, neighboring input channels. At the end of a band, the lanes of each
//! accumulator are added. The images are split into slices with separate sums, which are then added in order;
//! the number of slices depends only on the descriptor.

use std::ops::Range;

use crate::{Format, Layout, Views};

use super::images::suits;
use super::{ConvDesc, cost};
use crate::isa::Isa;
use crate::simd::{Body, Simd, dispatch};
use crate::threads::Pointer;
use crate::{Context, Implementation, Kernel};

/// Weight gradient.
pub(super) struct WeightGradient;

/// The desired minimum number of items in the grid, if there are enough images.
const ITEMS: usize = 16;
/// The maximum number of floats of x and dy in a band of rows, chosen so that they stay in the L1 cache.
const BAND: usize = 5000;
/// Weights in the largest tile, along a row of taps or of channels.
const MOST_WEIGHTS: usize = 5;
/// For maps with at most this many pixels, all images are accumulated before the lanes are added.
const FEW_PIXELS: usize = 4;

/// Output channels and weights in a tile.
const fn tile(isa: Isa) -> [usize; 2] {
    match isa {
        Isa::Avx512 => [4, 5],
        Isa::Avx2 => [2, 5],
        Isa::Scalar => [2, 4],
    }
}

impl Implementation<ConvDesc> for WeightGradient {
    fn name(&self) -> &'static str {
        "conv_weight_gradient_images_f32"
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        suits(d, isa).then(|| formats(isa))
    }

    fn cost(&self, d: &ConvDesc, _isa: Isa) -> f64 {
        cost::direct(d, [d.in_channels, d.out_channels])
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        kernel(d, isa)
    }
}

/// The formats of x, dy and dw.
pub(crate) fn formats(isa: Isa) -> Vec<Format> {
    let images = Layout::Images { block: isa.block() }.f32();
    vec![images, images, Layout::Plain.f32()]
}

/// Creates the kernel that reads x and dy, and writes dw.
pub(crate) fn kernel(d: &ConvDesc, isa: Isa) -> Box<dyn Kernel> {
    let (blocks, [channels, most]) = (d.batch / isa.block(), tile(isa));
    let tiles = d.out_channels.div_ceil(channels);
    let row = (channels * d.output[1] + d.input[1] * d.stride[0]) * isa.block();
    Box::new(Bound {
        isa,
        blocks,
        tiles,
        slices: ITEMS.div_ceil(tiles).min(blocks),
        band: (BAND / row).clamp(1, d.output[0]),
        together: if d.output[0] * d.output[1] <= FEW_PIXELS { blocks } else { 1 },
        runs: runs(d, most),
        weights: d.out_channels * d.in_channels * d.kernel[0] * d.kernel[1],
        d: d.clone(),
    })
}

/// Consecutive tiles with the same number of weights: taps of a row, or channels.
struct TileRun {
    /// The first weight: its channel, relative to that of the map, and its tap.
    channel: usize,
    tap: usize,
    /// Weights in a tile, and number of tiles.
    count: usize,
    tiles: usize,
    /// For each weight of a tile, the columns of dy for which it lies in the input; and the columns for which
    /// all of them do.
    seen: [Range<usize>; MOST_WEIGHTS],
    common: Range<usize>,
}

/// Divides the weights of a row of taps, or those of all channels if a row has only one tap, into tiles of
/// at most `most`. Because taps apply to different columns, only tiles of channels are combined into a run.
fn runs(d: &ConvDesc, most: usize) -> Vec<TileRun> {
    let along = if is_wide(d) { d.kernel[1] } else { d.in_channels };
    let (whole, rest) = (along / most, along % most);
    let run = |first: usize, count: usize, tiles: usize| {
        let (channel, tap) = if is_wide(d) { (0, first) } else { (first, 0) };
        let seen = std::array::from_fn(|t| {
            let tap = if is_wide(d) { (tap + t).min(d.kernel[1] - 1) } else { 0 };
            seen(d, 1, tap, 0..d.output[1])
        });
        let common = seen[..count].iter().fold(0..d.output[1], |common, seen: &Range<usize>| {
            let start = common.start.max(seen.start);
            start..common.end.min(seen.end).max(start)
        });
        TileRun { channel, tap, count, tiles, seen, common }
    };
    let mut runs: Vec<TileRun> = match is_wide(d) {
        true => (0..whole).map(|index| run(index * most, most, 1)).collect(),
        false => (whole > 0).then(|| run(0, most, whole)).into_iter().collect(),
    };
    runs.extend((rest > 0).then(|| run(whole * most, rest, 1)));
    runs
}

/// Whether the weights of a tile are taps of a row, not channels.
fn is_wide(d: &ConvDesc) -> bool {
    d.kernel[1] > 1
}

struct Bound {
    d: ConvDesc,
    isa: Isa,
    /// Number of vectors of images.
    blocks: usize,
    /// Number of tiles of output channels.
    tiles: usize,
    slices: usize,
    /// Rows of dy that are processed together.
    band: usize,
    /// Vectors of images that are processed together.
    together: usize,
    /// The tiles of a row of taps: of one channel, or of all.
    runs: Vec<TileRun>,
    weights: usize,
}

impl Kernel for Bound {
    fn scratch_bytes(&self, _threads: usize) -> usize {
        size_of::<f32>() * (if self.slices > 1 { self.slices * self.weights } else { 0 })
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let (x, dy, dw) = (views.read::<f32>(0), views.read::<f32>(1), views.write::<f32>(0));
        let len = |channels: usize, size: [usize; 2]| self.d.batch * channels * size[0] * size[1];
        assert!(
            x.len() == len(self.d.in_channels, self.d.input)
                && dy.len() == len(self.d.out_channels, self.d.output)
                && dw.len() == self.weights,
            "operand lengths must match the layouts"
        );
        if self.slices == 1 {
            return self.sum(context, x, dy, dw);
        }
        let sums = views.write::<f32>(1);
        assert_eq!(
            sums.len(),
            self.slices * self.weights,
            "the scratch memory must have the requested length"
        );
        self.sum(context, x, dy, sums);
        dw.copy_from_slice(&sums[..self.weights]);
        for slice in sums[self.weights..].chunks_exact(self.weights) {
            dw.iter_mut().zip(slice).for_each(|(dw, sum)| *dw += sum);
        }
    }
}

impl Bound {
    /// Fills `sums` with the weight gradient of each slice of the images.
    fn sum(&self, context: &Context, x: &[f32], dy: &[f32], sums: &mut [f32]) {
        let sums = Pointer(sums.as_mut_ptr());
        context.thread_pool.run(self.slices * self.tiles, |item| {
            let (slice, tile) = (item / self.tiles, item % self.tiles);
            let cut = |at: usize, of: usize, all: usize| all * at / of..all * (at + 1) / of;
            let channels = cut(tile, self.tiles, self.d.out_channels);
            let blocks = cut(slice, self.slices, self.blocks);
            // SAFETY: the sums of the slice lie within `sums`.
            let dw = unsafe { sums.get().add(slice * self.weights) };
            dispatch(self.isa, Item { bound: self, x, dy, dw, blocks, channels });
        });
    }
}

/// All weights of some output channels, summed over some vectors of images.
struct Item<'a> {
    bound: &'a Bound,
    x: &'a [f32],
    dy: &'a [f32],
    /// The slice's first weight.
    dw: *mut f32,
    blocks: Range<usize>,
    channels: Range<usize>,
}

/// The tiles of a run, for a band of rows and a row of taps.
struct Tile<'a> {
    run: &'a TileRun,
    /// The input that the first weight applies to for pixel (0, 0) of the band; may lie outside the map.
    x: *const f32,
    dy: *const f32,
    dw: *mut f32,
    blocks: usize,
    rows: usize,
    columns: usize,
    /// Distances in x and dy between vectors of images and between rows, and in x between pixels.
    x_block: usize,
    dy_block: usize,
    x_row: usize,
    dy_row: usize,
    x_pixel: usize,
    /// Distances in x and dw between consecutive weights.
    x_weight: usize,
    dw_weight: usize,
    /// Distances in dy and dw between output channels.
    dy_channel: usize,
    dw_channel: usize,
}

impl Body for Item<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (b, d) = (self.bound, &self.bound.d);
        let weights = d.in_channels * d.kernel[0] * d.kernel[1];
        for channel in self.channels.clone() {
            // SAFETY: these weights belong to this item alone.
            unsafe { self.dw.add(channel * weights).write_bytes(0, weights) }
        }
        let maps = if is_wide(d) { d.in_channels } else { 1 };
        for block in self.blocks.clone().step_by(b.together) {
            for band in (0..d.output[0]).step_by(b.band) {
                for map in 0..maps {
                    for ky in 0..d.kernel[0] {
                        self.row_of_taps(s, block, band, map, ky);
                    }
                }
            }
        }
    }
}

impl Item<'_> {
    /// Accumulates the weights of row `ky` of taps, of channel `map` or of all channels, over the band of rows
    /// that starts at `band`.
    #[inline(always)]
    fn row_of_taps<S: Simd>(&self, s: S, block: usize, band: usize, map: usize, ky: usize) {
        let (b, d, lanes) = (self.bound, &self.bound.d, S::LANES);
        let rows = seen(d, 0, ky, band..(band + b.band).min(d.output[0]));
        if rows.is_empty() {
            return;
        }
        let taps = d.kernel[0] * d.kernel[1];
        let (x_map, dy_map) = (d.input[0] * d.input[1] * lanes, d.output[0] * d.output[1] * lanes);
        let row = rows.start * d.stride[0] + ky * d.dilation[0] - d.padding[0];
        let first = self.channels.start;
        let dy = (block * d.out_channels + first) * dy_map + rows.start * d.output[1] * lanes;
        for run in &b.runs {
            let channel = map + run.channel;
            let x = (block * d.in_channels + channel) * x_map + row * d.input[1] * lanes;
            let dw = (first * d.in_channels + channel) * taps + ky * d.kernel[1] + run.tap;
            // The input of column 0, which may lie to the left of the map.
            let column = (run.tap * d.dilation[1]) as isize - d.padding[1] as isize;
            // SAFETY: rows, columns and channels lie within the operands, whose lengths `Bound::run`
            // checked; the weights belong to this item alone.
            unsafe {
                let tile = Tile {
                    run,
                    x: self.x.as_ptr().add(x).wrapping_offset(column * lanes as isize),
                    dy: self.dy.as_ptr().add(dy),
                    dw: self.dw.add(dw),
                    blocks: b.together.min(self.blocks.end - block),
                    rows: rows.len(),
                    columns: d.output[1],
                    x_block: d.in_channels * x_map,
                    dy_block: d.out_channels * dy_map,
                    x_row: d.stride[0] * d.input[1] * lanes,
                    dy_row: d.output[1] * lanes,
                    x_pixel: d.stride[1] * lanes,
                    x_weight: if is_wide(d) { d.dilation[1] * lanes } else { x_map },
                    dw_weight: if is_wide(d) { 1 } else { taps },
                    dy_channel: dy_map,
                    dw_channel: d.in_channels * taps,
                };
                tile.sum(s, self.channels.len());
            }
        }
    }
}

/// The outputs in `range` along an axis for which tap `index` lies in the input.
fn seen(d: &ConvDesc, axis: usize, index: usize, range: Range<usize>) -> Range<usize> {
    let (at, padding, stride) = (index * d.dilation[axis], d.padding[axis], d.stride[axis]);
    let start = padding.saturating_sub(at).div_ceil(stride);
    let end = (d.input[axis] + padding).saturating_sub(at).div_ceil(stride);
    let start = start.max(range.start);
    start..end.min(range.end).max(start)
}

impl Tile<'_> {
    /// # Safety
    /// All pixels that are read, `channels` channels and the run's weights must belong to valid operands, and
    /// nothing else may access these weights.
    #[inline(always)]
    unsafe fn sum<S: Simd>(&self, s: S, channels: usize) {
        macro_rules! tiles {
            ($(($channels:literal $weights:literal))*) => {
                match (channels, self.run.count) {
                    $(($channels, $weights) => s.outline(RegisterTile::<$channels, $weights>(self)),)*
                    _ => unreachable!("tiles have at most four channels and {MOST_WEIGHTS} weights"),
                }
            };
        }
        tiles!((1 1) (1 2) (1 3) (1 4) (1 5) (2 1) (2 2) (2 3) (2 4) (2 5) (3 1) (3 2) (3 3) (3 4) (3 5)
               (4 1) (4 2) (4 3) (4 4) (4 5));
    }
}

/// A tile of R channels × T weights. Created only by [`Tile::sum`], whose caller guarantees the pointers.
struct RegisterTile<'a, const R: usize, const T: usize>(&'a Tile<'a>);

impl<const R: usize, const T: usize> Body for RegisterTile<'_, R, T> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if R * T > S::ACCUMULATORS {
            unreachable!("tiles are chosen to fit the registers");
        }
        let (t, TileRun { tiles, seen, common, .. }) = (self.0, self.0.run);
        for part in 0..*tiles {
            let first = t.x.wrapping_add(part * T * t.x_weight);
            let mut acc = [[s.zero(); T]; R];
            // SAFETY: the caller of `Tile::sum` guarantees that all these addresses are valid.
            unsafe {
                for block in 0..t.blocks {
                    for row in 0..t.rows {
                        let x = first.wrapping_add(block * t.x_block + row * t.x_row);
                        let dy = t.dy.add(block * t.dy_block + row * t.dy_row);
                        let (mut px, mut pdy) =
                            (x.wrapping_add(common.start * t.x_pixel), dy.add(common.start * S::LANES));
                        for _ in common.clone() {
                            let gradients: [S::F; R] =
                                std::array::from_fn(|r| s.load(pdy.add(r * t.dy_channel)));
                            for i in 0..T {
                                let value = s.load(px.add(i * t.x_weight));
                                for r in 0..R {
                                    acc[r][i] = s.fma(value, gradients[r], acc[r][i]);
                                }
                            }
                            px = px.wrapping_add(t.x_pixel);
                            pdy = pdy.wrapping_add(S::LANES);
                        }
                        if common.len() == t.columns {
                            continue;
                        }
                        for column in (0..common.start).chain(common.end..t.columns) {
                            for i in 0..T {
                                if seen[i].contains(&column) {
                                    let value = s.load(x.wrapping_add(column * t.x_pixel + i * t.x_weight));
                                    for r in 0..R {
                                        let gradient = s.load(dy.add(column * S::LANES + r * t.dy_channel));
                                        acc[r][i] = s.fma(value, gradient, acc[r][i]);
                                    }
                                }
                            }
                        }
                    }
                }
                for r in 0..R {
                    for i in 0..T {
                        let weight = (part * T + i) * t.dw_weight;
                        *t.dw.add(r * t.dw_channel + weight) += s.sum(acc[r][i]);
                    }
                }
            }
        }
    }
}
