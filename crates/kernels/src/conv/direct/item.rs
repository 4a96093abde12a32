//! An item of a direct convolution: tiles that cover some lines of some blocks of output channels.

use std::marker::PhantomData;
use std::ops::Range;

use super::Direct;
use super::part::{ColumnPhase, Part, most_chunks};
use crate::Halo;
use crate::conv::Residual;
use crate::conv::tile::{Chunk, Job, MOST_BLOCKS, Offsets, Place, WIDEST, Word};
use crate::simd::{Body, CACHE_LINE, Simd};
use crate::threads::Pointer;

/// The most runs of a chunk whose weights are prefetched.
const MOST_RUNS_AHEAD: usize = 128;
/// Bytes of an input that probably comes from memory.
const LARGE_INPUT: usize = 8 << 20;

/// Some lines of some blocks of a group's output channels.
pub(super) struct Item<'a, W> {
    pub conv: &'a Direct<W>,
    pub part: &'a Part,
    pub x: &'a [f32],
    pub w: &'a [f32],
    pub bias: &'a [f32],
    pub residual: Option<&'a Residual>,
    pub y: &'a Pointer<f32>,
    pub group: usize,
    pub lines: Range<usize>,
    pub blocks: Range<usize>,
}

impl<W: Word> Body for Item<'_, W> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let part = self.part;
        if part.columns[0].starts_rows() {
            self.clear_borders();
        }
        let blocks = self.blocks.len();
        let stacks = blocks.div_ceil(W::blocks(self.conv.isa));
        let chunks = most_chunks(&part.columns);
        for step in 0..stacks * chunks {
            let [stack, chunk] = match part.by_chunks {
                true => [step % stacks, step / stacks],
                false => [step / chunks, step % chunks],
            };
            let [first, end] = [stack, stack + 1].map(|n| self.blocks.start + blocks * n / stacks);
            for columns in part.columns.iter().filter(|columns| chunk < columns.chunks.len()) {
                // As in `Direct::run`, but for a phase.
                if !(self.residual.is_some_and(|residual| residual.is_replaced) && columns.reads_nothing()) {
                    self.sum(s, columns, first, end - first, chunk);
                }
            }
        }
    }
}

impl<'a, W: Word> Item<'a, W> {
    /// Adds a chunk to the sums of a column phase and the stack of `blocks` blocks that starts with block `first`.
    #[inline(always)]
    fn sum<S: Simd>(&self, s: S, columns: &ColumnPhase, first: usize, blocks: usize, chunk: usize) {
        let chunks = &columns.chunks;
        let job = self.job(first, blocks, &chunks[chunk]);
        // Later phases read what the first one did.
        let is_first = first == 0 && std::ptr::eq(columns, &raw const self.part.columns[0]);
        let reads_first = is_first && size_of_val(self.x) >= LARGE_INPUT;
        self.tiles(
            s,
            columns,
            &Job { begin: chunk == 0, end: chunk + 1 == chunks.len(), reads_first, ..job },
        );
    }

