//! The parts of a direct convolution and their division into items, chunks and bands.

use super::Direct;
use crate::conv::ConvDesc;
use crate::conv::geometry::Phase;
use crate::conv::tile::{Chunk, Place, Run, Word};
use crate::isa::Isa;
use crate::layout::maps::Maps;
use crate::simd::CACHE_LINE;

/// The outputs of a row phase and of one or more column phases.
pub(super) struct Part {
    rows: Phase,
    /// Column phases that share cache lines, which an item computes one after the other; otherwise a single one.
    pub columns: Vec<ColumnPhase>,
    /// The number of lines, that is, of rows of this part in the whole batch.
    pub lines: usize,
    /// Lines in an item of the grid, and the number of such bands.
    pub band: usize,
    pub bands: usize,
    /// The number of splits of the blocks of output channels, of which an item of the grid has one.
    pub splits: usize,
    /// Whether neighboring items share weights instead of inputs, because there are more weights.
    pub by_splits: bool,
    /// Whether all outputs of an item are computed chunk by chunk, so that the inputs of a chunk stay in the cache.
    pub by_chunks: bool,
}

/// The outputs of a part in a column phase, which read their input through the same taps.
pub(super) struct ColumnPhase {
    phase: Phase,
    pub chunks: Vec<Chunk>,
}

impl Part {
    /// Whether its outputs read no inputs.
    pub fn reads_nothing(&self) -> bool {
        self.columns.iter().all(ColumnPhase::reads_nothing)
    }

    /// The first of `blocks` blocks in split number `split`. Splits are alike, and of even length except the last one,
    /// so that at most one block is left alone.
    pub fn split(&self, split: usize, blocks: usize) -> usize {
        (blocks * split / self.splits).next_multiple_of(2).min(blocks)
    }

    /// The image of a line, and its row in the maps of y.
    #[inline(always)]
    pub fn image_and_row(&self, line: usize) -> (usize, usize) {
        (line / self.rows.count, self.rows.first + line % self.rows.count * self.rows.step)
    }

    /// The first pixel of a line in a column phase.
    #[inline(always)]
    pub fn line<W>(&self, conv: &Direct<W>, columns: &ColumnPhase, line: usize) -> Place {
        let (image, row) = self.image_and_row(line);
        let out = |maps: &Maps| image * maps.image_len + maps.row(row) + columns.phase.first * maps.block;
        let (x, input_row) = (&conv.x, line % self.rows.count * self.rows.input_step);
        Place {
            x: image * x.image_len + input_row * x.row_len(),
            y: out(&conv.y),
            residual: conv.residual.as_ref().map_or(0, out),
        }
    }
}

impl ColumnPhase {
    /// Whether its outputs read no inputs.
    pub fn reads_nothing(&self) -> bool {
        self.chunks.iter().all(|chunk| chunk.whole.is_empty() && chunk.single.is_empty())
    }

    /// Whether it contains the first column of each row.
    pub fn starts_rows(&self) -> bool {
        self.phase.first == 0
    }

    /// The number of columns.
    #[inline(always)]
    pub fn count(&self) -> usize {
        self.phase.count
    }

    /// The distance between neighboring pixels.
    #[inline(always)]
    pub fn step<W>(&self, conv: &Direct<W>) -> Place {
        let y = self.phase.step * conv.y.block;
        let residual = conv.residual.map_or(0, |maps| self.phase.step * maps.block);
        Place { x: self.phase.input_step * conv.x.block, y, residual }
    }

    /// The input values that a pixel reads.
    fn values(&self, block: usize) -> usize {
        self.chunks.iter().map(|chunk| chunk.whole.len() * block + chunk.single.len()).sum()
    }
}

/// The most chunks of a column phase.
pub(super) fn most_chunks(columns: &[ColumnPhase]) -> usize {
    columns.iter().map(|columns| columns.chunks.len()).max().unwrap_or(1)
}

/// Bytes of the L2 cache that the input of a band may occupy.
const L2_BYTES: usize = 256 << 10;
/// The same without AVX-512, where L2 caches are often smaller; an input that fits `L2_BYTES` is a single band still.
const SMALL_L2_BYTES: usize = 96 << 10;
/// Input words in a chunk if there is a single tap.
const DEEPEST: usize = 512;
/// The minimum number of pixels of each column phase in a band if there are many weights.
const BAND: usize = 512;
/// The number of floating-point operations that makes an item worth distributing.
const ITEM_WORK: usize = 1_000_000;
/// Writing an output takes at least as long as adding this many products.
const LEAST_VALUES: usize = 32;
/// The maximum number of items in the grid, unless the cache requires more.
const MOST_ITEMS: usize = 64;
/// The number of items for which bands are made shorter.
const ENOUGH_ITEMS: usize = 32;

impl<W: Word> Direct<W> {
    /// Divides the work into parts; `tap` returns the index of a tap in the weights.
    pub(super) fn with_parts(
        mut self,
        d: &ConvDesc,
        rows: Vec<Phase>,
        columns: Vec<Phase>,
        tap: impl Fn(usize, usize) -> usize,
    ) -> Self {
        let taps = d.kernel[0] * d.kernel[1];
        // If a vector fills a cache line, column phases share none.
        let together = if self.isa.lanes() < CACHE_LINE { columns.len() } else { 1 };
        let count = rows.len() * columns.len().div_ceil(together);
        for rows in &rows {
            for columns in columns.chunks(together) {
                let columns = columns.iter().map(|phase| ColumnPhase {
                    phase: phase.clone(),
                    chunks: self.chunks(rows, phase, &tap, taps),
                });
                let part = self.part(d.batch, rows, columns.collect(), count);
                self.parts.push(part);
            }
        }
        self
    }

