//! Convolution as matrix products (im2col): for every output position, the inputs that it depends on form a column.
//!
//! The output positions of the whole batch are divided into chunks, of whole rows if these are short, so that the
//! columns and products of a chunk fit a fixed scratch memory. With K the taps of all channels of a group, O its
//! output channels and P the positions of a chunk, the three directions are
//! y `[O, P]` = w `[O, K]` · columns `[K, P]`, dw `[O, K]` += dy `[O, P]` · columnsᵀ,
//! and dx = the columns wᵀ · dy, accumulated where they overlap (col2im).
//!
//! Source: Chellapilla, Puri and Simard, "High performance convolutional neural networks for document
//! processing", IWFHR 2006.

use std::ops::Range;

use super::Conv3dDesc;
use crate::Views;
use crate::activation::Activation;
use crate::conv::taps::{Tap, along_row};
use crate::gemm::{self, GemmDesc};
use crate::isa::Isa;
use crate::threads::ThreadPool;
use crate::{Context, Kernel, Operand};

/// The maximum number of floats in a chunk's columns, and in its products, unless a single position needs more.
const CHUNK: usize = 1 << 21;

/// The matrices of a convolution.
pub(super) struct Columns {
    pub d: Conv3dDesc,
    /// Output positions in a chunk; the last chunk may have fewer.
    places: usize,
    along_row: Vec<Tap>,
}

/// Consecutive output positions, numbered through the batch.
pub(super) type Chunk = Range<usize>;

/// Consecutive output positions in a row, for one tap. Positions are relative to the first requested one.
struct Stretch {
    image: usize,
    places: Range<usize>,
    /// The positions for which the tap lies in the input; for the others it lies in the padding.
    seen: Range<usize>,
    /// The offset of the input of the first of these in its map of x.
    from: usize,
}

impl Columns {
    pub fn new(d: &Conv3dDesc) -> Columns {
        let [_, _, width] = d.output;
        let (taps, outputs) = (d.in_channels / d.groups * volume(d.kernel), d.out_channels / d.groups);
        let most = CHUNK / taps.max(outputs);
        let unit = if width <= most { width } else { 1 };
        let units = d.batch * volume(d.output) / unit;
        // Chunks are as equal in size as possible.
        let chunks = units.div_ceil((most / unit).max(1));
        let places = units.div_ceil(chunks) * unit;
        let along_row = along_row(d.kernel[2], d.stride[2], d.dilation[2], d.padding[2], d.input[2], width);
        Columns { d: d.clone(), places, along_row }
    }

    /// The number of output positions in the whole batch.
    fn all(&self) -> usize {
        self.d.batch * volume(self.d.output)
    }

