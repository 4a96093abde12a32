//! A convolution as matrix products: for every place of the output the inputs that it sees stand in a column.
//!
//! The places of the whole batch are cut into chunks of whole rows, so that a chunk's columns fit a fixed
//! scratch memory. With K the taps of all channels of a group, O its output channels and P the places of a
//! chunk, the three directions are
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
use crate::{Context, Kernel};
use striate_tensor::Views;

/// Floats of a chunk's columns, where one row does not need more.
const CHUNK: usize = 1 << 21;

/// The matrices of a convolution.
pub(super) struct Columns {
    pub d: Conv3dDesc,
    /// Rows of the output in a chunk.
    rows: usize,
    /// For each tap along a row, the outputs that it reaches the input from.
    reached: Vec<Range<usize>>,
}

/// Some rows of the output, counted through the batch.
#[derive(Clone)]
pub(super) struct Chunk {
    pub rows: Range<usize>,
    /// Places in them.
    pub places: usize,
}

impl Columns {
    pub fn new(d: &Conv3dDesc) -> Columns {
        let taps = d.in_channels / d.groups * volume(d.kernel);
        let all = d.batch * d.output[0] * d.output[1];
        let rows = (CHUNK / (taps * d.output[2]).max(1)).clamp(1, all);
        // Chunks are alike as far as possible.
        let rows = all.div_ceil(all.div_ceil(rows));
        let reached = (0..d.kernel[2]).map(|tap| reached(d, tap)).collect();
        Columns { d: d.clone(), rows, reached }
    }

