//! Conversion of a value to another layout.

use striate_tensor::{DType, Element, bf16};

use crate::{Format, Layout, Packed, Views};

use crate::isa::Isa;
use crate::layout::maps::Maps;
use crate::layout::transpose::{transpose_block, transpose_taps};
use crate::threads::{Pointer, ThreadPool};
use crate::{Context, Kernel};

/// Creates the kernel that converts a value with extents `shape`, of `f32` or `bf16`, from one format to another
/// layout. Reads the source, writes the destination, including its padding.
pub fn kernel(shape: [usize; 4], from: Format, to: Layout, isa: Isa) -> Box<dyn Kernel> {
    Box::new(Reorder { isa, shape, from, to })
}

/// Converts `source` into `destination` on the calling thread.
///
/// # Panics
/// If `to` is a packing.
pub fn reorder<T: Element>(shape: [usize; 4], from: Layout, to: Layout, source: &[T], destination: &mut [T]) {
    let thread_pool = ThreadPool::new(1);
    copy(shape, from, to, source, destination, &thread_pool);
}

struct Reorder {
    isa: Isa,
    shape: [usize; 4],
    from: Format,
    to: Layout,
}

impl Kernel for Reorder {
    fn run(&self, context: &Context, views: &mut Views) {
        let from = self.from.layout;
        match (self.to, self.from.dtype) {
            (Layout::Packed(Packed { packing, groups }), _) => {
                packing.pack(self.isa, groups, self.shape, from, views, context.thread_pool);
            }
            (to, DType::BF16) => {
                let (source, destination) = (views.read::<bf16>(0), views.write(0));
                copy(self.shape, from, to, source, destination, context.thread_pool);
            }
            (to, _) => {
                let (source, destination) = (views.read::<f32>(0), views.write(0));
                let (isa, block, thread_pool) = (self.isa, self.isa.block(), context.thread_pool);
                let (forward, backward) = (Layout::KernelForward { block }, Layout::KernelBackward { block });
                if [from, to] == [forward, backward] {
                    let transpose = |from: &[f32], to: &mut [f32]| transpose_block(isa, from, to);
                    transpose_blocks(self.shape, block, source, destination, thread_pool, transpose);
                } else if [from, to] == [Layout::Plain, forward] {
                    let [_, inputs, h, w] = self.shape;
                    let transpose = |from: &[f32], to: &mut [f32]| {
                        transpose_taps(isa, from, inputs * h * w, h * w, to);
                    };
                    to_forward_weights(self.shape, block, source, destination, thread_pool, Some(transpose));
                } else {
                    copy(self.shape, from, to, source, destination, thread_pool);
                }
            }
        }
    }
}

fn copy<T: Element>(
    shape: [usize; 4],
    from: Layout,
    to: Layout,
    source: &[T],
    destination: &mut [T],
    thread_pool: &ThreadPool,
) {
    match (from, to) {
        (from, to) if from == to => destination.copy_from_slice(source),
        (Layout::Plain, Layout::Channels { .. } | Layout::Part { .. }) => {
            to_channels(shape, to, source, destination, thread_pool)
        }
        (Layout::Channels { .. } | Layout::Part { .. }, Layout::Plain) => {
            from_channels(shape, from, source, destination, thread_pool)
        }
        (Layout::Plain, Layout::Images { block }) => {
            to_images(shape, block, source, destination, thread_pool)
        }
        (Layout::Images { block }, Layout::Plain) => {
            from_images(shape, block, source, destination, thread_pool)
        }
        (Layout::KernelForward { block: a }, Layout::KernelBackward { block: b }) if a == b => {
            transpose_blocks(shape, a, source, destination, thread_pool, |from, to| {
                for (index, row) in to.chunks_exact_mut(a).enumerate() {
                    row.iter_mut().enumerate().for_each(|(at, x)| *x = from[at * a + index]);
                }
            });
        }
        (Layout::Plain, Layout::KernelForward { block }) => {
            let transpose = None::<fn(&[T], &mut [T])>;
            to_forward_weights(shape, block, source, destination, thread_pool, transpose);
        }
        (Layout::KernelForward { block }, Layout::Plain) => {
            from_forward_weights(shape, block, source, destination, thread_pool);
        }
        _ => element_by_element(shape, from, to, source, destination),
    }
}

