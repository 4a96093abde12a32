//! The division of a weight gradient into items of the grid, bands of pixels and tiles, which depends only on the
//! descriptor, the instruction set and the layouts.

use std::ops::Range;

use crate::conv::ConvDesc;
use crate::isa::Isa;
use crate::layout::maps::Maps;

/// The desired minimum number of items in the grid.
const ITEMS: usize = 16;
/// The maximum number of weights in an item, chosen so that they stay in the L2 cache beside two bands.
const ITEM_WEIGHTS: usize = 1 << 15;
/// The maximum number of floats of dy in a tile, chosen so that they stay in the L1 cache beside those of x.
const BAND: usize = 5120;
/// The same for AVX-512.
const WIDE_BAND: usize = 6144;
/// The maximum number of contiguous values in a tile.
const MOST_VALUES: usize = 14;

/// The maximum number of blocks of outputs in a tile of an instruction set.
pub(super) const fn most_blocks(isa: Isa) -> usize {
    match isa {
        Isa::Avx512 | Isa::Avx2 => 3,
        Isa::Scalar => 2,
    }
}

/// Divides a range into the fewest parts of at most `most`, whose lengths differ by at most one.
#[inline(always)]
pub(super) fn split(range: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let count = range.len().div_ceil(most);
    let (length, longer) = (range.len() / count, range.len() % count);
    (0..count).map(move |part| {
        let start = range.start + part * length + part.min(longer);
        start..start + length + usize::from(part < longer)
    })
}

/// The length of the longest of these parts.
fn longest_part(length: usize, most: usize) -> usize {
    length.div_ceil(length.div_ceil(most))
}

/// Input values of a pixel and their weights: rows of contiguous values, whose weights are contiguous vectors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values {
    /// The first value.
    pub x: usize,
    /// Its weights.
    pub w: usize,
    pub rows: usize,
    /// Values in a row.
    pub count: usize,
    /// Distances between rows.
    pub x_row: usize,
    pub w_row: usize,
}

impl Values {
    /// The values that a pixel sees in a map of `channels` channels, or in a planar map, under all taps.
    pub fn of_map(d: &ConvDesc, x: &Maps, block: usize, channels: usize) -> Vec<Values> {
        let [kh, kw] = d.kernel;
        let (tap_x, tap_w) = ([d.dilation[0] * x.row_len(), d.dilation[1] * x.block], x.block * block);
        let row = |ky: usize, rows: usize, kx: usize, count: usize| Values {
            x: first_tap(d, x) + ky * tap_x[0] + kx * tap_x[1],
            w: (ky * kw + kx) * tap_w,
            rows,
            count,
            x_row: tap_x[0],
            w_row: kw * tap_w,
        };
        if d.dilation[1] == 1 && channels == x.block {
            // Whole blocks under neighboring taps are contiguous.
            return vec![row(0, kh, 0, kw * channels)];
        }
        (0..kh * kw).map(|tap| row(tap / kw, 1, tap % kw, channels)).collect()
    }

    /// Divides the values into those of tiles with `blocks` blocks of outputs.
    #[inline(always)]
    pub fn tiles(self, isa: Isa, blocks: usize) -> impl Iterator<Item = Values> {
        let [rows, count] = self.most(isa, blocks);
        split(0..self.rows, rows).flat_map(move |rows| {
            split(0..self.count, count).map(move |values| Values {
                x: self.x + rows.start * self.x_row + values.start,
                w: self.w + rows.start * self.w_row + values.start * isa.block(),
                rows: rows.len(),
                count: values.len(),
                ..self
            })
        })
    }

    /// The number of these tiles.
    pub fn tile_count(&self, isa: Isa, blocks: usize) -> usize {
        let [rows, count] = self.most(isa, blocks);
        self.rows.div_ceil(rows) * self.count.div_ceil(count)
    }

    /// The maximum number of rows and of values in a row of a tile, which fits the registers.
    #[inline(always)]
    fn most(&self, isa: Isa, blocks: usize) -> [usize; 2] {
        let most = (isa.accumulators() / blocks).min(MOST_VALUES);
        let rows = match self.count {
            3 => (most / 3).clamp(1, 3),
            count @ 4..=7 => (most / count).clamp(1, 2),
            _ => 1,
        };
        [rows, most]
    }
}

/// The offset in a map of x of what the first pixel sees through the first tap.
pub(super) fn first_tap(d: &ConvDesc, x: &Maps) -> usize {
    (x.halo.top - d.padding[0]) * x.row_len() + (x.halo.left - d.padding[1]) * x.block
}

/// The offset in a map of x of the last row that the first pixel sees.
pub(super) fn last_row(d: &ConvDesc, x: &Maps) -> usize {
    first_tap(d, x) + (d.kernel[0] - 1) * d.dilation[0] * x.row_len()
}

/// The extents of items and bands.
#[derive(Debug, Clone)]
pub(super) struct Division {
    /// Maps of x, and blocks of dy, in an item.
    pub maps: usize,
    pub blocks: usize,
    /// Parts of the batch with separate sums.
    pub slices: usize,
    /// Rows of a band; and images, more than one only if a band has all rows.
    pub rows: usize,
    pub images: usize,
}

impl Division {
    /// Divides the products of `maps` maps and `blocks` blocks of each group, with `w_map` weights in each.
    pub fn new(d: &ConvDesc, isa: Isa, x_block: usize, [maps, blocks]: [usize; 2], w_map: usize) -> Division {
        let products = (d.groups * maps * blocks * d.batch / ITEMS).min(ITEM_WEIGHTS / w_map).max(1);
        // What an item reads comes from memory for each of them: x for each set of blocks, dy for each set of maps.
        let seen = |axis: usize| d.input[axis].min(d.output[axis] * d.kernel[axis]);
        let (x, dy) = (maps * seen(0) * seen(1) * x_block, blocks * d.output[0] * d.output[1] * isa.block());
        let item = |most: usize| {
            let fit = (products / most).min(blocks);
            // Parts of equal length; with AVX2, where only tiles of three blocks use `Simd::add_products`, rounded up
            // to such tiles if that fits, or else as many of them as fit.
            let tile = if isa == Isa::Avx2 { most_blocks(isa) } else { 1 };
            let rounded = longest_part(blocks, fit).next_multiple_of(tile).min(blocks);
            let item_blocks = if rounded <= fit { rounded } else { (fit / tile * tile).max(fit.min(tile)) };
            [longest_part(maps, most), item_blocks]
        };
        let reads = |item: &[usize; 2]| x * blocks.div_ceil(item[1]) + dy * maps.div_ceil(item[0]);
        // If equal, more maps: their weights are contiguous, those of many blocks may compete for places in the cache.
        let [item_maps, item_blocks] =
            (1..=maps.min(products)).rev().map(item).min_by_key(reads).expect("there is at least one map");
        let sets = d.groups * maps.div_ceil(item_maps) * blocks.div_ceil(item_blocks);
        let most = if isa == Isa::Avx512 { WIDE_BAND } else { BAND };
        let row = longest_part(item_blocks, most_blocks(isa)) * isa.block() * d.output[1];
        let slices = ITEMS.div_ceil(sets).min(d.batch);
        Division {
            maps: item_maps,
            blocks: item_blocks,
            slices,
            rows: (most / row).clamp(1, d.output[0]),
            images: (most / (row * d.output[0])).max(1),
        }
    }
}