    fn job(&self, first: usize, blocks: usize, chunk: &'a Chunk) -> Job<'a, W> {
        let c = self.conv;
        let (size, block) = (c.isa.block(), self.group * c.group_blocks + first);
        let mut bias = [[0.0; 16]; MOST_BLOCKS];
        let mut channels = [0; MOST_BLOCKS];
        for o in 0..blocks {
            let start = (block + o) * size;
            channels[o] = size.min(c.channels - start);
            if c.has_bias {
                bias[o][..channels[o]].copy_from_slice(&self.bias[start..][..channels[o]]);
            }
        }
        // SAFETY: the block lies within the residual, which is as long as its layout requires.
        let residual = self.residual.map_or(std::ptr::null(), |residual| unsafe {
            residual.values.get().add(block * residual.maps.map_len())
        });
        Job {
            chunk,
            begin: true,
            end: true,
            reads_first: true,
            x: self.x[self.group * c.group_maps * c.x.map_len()..].as_ptr(),
            w: self.w[self.group * c.w_group + first * c.w_block..].as_ptr(),
            // SAFETY: the block lies within y.
            y: unsafe { self.y.get().add(block * c.y.map_len()) },
            residual,
            narrow: c.narrow,
            blocks,
            w_block: c.w_block,
            y_block: c.y.map_len(),
            residual_block: self.residual.map_or(0, |residual| residual.maps.map_len()),
            bias,
            channels,
            activation: c.activation,
            word: PhantomData,
        }
    }

    /// The lines of weights that a tile prefetches for each run, as the bounds of a range: its share, as tile number
    /// `tile` of `tiles`, of the weights of the next stack of blocks, which often come from memory. The processor seems
    /// to drop prefetches that are too many at a time, and so bands that follow one another with the same weights share
    /// the lines as well. The range is empty for vectors shorter than a line, and if the weights of two stacks do not
    /// fit the L2 cache.
    #[inline(always)]
    fn ahead<S: Simd>(&self, chunk: &Chunk, tile: usize, tiles: usize) -> [usize; 2] {
        let fits = chunk.whole.len() <= MOST_RUNS_AHEAD;
        if S::LANES < CACHE_LINE || !fits {
            return [0; 2];
        }
        let part = self.part;
        let [band, bands] = if part.by_splits { [self.lines.start / part.band, part.bands] } else { [0, 1] };
        let lines = W::blocks(self.conv.isa) * S::LANES / W::VALUES;
        [tile, tile + 1].map(|tile| lines * (band * tiles + tile) / (bands * tiles))
    }

    /// Covers the item's pixels in a column phase with tiles: row by row if rows fill tiles well, otherwise across
    /// rows.
    #[inline(always)]
    fn tiles<S: Simd>(&self, s: S, columns: &ColumnPhase, job: &Job<W>) {
        let width = columns.count();
        let widest = widest(S::ACCUMULATORS, job.blocks);
        let tiles = width.div_ceil(widest);
        if width / tiles * 4 < widest * 3 {
            return self.tiles_across_rows(s, columns, job, widest);
        }
        let step = columns.step(self.conv);
        let mut offsets = Offsets {
            x: std::array::from_fn(|p| p * step.x),
            y: std::array::from_fn(|p| p * step.y),
            residual: std::array::from_fn(|p| p * step.residual),
            step: step.x,
            next: Place::default(),
            steps: step,
            ahead: [0; 2],
        };
        let mut done = 0;
        for line in self.lines.clone() {
            let mut place = self.part.line(self.conv, columns, line);
            for tile in 0..tiles {
                offsets.ahead = self.ahead::<S>(job.chunk, done, self.lines.len() * tiles);
                done += 1;
                let count = width * (tile + 1) / tiles - width * tile / tiles;
                offsets.next = if tile + 1 < tiles {
                    place.after(step, count)
                } else {
                    self.part.line(self.conv, columns, line + 1)
                };
                // SAFETY: the tile lies within a line of this item; the windows of its pixels lie within
                // the input including its halo, and `Direct::run` checked the lengths.
                unsafe { job.tile(s, place, &offsets, count) }
                place = place.after(step, count);
            }
        }
    }

    #[inline(always)]
    fn tiles_across_rows<S: Simd>(&self, s: S, columns: &ColumnPhase, job: &Job<W>, widest: usize) {
        let (width, step) = (columns.count(), columns.step(self.conv));
        let pixels = width * self.lines.len();
        let tiles = pixels.div_ceil(widest);
        let mut offsets = Offsets::default();
        let (mut line, mut column) = (self.lines.start, 0);
        let mut place = self.part.line(self.conv, columns, line);
        for tile in 0..tiles {
            let count = pixels * (tile + 1) / tiles - pixels * tile / tiles;
            let first = place;
            for p in 0..count {
                offsets.x[p] = place.x - first.x;
                offsets.y[p] = place.y - first.y;
                offsets.residual[p] = place.residual - first.residual;
                column += 1;
                place = place.after(step, 1);
                if column == width {
                    (line, column) = (line + 1, 0);
                    place = self.part.line(self.conv, columns, line);
                }
            }
            // Rows without a halo between them are one line.
            let is_line = offsets.x[..count].iter().enumerate().all(|(p, x)| *x == p * step.x);
            offsets.step = if is_line { step.x } else { 0 };
            offsets.ahead = self.ahead::<S>(job.chunk, tile, tiles);
            (offsets.next, offsets.steps) = (place, step);
            // SAFETY: as above; the tile's pixels belong to this item.
            unsafe { job.tile(s, first, &offsets, count) }
        }
    }

    /// Clears the halo to the left and right of the item's lines, and above the first and below the last row
    /// of each map.
    fn clear_borders(&self) {
        let c = self.conv;
        let maps = &c.y;
        if maps.halo == Halo::NONE {
            return;
        }
        for line in self.lines.clone() {
            let (image, row) = self.part.image_and_row(line);
            for block in self.blocks.clone() {
                let map = image * maps.image_len + (self.group * c.group_blocks + block) * maps.map_len();
                // SAFETY: the map lies within y, and only the item of this row writes its halo.
                unsafe { maps.clear_halo_of_row(self.y.get().add(map), row) }
            }
        }
    }
}

/// Pixels in the widest tile with `blocks` blocks. With one block, each broadcast value is used only once, and
/// some registers must be left free to load enough of them ahead.
fn widest(accumulators: usize, blocks: usize) -> usize {
    WIDEST.min(if blocks == 1 { accumulators * 2 / 3 } else { accumulators / blocks })
}