fn to_channels<T: Element>(
    shape: [usize; 4],
    to: Layout,
    source: &[T],
    destination: &mut [T],
    thread_pool: &ThreadPool,
) {
    let maps = Maps::new(shape, to);
    let [_, channels, h, w] = shape;
    maps.each(thread_pool, destination, |map, out| {
        maps.clear_halo(out);
        let first = map / maps.blocks * channels + map % maps.blocks * maps.block;
        let real = maps.channels(map);
        for row in 0..h {
            let out = &mut out[maps.row(row)..][..w * maps.block];
            if real < maps.block {
                out.fill(T::zeroed());
            }
            for lane in 0..real {
                let source = &source[((first + lane) * h + row) * w..][..w];
                if maps.block == 1 {
                    out.copy_from_slice(source);
                    continue;
                }
                let lanes = out[lane..].iter_mut().step_by(maps.block);
                lanes.zip(source).for_each(|(out, x)| *out = *x);
            }
        }
    });
}

fn from_channels<T: Element>(
    shape: [usize; 4],
    from: Layout,
    source: &[T],
    destination: &mut [T],
    thread_pool: &ThreadPool,
) {
    let maps = Maps::new(shape, from);
    let [_, channels, h, w] = shape;
    thread_pool.pieces(destination, channels * h * w, |image, out| {
        for (channel, out) in out.chunks_exact_mut(h * w).enumerate() {
            let map = image * maps.blocks + channel / maps.block;
            let source = maps.map(source, map);
            for (row, out) in out.chunks_exact_mut(w).enumerate() {
                let source = source[maps.row(row)..][..w * maps.block].iter();
                let lanes = source.skip(channel % maps.block).step_by(maps.block);
                out.iter_mut().zip(lanes).for_each(|(out, x)| *out = *x);
            }
        }
    });
}

/// Elements of each image in one item of the grid.
const ELEMENTS: usize = 256;

fn to_images<T: Element>(
    shape: [usize; 4],
    block: usize,
    source: &[T],
    destination: &mut [T],
    thread_pool: &ThreadPool,
) {
    let image: usize = shape[1..].iter().product();
    let pieces = image.div_ceil(ELEMENTS);
    let destination = Pointer(destination.as_mut_ptr());
    thread_pool.run(shape[0] / block * pieces, |item| {
        let (vector, piece) = (item / pieces, item % pieces);
        let elements = piece * ELEMENTS..((piece + 1) * ELEMENTS).min(image);
        // SAFETY: these elements of this vector of images belong to this item alone.
        let out = unsafe {
            let start = (vector * image + elements.start) * block;
            std::slice::from_raw_parts_mut(destination.get().add(start), elements.len() * block)
        };
        let source = &source[vector * block * image..][..block * image];
        for (out, element) in out.chunks_exact_mut(block).zip(elements) {
            out.iter_mut().enumerate().for_each(|(lane, out)| *out = source[lane * image + element]);
        }
    });
}

fn from_images<T: Element>(
    shape: [usize; 4],
    block: usize,
    source: &[T],
    destination: &mut [T],
    thread_pool: &ThreadPool,
) {
    let image: usize = shape[1..].iter().product();
    thread_pool.pieces(destination, image, |index, out| {
        let source = &source[index / block * block * image..][..block * image];
        let lanes = source.iter().skip(index % block).step_by(block);
        out.iter_mut().zip(lanes).for_each(|(out, x)| *out = *x);
    });
}

