//! A convolution as matrix products: for every place of the output the inputs that it sees stand in a column.
//!
//! The places of the whole batch are cut into chunks, of whole rows where these are short, so that a chunk's
//! columns and products fit a fixed scratch memory. With K the taps of all channels of a group, O its output
//! channels and P the places of a chunk, the three directions are
//! y `[O, P]` = w `[O, K]` · columns `[K, P]`, dw `[O, K]` += dy `[O, P]` · columnsᵀ,
//! and dx = the columns wᵀ · dy added up where they overlap.
//!
//! Source: Chellapilla, Puri and Simard, "High performance convolutional neural networks for document
//! processing", IWFHR 2006.

use std::ops::Range;

use super::Conv3dDesc;
use crate::activation::Activation;
use crate::gemm::{self, GemmDesc};
use crate::isa::Isa;
use crate::pool::Pool;
use crate::taps::{Tap, along_row};
use crate::{Context, Kernel};
use striate_tensor::Views;

/// Most floats of a chunk's columns and of its products, where one place does not need more.
const CHUNK: usize = 1 << 21;

/// The matrices of a convolution.
pub(super) struct Columns {
    pub d: Conv3dDesc,
    /// Places of the output in a chunk; the last may have fewer.
    places: usize,
    along_row: Vec<Tap>,
}

/// Neighboring places of the output, counted through the batch.
pub(super) type Chunk = Range<usize>;

/// Neighboring places of a row of the output, as a tap sees them. They are counted from the first that was asked
/// for.
struct Stretch {
    image: usize,
    places: Range<usize>,
    /// Those of them that see the input; the others see padding.
    seen: Range<usize>,
    /// What the first of these sees, in its map of x.
    from: usize,
}

impl Columns {
    pub fn new(d: &Conv3dDesc) -> Columns {
        let [_, _, width] = d.output;
        let (taps, outputs) = (d.in_channels / d.groups * volume(d.kernel), d.out_channels / d.groups);
        let most = CHUNK / taps.max(outputs);
        let unit = if width <= most { width } else { 1 };
        let units = d.batch * volume(d.output) / unit;
        // Chunks are alike as far as possible.
        let chunks = units.div_ceil((most / unit).max(1));
        let places = units.div_ceil(chunks) * unit;
        let along_row = along_row(d.kernel[2], d.stride[2], d.dilation[2], d.padding[2], d.input[2], width);
        Columns { d: d.clone(), places, along_row }
    }

    /// Places of the whole batch.
    fn all(&self) -> usize {
        self.d.batch * volume(self.d.output)
    }

    /// The chunks, in order.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk> {
        let (places, all) = (self.places, self.all());
        (0..all).step_by(places).map(move |first| first..(first + places).min(all))
    }

    /// The sizes that chunks have: all but the last, and the last.
    pub fn sizes(&self) -> [usize; 2] {
        let all = self.all();
        [self.places, all - (all.div_ceil(self.places) - 1) * self.places]
    }

    /// Taps of all channels of a group: rows of the columns.
    pub fn taps(&self) -> usize {
        self.d.in_channels / self.d.groups * volume(self.d.kernel)
    }

    /// Output channels of a group.
    pub fn outputs(&self) -> usize {
        self.d.out_channels / self.d.groups
    }

    /// Floats of scratch memory: for the columns of the largest chunk, and for its rows of outputs.
    pub fn scratch(&self) -> [usize; 2] {
        [self.taps(), self.outputs()].map(|lines| lines * self.places)
    }

    /// The columns of `chunk` over the input channels of `group`.
    pub fn gather(&self, pool: &Pool, x: &[f32], group: usize, chunk: &Chunk, columns: &mut [f32]) {
        let (channels, size) = (self.d.in_channels / self.d.groups, volume(self.d.input));
        let (taps, step) = (volume(self.d.kernel), self.d.stride[2]);
        pool.pieces(columns, chunk.len(), |line, piece| {
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

    /// Adds the columns of `chunk` to the inputs in `dx` that they stand for.
    pub fn scatter(&self, pool: &Pool, columns: &[f32], group: usize, chunk: &Chunk, dx: &mut [f32]) {
        let (taps, step) = (volume(self.d.kernel), self.d.stride[2]);
        self.each_map(pool, dx, self.d.in_channels, group, chunk, |image, channel, map| {
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

    /// The rows of `group` in a value that lies like y, one channel below the other.
    pub fn gather_outputs(&self, pool: &Pool, dy: &[f32], group: usize, chunk: &Chunk, to: &mut [f32]) {
        let size = volume(self.d.output);
        pool.pieces(to, chunk.len(), |channel, piece| {
            let channel = group * self.outputs() + channel;
            for image in self.images(chunk) {
                let places = self.places_in(chunk, image);
                let map = &dy[(image * self.d.out_channels + channel) * size..][..size];
                let to = &mut piece[places.start - chunk.start..][..places.len()];
                to.copy_from_slice(&map[places.start - image * size..][..places.len()]);
            }
        });
    }

    /// Calls `visit` for each map of the channels of `group` in the images that `chunk` has places of: with the
    /// image, the channel within its group, and the map of `data`, which has `channels` of them an image.
    pub fn each_map(
        &self,
        pool: &Pool,
        data: &mut [f32],
        channels: usize,
        group: usize,
        chunk: &Chunk,
        visit: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) {
        let (own, images) = (channels / self.d.groups, self.images(chunk));
        let size = data.len() / (self.d.batch * channels);
        // The maps of one group lie side by side within an image, those of the only group within the batch.
        let together = if self.d.groups == 1 { images.len() } else { 1 };
        for first in images.step_by(together) {
            let maps = &mut data[(first * channels + group * own) * size..][..together * own * size];
            pool.pieces(maps, size, |map, piece| visit(first + map / own, map % own, piece));
        }
    }

    /// The images that have places in `chunk`.
    fn images(&self, chunk: &Chunk) -> Range<usize> {
        let size = volume(self.d.output);
        chunk.start / size..chunk.end.div_ceil(size)
    }

    /// The places of `chunk` that belong to `image`.
    pub fn places_in(&self, chunk: &Chunk, image: usize) -> Range<usize> {
        let size = volume(self.d.output);
        chunk.start.max(image * size)..chunk.end.min((image + 1) * size)
    }

    /// `places` row by row, as tap number `tap` of a channel sees them.
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

/// A matrix product for each size of chunk.
pub(super) struct Products {
    /// With the places of a chunk that it is for.
    kernels: [(usize, Box<dyn Kernel>); 2],
}

impl Products {
    pub fn new(columns: &Columns, isa: Isa, product: impl Fn(usize) -> GemmDesc) -> Products {
        Products { kernels: columns.sizes().map(|places| (places, gemm::kernel(&product(places), isa))) }
    }

    pub fn scratch_len(&self) -> usize {
        self.kernels.iter().map(|(_, kernel)| kernel.scratch_len()).max().unwrap_or(0)
    }

    /// C = A·B of a chunk of `places`.
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
            self.kernels.iter().find(|(size, _)| *size == places).expect("chunks have two sizes");
        kernel.run(context, &mut Views::of(&[a, b], [c, scratch]));
    }
}

/// A product without bias and activation, of which A is read first.
pub(super) fn product([m, n, k]: [usize; 3], a: [usize; 2], b: [usize; 2]) -> GemmDesc {
    GemmDesc { m, n, k, first: 0, a, b, bias: false, activation: Activation::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A convolution of `channels` `[in, out]` that keeps the extents.
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

    /// Neither long rows nor many outputs need more than the fixed scratch memory.
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