    /// The chunks, in order.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk> {
        let (rows, all) = (self.rows, self.d.batch * self.d.output[0] * self.d.output[1]);
        let width = self.d.output[2];
        (0..all).step_by(rows).map(move |first| {
            let rows = first..(first + rows).min(all);
            Chunk { places: rows.len() * width, rows }
        })
    }

    /// The sizes that chunks have: all but the last, and the last.
    pub fn sizes(&self) -> [usize; 2] {
        let all = self.d.batch * self.d.output[0] * self.d.output[1];
        let last = all - (all.div_ceil(self.rows) - 1) * self.rows;
        [self.rows, last].map(|rows| rows * self.d.output[2])
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
        [self.taps(), self.outputs()].map(|lines| lines * self.sizes()[0])
    }

    /// The columns of `chunk` over the input channels of `group`.
    pub fn gather(&self, pool: &Pool, x: &[f32], group: usize, chunk: &Chunk, columns: &mut [f32]) {
        let (channels, size) = (self.d.in_channels / self.d.groups, volume(self.d.input));
        let length = volume(self.d.kernel) * chunk.places;
        pool.pieces(columns, length, |channel, piece| {
            let channel = group * channels + channel;
            self.each_line(chunk, |image, from, at, tap| {
                let line = &mut piece[at..][..self.d.output[2]];
                let (Some(from), reached) = (from, &self.reached[tap]) else { return line.fill(0.0) };
                let map = &x[(image * self.d.in_channels + channel) * size..][..size];
                line[..reached.start].fill(0.0);
                line[reached.end..].fill(0.0);
                let (line, step) = (&mut line[reached.clone()], self.d.stride[2]);
                let from = &map[(from + self.first(tap)).min(size)..];
                match step {
                    1 => line.copy_from_slice(&from[..line.len()]),
                    _ => line.iter_mut().enumerate().for_each(|(i, to)| *to = from[i * step]),
                }
            });
        });
    }

    /// Adds the columns of `chunk` to the inputs in `dx` that they stand for.
    pub fn scatter(&self, pool: &Pool, columns: &[f32], group: usize, chunk: &Chunk, dx: &mut [f32]) {
        let (channels, size) = (self.d.in_channels / self.d.groups, volume(self.d.input));
        let length = volume(self.d.kernel) * chunk.places;
        pool.pieces(dx, size, |map, piece| {
            let (image, channel) = (map / self.d.in_channels, map % self.d.in_channels);
            if channel / channels != group {
                return;
            }
            let columns = &columns[channel % channels * length..][..length];
            self.each_line(self.of_image(chunk, image), |_, from, at, tap| {
                let (Some(from), reached) = (from, &self.reached[tap]) else { return };
                let line = &columns[at..][..self.d.output[2]][reached.clone()];
                let (to, step) = (&mut piece[(from + self.first(tap)).min(size)..], self.d.stride[2]);
                match step {
                    1 => to.iter_mut().zip(line).for_each(|(to, x)| *to += x),
                    _ => line.iter().enumerate().for_each(|(i, x)| to[i * step] += x),
                }
            });
        });
    }

    /// The rows of `group` in a value that lies like y, one channel below the other.
    pub fn gather_outputs(&self, pool: &Pool, dy: &[f32], group: usize, chunk: &Chunk, to: &mut [f32]) {
        let size = volume(self.d.output);
        pool.pieces(to, chunk.places, |channel, piece| {
            let channel = group * self.outputs() + channel;
            let mut done = 0;
            for image in self.images(chunk) {
                let part = self.part(chunk, image);
                let map = &dy[(image * self.d.out_channels + channel) * size..][..size];
                piece[done..][..part.len()].copy_from_slice(&map[part.clone()]);
                done += part.len();
            }
        });
    }

    /// The images that have rows in `chunk`.
    pub fn images(&self, chunk: &Chunk) -> Range<usize> {
        let per_image = self.d.output[0] * self.d.output[1];
        chunk.rows.start / per_image..chunk.rows.end.div_ceil(per_image)
    }

    /// The places of a map of y that belong to `chunk` in `image`.
    pub fn part(&self, chunk: &Chunk, image: usize) -> Range<usize> {
        let per_image = self.d.output[0] * self.d.output[1];
        let [first, end] = [chunk.rows.start, chunk.rows.end]
            .map(|row| row.saturating_sub(image * per_image).min(per_image) * self.d.output[2]);
        first..end
    }

    /// The rows of `chunk` that belong to `image`; places are counted as in the whole chunk.
    fn of_image(&self, chunk: &Chunk, image: usize) -> Lines {
        let per_image = self.d.output[0] * self.d.output[1];
        let rows = chunk.rows.start.max(image * per_image)..chunk.rows.end.min((image + 1) * per_image);
        Lines { rows, start: chunk.rows.start, places: chunk.places }
    }

    /// What lies between the beginning of a row of x and the first input that the tap reaches.
    fn first(&self, tap: usize) -> usize {
        (self.reached[tap].start * self.d.stride[2] + tap * self.d.dilation[2])
            .saturating_sub(self.d.padding[2])
    }

    /// Calls `visit` for every line of places of every tap of one channel, in the order of the columns: with the
    /// image, where the row of x that it sees begins in its map (`None` in the padding), where the line stands in
    /// the channel's columns, and the tap along the row.
    fn each_line(&self, lines: impl Into<Lines>, mut visit: impl FnMut(usize, Option<usize>, usize, usize)) {
        let (d, lines) = (&self.d, lines.into());
        let [_, height, width] = d.input;
        for tap in 0..volume(d.kernel) {
            let at = [tap / (d.kernel[1] * d.kernel[2]), tap / d.kernel[2] % d.kernel[1]];
            for row in lines.rows.clone() {
                let place = [row / d.output[1] % d.output[0], row % d.output[1]];
                let [map, line] = [0, 1].map(|axis| {
                    let from = place[axis] * d.stride[axis] + at[axis] * d.dilation[axis];
                    from.checked_sub(d.padding[axis]).filter(|from| *from < d.input[axis])
                });
                let from = map.zip(line).map(|(map, line)| (map * height + line) * width);
                let to = tap * lines.places + (row - lines.start) * d.output[2];
                visit(row / (d.output[0] * d.output[1]), from, to, tap % d.kernel[2]);
            }
        }
    }
}

/// Rows of the output, and the chunk that their lines stand in: its first row and its places.
struct Lines {
    rows: Range<usize>,
    start: usize,
    places: usize,
}

impl From<&Chunk> for Lines {
    fn from(chunk: &Chunk) -> Lines {
        Lines { rows: chunk.rows.clone(), start: chunk.rows.start, places: chunk.places }
    }
}

pub(super) fn volume(extents: [usize; 3]) -> usize {
    extents.iter().product()
}

/// The outputs along a row that see the input through the tap of index `tap`.
fn reached(d: &Conv3dDesc, tap: usize) -> Range<usize> {
    let (offset, stride) = (tap * d.dilation[2], d.stride[2]);
    let first = d.padding[2].saturating_sub(offset).div_ceil(stride).min(d.output[2]);
    let end = (d.input[2] + d.padding[2]).saturating_sub(offset).div_ceil(stride);
    first..end.min(d.output[2]).max(first)
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