/// Converts a convolution's weights to those of its forward direction, by `transpose` where it is given and a block of
/// outputs and inputs is whole.
fn to_forward_weights<T: Element>(
    shape: [usize; 4],
    block: usize,
    source: &[T],
    destination: &mut [T],
    thread_pool: &ThreadPool,
    transpose: Option<impl Fn(&[T], &mut [T]) + Sync>,
) {
    let [outputs, inputs, h, w] = shape;
    let (blocks, taps) = (inputs.div_ceil(block), h * w);
    thread_pool.pieces(destination, taps * block * block, |index, out| {
        let (o, i) = (index / blocks * block, index % blocks * block);
        let [real_outputs, real_inputs] = [block.min(outputs - o), block.min(inputs - i)];
        if real_outputs.min(real_inputs) < block {
            out.fill(T::zeroed());
        } else if let Some(transpose) = &transpose {
            return transpose(&source[(o * inputs + i) * taps..], out);
        }
        // Reads are contiguous; for small kernels, what is written fits the L1 cache.
        for output in 0..real_outputs {
            let weights = &source[((o + output) * inputs + i) * taps..][..real_inputs * taps];
            for (input, weights) in weights.chunks_exact(taps).enumerate() {
                for (tap, weight) in weights.iter().enumerate() {
                    out[(tap * block + input) * block + output] = *weight;
                }
            }
        }
    });
}

/// Converts the weights of a convolution's forward direction to plain order.
fn from_forward_weights<T: Element>(
    shape: [usize; 4],
    block: usize,
    source: &[T],
    destination: &mut [T],
    thread_pool: &ThreadPool,
) {
    let [_, inputs, h, w] = shape;
    let (blocks, taps) = (inputs.div_ceil(block), h * w);
    thread_pool.pieces(destination, block * inputs * taps, |piece, out| {
        // Writes are contiguous for a block of inputs; for small kernels, what is read fits the L1 cache.
        for index in 0..blocks {
            let (i, from) = (index * block, (piece * blocks + index) * taps * block * block);
            let weights = &source[from..][..taps * block * block];
            for (output, out) in out.chunks_exact_mut(inputs * taps).enumerate() {
                let out = &mut out[i * taps..(i + block).min(inputs) * taps];
                for (input, out) in out.chunks_exact_mut(taps).enumerate() {
                    for (tap, out) in out.iter_mut().enumerate() {
                        *out = weights[(tap * block + input) * block + output];
                    }
                }
            }
        }
    });
}

/// Taps of the blocks of weights in one item of the grid, if a block has fewer.
const TAPS: usize = 16;

/// Converts a convolution's forward weights to those of its data gradient: transposes each block and reverses
/// the taps.
fn transpose_blocks<T: Element>(
    shape: [usize; 4],
    block: usize,
    source: &[T],
    destination: &mut [T],
    thread_pool: &ThreadPool,
    transpose: impl Fn(&[T], &mut [T]) + Sync,
) {
    let [o, i, h, w] = shape;
    let (outputs, inputs, taps, square) = (o.div_ceil(block), i.div_ceil(block), h * w, block * block);
    let together = (TAPS / taps).max(1);
    thread_pool.pieces(destination, together * taps * square, |piece, out| {
        for (index, out) in out.chunks_exact_mut(taps * square).enumerate() {
            let index = piece * together + index;
            let (input, output) = (index / outputs, index % outputs);
            let source = &source[(output * inputs + input) * taps * square..][..taps * square];
            for (tap, out) in out.chunks_exact_mut(square).enumerate() {
                transpose(&source[(taps - 1 - tap) * square..][..square], out);
            }
        }
    });
}

fn element_by_element<T: Element>(
    shape: [usize; 4],
    from: Layout,
    to: Layout,
    source: &[T],
    destination: &mut [T],
) {
    destination.fill(T::zeroed());
    let [a, b, c, d] = shape;
    for i0 in 0..a {
        for i1 in 0..b {
            for i2 in 0..c {
                for i3 in 0..d {
                    let index = [i0, i1, i2, i3];
                    destination[to.offset(shape, index)] = source[from.offset(shape, index)];
                }
            }
        }
    }
}