    /// The chunks, in order.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk> {
        let (places, all) = (self.places, self.all());
        (0..all).step_by(places).map(move |first| first..(first + places).min(all))
    }

    /// The sizes of the chunks: of all but the last, and of the last.
    pub fn sizes(&self) -> [usize; 2] {
        let all = self.all();
        [self.places, all - (all.div_ceil(self.places) - 1) * self.places]
    }

    /// The number of taps of all channels of a group, which is the number of rows of the columns.
    pub fn taps(&self) -> usize {
        self.d.in_channels / self.d.groups * volume(self.d.kernel)
    }

    /// The number of output channels per group.
    pub fn outputs(&self) -> usize {
        self.d.out_channels / self.d.groups
    }

    /// The number of floats of scratch memory for the columns of the largest chunk, and for its rows of outputs.
    pub fn scratch(&self) -> [usize; 2] {
        [self.taps(), self.outputs()].map(|lines| lines * self.places)
    }

    /// Gathers the columns of `chunk` from the input channels of `group` (im2col).
    pub fn gather(
        &self,
        thread_pool: &ThreadPool,
        x: &[f32],
        group: usize,
        chunk: &Chunk,
        columns: &mut [f32],
    ) {
        let (channels, size) = (self.d.in_channels / self.d.groups, volume(self.d.input));
        let (taps, step) = (volume(self.d.kernel), self.d.stride[2]);
        thread_pool.pieces(columns, chunk.len(), |line, piece| {
            let channel = group * channels + line / taps;
            self.stretches(line % taps, chunk.clone()).for_each(|Stretch { image, places, seen, from }| {
                let map = &x[(image * self.d.in_channels + channel) * size..][..size];
                piece[places.start..seen.start].fill(0.0);
                piece[seen.end..places.end].fill(0.0);
                let (to, from) = (&mut piece[seen], &map[from..]);
                match step {
                    1 => to.copy_from_slice(&from[..to.len()]),
                    _ => to.iter_mut().enumerate().for_each(|(i, to)| *to = from[i * step]),
                }
            });
        });
    }

    /// Adds the columns of `chunk` to the corresponding elements of `dx` (col2im).
    pub fn scatter(
        &self,
        thread_pool: &ThreadPool,
        columns: &[f32],
        group: usize,
        chunk: &Chunk,
        dx: &mut [f32],
    ) {
        let (taps, step) = (volume(self.d.kernel), self.d.stride[2]);
        self.each_map(thread_pool, dx, self.d.in_channels, group, chunk, |image, channel, map| {
            let places = self.places_in(chunk, image);
            let skipped = places.start - chunk.start;
            for tap in 0..taps {
                let line = &columns[(channel * taps + tap) * chunk.len()..][..chunk.len()];
                self.stretches(tap, places.clone()).for_each(|Stretch { seen, from, .. }| {
                    let (line, to) = (&line[skipped..][seen], &mut map[from..]);
                    match step {
                        1 => to.iter_mut().zip(line).for_each(|(to, x)| *to += x),
                        _ => line.iter().enumerate().for_each(|(i, x)| to[i * step] += x),
                    }
                });
            }
        });
    }

    /// Gathers the positions of `chunk` from the channels of `group` in a value shaped like y, one row per channel.
    pub fn gather_outputs(
        &self,
        thread_pool: &ThreadPool,
        dy: &[f32],
        group: usize,
        chunk: &Chunk,
        to: &mut [f32],
    ) {
        let size = volume(self.d.output);
        thread_pool.pieces(to, chunk.len(), |channel, piece| {
            let channel = group * self.outputs() + channel;
            for image in self.images(chunk) {
                let places = self.places_in(chunk, image);
                let map = &dy[(image * self.d.out_channels + channel) * size..][..size];
                let to = &mut piece[places.start - chunk.start..][..places.len()];
                to.copy_from_slice(&map[places.start - image * size..][..places.len()]);
            }
        });
    }

    /// Calls `visit` for each map of the channels of `group` in the images that `chunk` covers, with the image, the
    /// channel within its group, and the map of `data`, which has `channels` maps per image.
    pub fn each_map(
        &self,
        thread_pool: &ThreadPool,
        data: &mut [f32],
        channels: usize,
        group: usize,
        chunk: &Chunk,
        visit: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) {
        let (own, images) = (channels / self.d.groups, self.images(chunk));
        let size = data.len() / (self.d.batch * channels);
        // The maps of a group are contiguous within an image; if there is only one group, within the whole batch.
        let together = if self.d.groups == 1 { images.len() } else { 1 };
        for first in images.step_by(together) {
            let maps = &mut data[(first * channels + group * own) * size..][..together * own * size];
            thread_pool.pieces(maps, size, |map, piece| visit(first + map / own, map % own, piece));
        }
    }

    /// The images that `chunk` covers.
    fn images(&self, chunk: &Chunk) -> Range<usize> {
        let size = volume(self.d.output);
        chunk.start / size..chunk.end.div_ceil(size)
    }

    /// The positions of `chunk` that belong to `image`.
    pub fn places_in(&self, chunk: &Chunk, image: usize) -> Range<usize> {
        let size = volume(self.d.output);
        chunk.start.max(image * size)..chunk.end.min((image + 1) * size)
    }

    /// Splits `places` into rows, for tap number `tap` of a channel.
    fn stretches(&self, tap: usize, places: Range<usize>) -> impl Iterator<Item = Stretch> {
        let d = &self.d;
        let ([_, height, width], [depth, rows, columns]) = (d.input, d.output);
        let along_row = &self.along_row[tap % d.kernel[2]];
        let at = [tap / (d.kernel[1] * d.kernel[2]), tap / d.kernel[2] % d.kernel[1]];
        (places.start / columns..places.end.div_ceil(columns)).map(move |row| {
            let start = row * columns;
            let within = |column: usize| (start + column).clamp(places.start, places.end) - places.start;
            let place = [row / rows % depth, row % rows];
            let [map, line] = [0, 1].map(|axis| {
                let from = place[axis] * d.stride[axis] + at[axis] * d.dilation[axis];
                from.checked_sub(d.padding[axis]).filter(|from| *from < d.input[axis])
            });
            let (image, stretch) = (row / (rows * depth), within(0)..within(columns));
            let seen = within(along_row.outputs.start)..within(along_row.outputs.end);
            let (Some(map), Some(line), false) = (map, line, seen.is_empty()) else {
                let none = stretch.end..stretch.end;
                return Stretch { image, places: stretch, seen: none, from: 0 };
            };
            let skipped = places.start + seen.start - start - along_row.outputs.start;
            let from = (map * height + line) * width + along_row.first + skipped * d.stride[2];
            Stretch { image, places: stretch, seen, from }
        })
    }
}

