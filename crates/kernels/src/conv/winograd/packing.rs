//! Transformed weights.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::GAP;
use super::axis::{Convolution, Halves, MOST};
use crate::isa::Isa;
use crate::layout::transpose::{transpose_block, transpose_taps};
use crate::simd::{Body, Simd, dispatch};
use crate::threads::{Pointer, ThreadPool};
use crate::{Layout, Packing, Views};

/// Blocks of output channels that lie side by side.
pub(super) const PAIR: usize = 2;
/// Multiply-adds in the time of a transformed weight; measured.
const FLOAT: f64 = 100.0;
/// The most taps of an algorithm.
const MOST_TAPS: usize = 25;
/// The most channels in a block.
const MOST_LANES: usize = 16;

/// Transformed weights: for each factor and group, `[O/2b][I][2b of O]`. If they are flipped, inputs and outputs are
/// exchanged and the taps reversed.
pub(super) struct WeightPacking {
    pub name: &'static str,
    /// Channels in a block.
    pub block: usize,
    pub flips: bool,
    pub taps: [usize; 2],
    /// Factors from the weights of a pair of channels.
    pub factors: usize,
    pub transform_block: fn(Isa, Block),
}

/// Floats from one factor of all weights to the next, of which each has `len`.
pub(super) fn factor_stride(len: usize) -> usize {
    len + GAP
}

impl WeightPacking {
    /// Floats of a factor for weights of `shape`, whose groups fill blocks.
    fn factor_len(&self, groups: usize, [o, i, ..]: [usize; 4]) -> usize {
        let whole = |channels: usize| channels.next_multiple_of(self.block);
        groups * whole(o / groups) * whole(i)
    }
}

impl Packing for WeightPacking {
    fn name(&self) -> &'static str {
        self.name
    }

    fn len(&self, groups: usize, shape: [usize; 4]) -> usize {
        self.factors * factor_stride(self.factor_len(groups, shape))
    }

    fn cost(&self, groups: usize, shape: [usize; 4]) -> f64 {
        self.len(groups, shape) as f64 * FLOAT
    }

    fn home(&self) -> Layout {
        Layout::KernelForward { block: self.block }
    }

    fn pack(
        &self,
        isa: Isa,
        groups: usize,
        shape: [usize; 4],
        from: Layout,
        views: &mut Views,
        thread_pool: &ThreadPool,
    ) {
        let (source, destination) = (views.read::<f32>(0), views.write::<f32>(0));
        let block = self.block;
        let all_taps = self.taps[0] * self.taps[1];
        let own = [shape[0] / groups, shape[1]];
        let [outputs, inputs] = if self.flips { [own[1], own[0]] } else { own };
        let (o_blocks, i_blocks) = (outputs.div_ceil(block), inputs.div_ceil(block));
        let depth = i_blocks * block;
        let stride = factor_stride(self.factor_len(groups, shape));
        assert!(destination.len() >= self.factors * stride, "the destination holds all transformed weights");
        let destination = Pointer(destination.as_mut_ptr());
        thread_pool.run(groups * o_blocks * i_blocks, |item| {
            let (group, item) = (item / (o_blocks * i_blocks), item % (o_blocks * i_blocks));
            let (o_block, i_block) = (item / i_blocks, item % i_blocks);
            let (o, i) = (o_block * block, i_block * block);
            let [o_count, i_count] = [block.min(outputs - o), block.min(inputs - i)];
            let offset = |o: usize, i: usize, tap: usize| {
                let tap = if self.flips { all_taps - 1 - tap } else { tap };
                let [o, i] = if self.flips { [i, o] } else { [o, i] };
                from.offset(shape, [group * own[0] + o, i, tap / self.taps[1], tap % self.taps[1]])
            };
            let mut taps = [const { MaybeUninit::uninit() }; MOST_TAPS * MOST_LANES * MOST_LANES];
            let taps = zeroed(&mut taps[..all_taps * block * block]);
            let is_whole = [o_count, i_count] == [block; 2];
            if is_whole && from == Layout::Plain && !self.flips {
                let source = &source[offset(o, i, 0)..];
                transpose_taps(isa, source, shape[1] * all_taps, all_taps, taps);
            } else {
                for (tap, weights) in taps.chunks_exact_mut(block * block).enumerate() {
                    // Within blocks, channels have constant distances.
                    let first = offset(o, i, tap);
                    let [o_step, i_step] = [(o_count, 1, 0), (i_count, 0, 1)].map(|(count, by_o, by_i)| {
                        if count > 1 { offset(o + by_o, i + by_i, tap) - first } else { 0 }
                    });
                    if is_whole && [o_step, i_step] == [1, block] {
                        weights.copy_from_slice(&source[first..][..block * block]);
                        continue;
                    }
                    if is_whole && [o_step, i_step] == [block, 1] {
                        transpose_block(isa, &source[first..][..block * block], weights);
                        continue;
                    }
                    for (i, line) in weights.chunks_exact_mut(block).enumerate().take(i_count) {
                        for (o, weight) in line.iter_mut().enumerate().take(o_count) {
                            *weight = source[first + o * o_step + i * i_step];
                        }
                    }
                }
            }
            let pair = o_block / PAIR * PAIR;
            let width = PAIR.min(o_blocks - pair) * block;
            let start = (group * o_blocks + pair) * block * depth + (o_block - pair) * block;
            // SAFETY: the elements of these blocks lie within the destination, and belong to this item alone.
            let to = unsafe { destination.get().add(start + i * width) };
            (self.transform_block)(isa, Block { taps, to, steps: [stride, width] });
        });
    }
}

/// Fills `floats` with zeros.
fn zeroed(floats: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    floats.fill(MaybeUninit::new(0.0));
    // SAFETY: all of them were just written.
    unsafe { &mut *(std::ptr::from_mut(floats) as *mut [f32]) }
}

/// The weights of a block of input and a block of output channels.
pub(super) struct Block<'a> {
    /// `[tap][input][output]`.
    taps: &'a [f32],
    /// Where the first factor of the first input channel begins.
    to: *mut f32,
    /// Floats from one factor and from one input channel to the next.
    steps: [usize; 2],
}

/// G w Gᵀ of all pairs of channels in a block.
pub(super) fn transform_block<R: Convolution, C: Convolution>(isa: Isa, block: Block) {
    dispatch(isa, TransformBlock::<R, C>(block, PhantomData));
}

struct TransformBlock<'a, R, C>(Block<'a>, PhantomData<(R, C)>);

impl<R: Convolution, C: Convolution> Body for TransformBlock<'_, R, C> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Block { taps, to, steps } = self.0;
        for lane in 0..S::LANES {
            let mut halves = Halves::<S>::new();
            for column in 0..C::TAPS {
                let mut line = [s.zero(); MOST];
                for row in 0..R::TAPS {
                    let weights =
                        &taps[((row * C::TAPS + column) * S::LANES + lane) * S::LANES..][..S::LANES];
                    // SAFETY: the slice is a vector long.
                    line[row] = unsafe { s.load(weights.as_ptr()) };
                }
                halves.set_column(column, R::weights(s, line), R::FACTORS);
            }
            for row in 0..R::FACTORS {
                // SAFETY: all columns were set.
                let line = C::weights(s, unsafe { halves.row(s, row, C::TAPS) });
                for column in 0..C::FACTORS {
                    let at = (row * C::FACTORS + column) * steps[0] + lane * steps[1];
                    // SAFETY: the caller guarantees the addresses.
                    unsafe { s.store(to.add(at), line[column]) };
                }
            }
        }
    }
}