    fn chunks(
        &self,
        rows: &Phase,
        columns: &Phase,
        tap: impl Fn(usize, usize) -> usize,
        taps: usize,
    ) -> Vec<Chunk> {
        let (x, block) = (&self.x, self.isa.block());
        let budget = if self.isa == Isa::Avx512 { 512 << 10 } else { 64 << 10 };
        let mut most = budget / (block * 4 * W::blocks(self.isa));
        if taps == 1 && 2 * self.group_maps * x.block > 3 * DEEPEST {
            most = most.min(DEEPEST);
        }
        // Partial sums are kept in y, for which `bf16` is not precise enough.
        let most = if self.narrow { usize::MAX } else { most };
        let (mut chunks, mut values) = (vec![Chunk::default()], 0);
        for map in 0..self.group_maps {
            for row in &rows.taps {
                for column in &columns.taps {
                    let at =
                        |first: usize, offset: isize, step: usize| (first as isize + offset) as usize * step;
                    let place = map * x.map_len()
                        + at(x.halo.top, row.offset, x.row_len())
                        + at(x.halo.left, column.offset, x.block);
                    let w = (map * taps + tap(row.index, column.index)) * x.block * block;
                    let real = if map + 1 == x.blocks { x.last_channels } else { x.block };
                    if values + real > most {
                        chunks.push(Chunk::default());
                        values = 0;
                    }
                    values += real;
                    let chunk = chunks.last_mut().expect("at least one chunk");
                    if real * W::VALUES == block {
                        chunk.whole.push(Run { x: place, w });
                    } else {
                        chunk.single.extend((0..real).map(|i| Run { x: place + i, w: w + i * block }));
                    }
                }
            }
        }
        chunks
    }

    /// Divides a part into items: bands of lines whose input stays in the L2 cache where that pays off, and
    /// splits of the output channels. The number of items depends only on the amount of work.
    fn part(&self, batch: usize, rows: &Phase, columns: Vec<ColumnPhase>, parts: usize) -> Part {
        let block = self.isa.block();
        let lines = batch * rows.count;
        let values: usize = columns.iter().map(|columns| columns.values(block)).sum();
        // Values read by the pixels of a line, counting `LEAST_VALUES` or more for each.
        let reads = columns.iter().map(|columns| columns.count() * columns.values(block).max(LEAST_VALUES));
        let work = 2 * lines * reads.sum::<usize>() * self.groups * self.group_blocks * block;
        let wanted = (work / ITEM_WORK).clamp(1, MOST_ITEMS.div_ceil(parts * self.groups));
        let phases = || columns.iter().map(|columns| &columns.phase);
        let column_taps = phases().map(|phase| phase.taps.len()).max().unwrap_or(0);
        let taps = rows.taps.len() * column_taps;
        let by_chunks = taps == 1;
        // The rows of the input that a line reads; strides may skip some, and columns too if a row has one tap.
        let read_rows = rows.input_step.min(rows.taps.len());
        // With a stride, a pixel takes the words up to the next one, but no more than whole cache lines.
        let pixel = |phase: &Phase| (phase.input_step * self.x.block).min(self.x.block.max(CACHE_LINE));
        let row = if column_taps == 1 {
            phases().map(|phase| phase.count * pixel(phase)).max().unwrap_or(0)
        } else {
            self.x.row_len()
        };
        let maps = if by_chunks { self.group_maps.div_ceil(most_chunks(&columns)) } else { self.group_maps };
        let line = maps * read_rows * row;
        let takes_more = self.isa == Isa::Avx512 || 4 * line * lines <= L2_BYTES;
        let most = if takes_more { L2_BYTES } else { SMALL_L2_BYTES };
        let fitting = (most / 4 / line.max(1)).max(1);
        // Inputs that do not fit the cache are reloaded for every stack of output blocks, weights for every
        // band: inputs cost more if there are few taps, weights if there are few pixels.
        let width = phases().map(|phase| phase.count).max().unwrap_or(1);
        let few = fitting * width < 16 * taps;
        let band = if few { BAND.div_ceil(width) } else { fitting }.min(lines);
        let band = lines.div_ceil(lines.div_ceil(band));
        let stacks = self.group_blocks.div_ceil(W::blocks(self.isa));
        let splits = wanted.div_ceil(lines.div_ceil(band)).min(stacks);
        // Short bands read the weights more often, so that they are not made for the sake of many items.
        let band = band.min(lines.div_ceil(wanted.min(ENOUGH_ITEMS).div_ceil(splits)));
        let blocks = stacks.div_ceil(splits) * W::blocks(self.isa);
        Part {
            rows: rows.clone(),
            columns,
            lines,
            band,
            bands: lines.div_ceil(band),
            splits: self.group_blocks.div_ceil(blocks),
            by_splits: values * self.group_blocks * block > line * lines,
            by_chunks,
        }
    }
}