pub(super) fn volume(extents: [usize; 3]) -> usize {
    extents.iter().product()
}

/// A matrix product for each chunk size.
pub(super) struct Products {
    /// The chunk sizes and their kernels.
    kernels: [(usize, Box<dyn Kernel>); 2],
}

impl Products {
    pub fn new(columns: &Columns, isa: Isa, product: impl Fn(usize) -> GemmDesc) -> Products {
        Products { kernels: columns.sizes().map(|places| (places, gemm::kernel(&product(places), isa))) }
    }

    pub fn scratch_bytes(&self, threads: usize) -> usize {
        self.kernels.iter().map(|(_, kernel)| kernel.scratch_bytes(threads)).max().unwrap_or(0)
    }

    /// Computes C = A·B for a chunk of `places` positions.
    pub fn run(
        &self,
        context: &Context,
        places: usize,
        a: &[f32],
        b: &[f32],
        c: &mut [f32],
        scratch: &mut [f32],
    ) {
        let (_, kernel) =
            self.kernels.iter().find(|(size, _)| *size == places).expect("chunks have only these two sizes");
        let mut operands = [Operand::read(a), Operand::read(b), Operand::write(c), Operand::write(scratch)];
        kernel.run(context, &mut Views::of(&mut operands));
    }
}

/// Describes a product without bias and activation, whose first operand is A.
pub(super) fn product([m, n, k]: [usize; 3], a: [usize; 2], b: [usize; 2]) -> GemmDesc {
    GemmDesc { m, n, k, first: 0, a, b, bias: false, activation: Activation::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A convolution with `[in, out]` channels that preserves the extents.
    fn desc([in_channels, out_channels]: [usize; 2], extents: [usize; 3], kernel: [usize; 3]) -> Conv3dDesc {
        Conv3dDesc {
            batch: 3,
            in_channels,
            out_channels,
            groups: 1,
            input: extents,
            output: extents,
            kernel,
            stride: [1; 3],
            dilation: [1; 3],
            padding: kernel.map(|extent| extent / 2),
            bias: true,
            residual: false,
            activation: Activation::None,
        }
    }

    /// The scratch memory stays within its limit for long rows and for many output channels.
    #[test]
    fn chunks_fit_the_scratch_memory() {
        for (channels, extents, kernel) in [
            ([64, 64], [1, 1, 1_000_000], [1, 1, 9]),
            ([4, 256], [1, 512, 512], [1; 3]),
            ([64, 2], [5, 11, 10], [3; 3]),
        ] {
            let columns = Columns::new(&desc(channels, extents, kernel));
            assert!(columns.scratch().iter().all(|floats| *floats <= CHUNK), "{:?}", columns.d);
            let lengths: Vec<usize> = columns.chunks().map(|chunk| chunk.len()).collect();
            assert_eq!(lengths.iter().sum::<usize>(), 3 * volume(extents));
            let (last, others) = lengths.split_last().unwrap();
            assert!(!others.is_empty() && others.iter().all(|length| *length == columns.sizes()[0]));
            assert_eq!(*last, columns.sizes()[1]);
        }
    }
}
