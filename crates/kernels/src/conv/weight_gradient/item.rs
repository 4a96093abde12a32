//! An item of the grid: the weights between some input maps and some blocks of outputs, summed over some images.
//!
//! If a vector fills a cache line, the cache lines of x and dy that the next band reads are prefetched into the L2
//! cache while a band of pixels is multiplied, evenly over all tiles: while the pixels of a tile are multiplied, those
//! of one of the next band's maps are prefetched, or none. With AVX2, this was measured to cost more than it gains.

use std::ops::Range;

use super::Bound;
use super::division::{Values, most_blocks, split};
use super::tile::{Ahead, Distances, Tile};
use crate::simd::{Body, CACHE_LINE, Simd};

/// What an item computes.
#[derive(Debug, Clone)]
pub(super) struct Extent {
    pub slice: usize,
    pub group: usize,
    pub images: Range<usize>,
    pub maps: Range<usize>,
    pub blocks: Range<usize>,
}

/// An item of the grid.
pub(super) struct Item<'a> {
    pub bound: &'a Bound,
    pub x: &'a [f32],
    pub dy: &'a [f32],
    /// The weights of all slices.
    pub sums: *mut f32,
    pub extent: Extent,
    /// What the same thread probably computes next.
    pub next: Option<Extent>,
}

impl Body for Item<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (b, extent) = (self.bound, &self.extent);
        for block in extent.blocks.clone() {
            // SAFETY: these weights belong to this item alone.
            unsafe { self.weights(block, extent.maps.start).write_bytes(0, extent.maps.len() * b.w_map) }
        }
        let mut bands = b.bands(extent).peekable();
        while let Some(band) = bands.next() {
            let mut later = self.later(bands.peek());
            for blocks in split(extent.blocks.clone(), most_blocks(b.isa)) {
                for map in extent.maps.clone() {
                    for values in b.values(map) {
                        for values in values.tiles(b.isa, blocks.len()) {
                            // SAFETY: pixels, taps, channels and weights lie within the operands, whose lengths
                            // `Bound::compute` checked; the weights belong to this item alone.
                            unsafe { self.tile(&band, &blocks, map, values, later.ahead()).sum(s) }
                        }
                    }
                }
            }
        }
    }
}

impl Item<'_> {
    /// The weights between a map of x and a block of outputs of the item's group.
    ///
    /// # Safety
    /// Both must exist.
    #[inline(always)]
    unsafe fn weights(&self, block: usize, map: usize) -> *mut f32 {
        let (b, extent) = (self.bound, &self.extent);
        let before = (extent.group * b.group_blocks + block) * b.group_maps + map;
        // SAFETY: guaranteed by the caller.
        unsafe { self.sums.add(extent.slice * b.dw_len + before * b.w_map) }
    }

    /// The tile of some values of a map and some blocks of outputs, for the pixels of a band.
    ///
    /// # Safety
    /// All of them must exist.
    #[inline(always)]
    unsafe fn tile(
        &self,
        band: &Band,
        blocks: &Range<usize>,
        map: usize,
        values: Values,
        ahead: Ahead,
    ) -> Tile {
        let (b, pixels) = (self.bound, self.bound.pixels(band));
        // SAFETY: guaranteed by the caller.
        unsafe {
            Tile {
                values,
                blocks: blocks.len(),
                x: self.x.as_ptr().add(b.x_map(self.extent.group, map, band) + values.x),
                dy: self.dy.as_ptr().add(b.dy_map(self.extent.group, blocks.start, band)),
                dw: self.weights(blocks.start, map).add(values.w),
                dy_block: b.dy.map_len(),
                dw_block: b.group_maps * b.w_map,
                pixels,
                ahead,
            }
        }
    }

    /// What is read after the current band, if it is prefetched: the band `next` of the item, or the first of the next
    /// item.
    fn later(&self, next: Option<&Band>) -> Later<'_> {
        if self.bound.isa.lanes() < CACHE_LINE {
            return Later { item: self, band: None, share: 1, tiles: 0 };
        }
        let extent = if next.is_some() { Some(&self.extent) } else { self.next.as_ref() };
        let band = next.cloned().or_else(|| extent.and_then(|extent| self.bound.bands(extent).next()));
        let blocks = split(self.extent.blocks.clone(), most_blocks(self.bound.isa));
        let tiles = |blocks: Range<usize>| {
            let values = self.bound.values(self.extent.maps.start).iter();
            values.map(|values| values.tile_count(self.bound.isa, blocks.len())).sum::<usize>()
        };
        let tiles = blocks.map(tiles).sum::<usize>() * self.extent.maps.len();
        let maps = extent.map_or(1, |extent| extent.maps.len() + extent.blocks.len());
        Later { item: self, band: extent.zip(band), share: (tiles / maps).max(1), tiles: 0 }
    }
}

/// A band that is prefetched while the tiles of the band before it are computed. Several tiles, `share`, prefetch a map
/// together, each of them a part of its columns, so that few lines are on their way at a time.
struct Later<'a> {
    item: &'a Item<'a>,
    band: Option<(&'a Extent, Band)>,
    share: usize,
    /// The number of tiles so far.
    tiles: usize,
}

impl Later<'_> {
    /// What the next tile prefetches.
    #[inline(always)]
    fn ahead(&mut self) -> Ahead {
        let (b, Item { x, dy, .. }) = (self.item.bound, self.item);
        let nothing = Distances { image: 0, row: 0, column: 0 };
        let nothing = Ahead { at: x.as_ptr(), distances: nothing, every: usize::MAX };
        let Some((extent, band)) = &self.band else { return nothing };
        let (map, part_of_map) = (self.tiles / self.share, self.tiles % self.share);
        self.tiles += 1;
        if map >= extent.maps.len() + extent.blocks.len() {
            return nothing;
        }
        let pixels = b.pixels(band);
        let (start, distances) = if map < extent.maps.len() {
            let at = b.x_map(extent.group, extent.maps.start + map, band) + b.last_row;
            (x.as_ptr().wrapping_add(at), pixels.x)
        } else {
            let at = b.dy_map(extent.group, extent.blocks.start + map - extent.maps.len(), band);
            (dy.as_ptr().wrapping_add(at), pixels.dy)
        };
        let [column, end] = [part_of_map, part_of_map + 1].map(|part| pixels.columns * part / self.share);
        if column == end {
            return nothing;
        }
        let at = start.wrapping_add(column * distances.column);
        Ahead { at, distances, every: pixels.columns / (end - column) }
    }
}

/// A band of pixels: rows of an image, or all rows of several images.
#[derive(Debug, Clone)]
pub(super) struct Band {
    pub images: Range<usize>,
    pub rows: Range<usize>,
}
