//! The register tile of the direct convolution: P output pixels × O blocks of output channels.
//!
//! For every input word and tap it loads O vectors of weights and multiplies them by P broadcast words. A [`Word`] of
//! 32 bits holds the `f32` of a channel, or the `bf16` of a pair of channels. The pixels may be at any positions, in
//! one row or across rows and images. Bias, residual and activation are applied before the accumulators are stored.

use std::marker::PhantomData;

use crate::activation::{Activation, UNBOUNDED};
use crate::isa::Isa;
use crate::simd::{Body, CACHE_LINE, Simd, activate, dispatch, dispatch_bf16};

/// Pixels in the widest tile.
pub(super) const WIDEST: usize = 14;
/// Blocks of output channels in the largest tile.
pub(super) const MOST_BLOCKS: usize = 3;

/// What a word of 32 bits holds. The operands of a tile are pointers to words, whatever they hold, and all offsets
/// count words.
pub(super) trait Word: Copy + Send + Sync + 'static {
    /// Values in a word.
    const VALUES: usize;

    /// Blocks of output channels in a tile. With 12 accumulators, a tile of 4 pixels × 3 blocks loads 7 operands for 12
    /// products, and one of 6 × 2 loads 8; the latter leaves a register free, which the products of pairs need.
    fn blocks(isa: Isa) -> usize {
        if isa == Isa::Avx2 && Self::VALUES == 1 { MOST_BLOCKS } else { 2 }
    }

    /// c + the sum of the products of the values in a and b.
    fn fma<S: Simd>(s: S, a: S::F, b: S::F, c: S::F) -> S::F;

    /// Runs `body` on `isa`, with the instructions that the products take.
    fn dispatch(isa: Isa, body: impl Body);
}

/// One `f32`.
#[derive(Clone, Copy)]
pub(super) struct Single;
/// Two `bf16`.
#[derive(Clone, Copy)]
pub(super) struct Pair;

impl Word for Single {
    const VALUES: usize = 1;

    #[inline(always)]
    fn fma<S: Simd>(s: S, a: S::F, b: S::F, c: S::F) -> S::F {
        s.fma(a, b, c)
    }

    fn dispatch(isa: Isa, body: impl Body) {
        dispatch(isa, body);
    }
}

impl Word for Pair {
    const VALUES: usize = 2;

    #[inline(always)]
    fn fma<S: Simd>(s: S, a: S::F, b: S::F, c: S::F) -> S::F {
        s.dot_pairs(a, b, c)
    }

    fn dispatch(isa: Isa, body: impl Body) {
        dispatch_bf16(isa, body);
    }
}

/// Inputs whose weights are contiguous: a block of channels under one tap, or a single word. Offsets in words,
/// relative to the pixel's position in the input and to the first weight of a block of outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub x: usize,
    pub w: usize,
}

/// Part of a sum. Its weights fit the L2 cache; a result of `bf16` has a single chunk of any size.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// Runs over all lanes of a block of channels.
    pub whole: Vec<Run>,
    /// Runs over single words.
    pub single: Vec<Run>,
}

/// The offsets of the first pixel of a tile in x, y and the residual, in words.
#[derive(Default, Clone, Copy)]
pub(super) struct Place {
    pub x: usize,
    pub y: usize,
    pub residual: usize,
}

impl Place {
    /// The place `count` steps further.
    #[inline(always)]
    pub fn after(self, step: Place, count: usize) -> Place {
        Place {
            x: self.x + step.x * count,
            y: self.y + step.y * count,
            residual: self.residual + step.residual * count,
        }
    }
}

/// The offsets of the pixels of a tile from the first one.
#[derive(Default)]
pub(super) struct Offsets {
    pub x: [usize; WIDEST],
    pub y: [usize; WIDEST],
    pub residual: [usize; WIDEST],
    /// The distance between neighboring pixels in x if it is uniform, or 0.
    pub step: usize,
    /// The first pixel of the next tile, whose outputs are prefetched, and the distances between its pixels.
    pub next: Place,
    pub steps: Place,
    /// For each run over a block of channels, the lines to prefetch of the weights after those of the tile's outputs.
    pub ahead: [usize; 2],
}

/// The parameters shared by the tiles of a few blocks of output channels.
pub(super) struct Job<'a, W> {
    pub chunk: &'a Chunk,
    /// Whether this is the first chunk (otherwise, the partial sums are in y), and whether it is the last.
    pub begin: bool,
    pub end: bool,
    /// Whether these are the first tiles to read their inputs, which probably come from memory. With AVX2, only such
    /// inputs are prefetched: for others, prefetching was measured to cost up to a third.
    pub reads_first: bool,
    pub x: *const f32,
    pub w: *const f32,
    pub y: *mut f32,
    /// Null if there is none; y if the result takes its place.
    pub residual: *const f32,
    /// Whether y consists of `bf16`. There is one chunk then, and the activation clips.
    pub narrow: bool,
    /// Number of blocks of output channels, and the distances between them in w, y and the residual, in words.
    pub blocks: usize,
    pub w_block: usize,
    pub y_block: usize,
    pub residual_block: usize,
    /// A vector for each block, which the accumulators are initialized with.
    pub bias: [[f32; 16]; MOST_BLOCKS],
    /// Channels in each block, not counting padding.
    pub channels: [usize; MOST_BLOCKS],
    pub activation: Activation,
    pub word: PhantomData<W>,
}

impl<W: Word> Job<'_, W> {
    /// Computes the tile of `count` pixels at `place`.
    ///
    /// # Safety
    /// The pointers, the chunk, the place and the first `count` offsets must belong to valid operands, and
    /// nothing else may access these pixels.
    #[inline(always)]
    pub unsafe fn tile<S: Simd>(&self, s: S, place: Place, offsets: &Offsets, count: usize) {
        // Specializes for the distances of blocks with strides 1 and 2 and of planar inputs with common strides. What
        // depends on types is in constant blocks, so that only tiles that occur are compiled.
        // SAFETY: guaranteed by the caller.
        unsafe {
            match offsets.step {
                1 if const { W::VALUES == 1 } => self.uniform_tile::<S, 1>(s, place, offsets, count),
                2 if const { W::VALUES == 1 } => self.uniform_tile::<S, 2>(s, place, offsets, count),
                4 => self.uniform_tile::<S, 4>(s, place, offsets, count),
                8 if const { S::LANES / W::VALUES == 8 } => {
                    self.uniform_tile::<S, 8>(s, place, offsets, count)
                }
                16 if const { S::LANES / W::VALUES >= 8 } => {
                    self.uniform_tile::<S, 16>(s, place, offsets, count)
                }
                32 if const { S::LANES == 16 } => self.uniform_tile::<S, 32>(s, place, offsets, count),
                _ => self.uniform_tile::<S, 0>(s, place, offsets, count),
            }
        }
    }

    /// # Safety
    /// As for [`Job::tile`].
    #[inline(always)]
    unsafe fn uniform_tile<S: Simd, const STEP: usize>(
        &self,
        s: S,
        place: Place,
        offsets: &Offsets,
        count: usize,
    ) {
        macro_rules! tiles {
            ($($count:literal)*) => {
                match (count, self.blocks) {
                    $(
                        ($count, 1) if const { $count <= S::ACCUMULATORS } => {
                            s.outline(Tile::<W, $count, 1, STEP>(self, place, offsets))
                        }
                        ($count, 2) if const { $count * 2 <= S::ACCUMULATORS } => {
                            s.outline(Tile::<W, $count, 2, STEP>(self, place, offsets))
                        }
                        ($count, 3) if const { $count <= 4 && S::HAS_PRODUCTS && W::VALUES == 1 } => {
                            s.outline(Tile::<W, $count, 3, STEP>(self, place, offsets))
                        }
                    )*
                    _ => unreachable!("tiles have at most {WIDEST} pixels and {MOST_BLOCKS} blocks"),
                }
            };
        }
        tiles!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

/// A tile. Created only by [`Job::tile`], whose caller guarantees the pointers.
struct Tile<'a, W, const P: usize, const O: usize, const STEP: usize>(&'a Job<'a, W>, Place, &'a Offsets);

impl<W: Word, const P: usize, const O: usize, const STEP: usize> Body for Tile<'_, W, P, O, STEP> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Tile(job, place, offsets) = self;
        let at: [usize; P] = std::array::from_fn(|p| if STEP == 0 { offsets.x[p] } else { p * STEP });
        let y_at = |p: usize, o: usize| place.y + offsets.y[p] + o * job.y_block;
        // SAFETY: the caller of `Job::tile` guarantees that all these addresses are valid.
        unsafe {
            let bias: [S::F; O] = std::array::from_fn(|o| s.load(job.bias[o].as_ptr()));
            let mut acc = [bias; P];
            if !job.begin {
                for p in 0..P {
                    for o in 0..O {
                        acc[p][o] = s.load(job.y.add(y_at(p, o)));
                    }
                }
            }
            let x = job.x.add(place.x);
            // With one block, unrolling makes the compiler move accumulators between registers and the stack.
            let words = S::LANES / W::VALUES;
            let count = if O == 1 { std::hint::black_box(words) } else { words };
            // Distances of less than a block occur only in planar inputs, which have no whole runs.
            let whole = if STEP == 0 || STEP >= words { &job.chunk.whole[..] } else { &[] };
            // Prefetches the outputs of the next tile. With AVX-512, too many prefetches at a time were measured to be
            // useless, so that they are spread over the runs; with AVX2, spreading them costs more than it gains.
            let share = (P * O).div_ceil(whole.len().max(1));
            if S::LANES < CACHE_LINE {
                // Pixels that share a line; those of a narrow y are shorter than those of the residual, which decide.
                let sharing = CACHE_LINE.div_ceil(offsets.steps.y.max(S::LANES));
                for p in (0..P).step_by(sharing) {
                    for o in 0..O {
                        job.prefetch_output(s, offsets, [p, o]);
                    }
                }
            }
            for (number, run) in whole.iter().enumerate() {
                let (x, w) = (x.add(run.x), job.w.add(run.w));
                if S::LANES == 16 {
                    for line in number * share..((number + 1) * share).min(P * O) {
                        job.prefetch_output(s, offsets, [line / O, line % O]);
                    }
                    for line in offsets.ahead[0]..offsets.ahead[1] {
                        let at = (O + line / words) * job.w_block + line % words * S::LANES;
                        s.prefetch(w.wrapping_add(at));
                    }
                }
                if S::LANES < CACHE_LINE && STEP >= words && job.reads_first {
                    for line in 0..(P * STEP).div_ceil(CACHE_LINE) {
                        s.prefetch(x.wrapping_add(P * STEP + line * CACHE_LINE));
                    }
                }
                if S::HAS_PRODUCTS && O == MOST_BLOCKS {
                    let w = std::array::from_fn(|o| w.add(o * job.w_block));
                    s.add_products::<P, O, 8>(at.map(|at| x.add(at)), 1, w, &mut acc);
                    continue;
                }
                for i in 0..count {
                    // Prefetches the same channels of the next tile, a line at a time.
                    if STEP >= words && S::LANES == 16 {
                        s.prefetch(x.wrapping_add((P + i * W::VALUES) * STEP));
                    }
                    let weights: [S::F; O] =
                        std::array::from_fn(|o| s.load(w.add(o * job.w_block + i * S::LANES)));
                    for p in 0..P {
                        let value = s.splat(*x.add(at[p] + i));
                        for o in 0..O {
                            acc[p][o] = W::fma(s, value, weights[o], acc[p][o]);
                        }
                    }
                }
            }
            for run in &job.chunk.single {
                let (x, w) = (x.add(run.x), job.w.add(run.w));
                if S::HAS_PRODUCTS && O == MOST_BLOCKS {
                    let w = std::array::from_fn(|o| w.add(o * job.w_block));
                    s.add_products::<P, O, 1>(at.map(|at| x.add(at)), 1, w, &mut acc);
                    continue;
                }
                let weights: [S::F; O] = std::array::from_fn(|o| s.load(w.add(o * job.w_block)));
                for p in 0..P {
                    let value = s.splat(*x.add(at[p]));
                    for o in 0..O {
                        acc[p][o] = W::fma(s, value, weights[o], acc[p][o]);
                    }
                }
            }
            if job.end {
                job.finish(s, place, offsets, &mut acc);
            }
            // Copied to locals, because the compiler must assume that a store may modify the referenced fields.
            let (y, y_block): ([*mut f32; P], usize) =
                (std::array::from_fn(|p| job.y.add(place.y + offsets.y[p])), job.y_block);
            if W::VALUES == 2 && job.narrow {
                for p in 0..P {
                    for o in 0..O {
                        s.store_bf16(y[p].add(o * y_block).cast(), acc[p][o]);
                    }
                }
                return;
            }
            for p in 0..P {
                for o in 0..O {
                    s.store(y[p].add(o * y_block), acc[p][o]);
                }
            }
            if job.end && job.activation.clip().is_none() {
                s.outline(Smooth(job, place, offsets, P));
            }
        }
    }
}

impl<W> Job<'_, W> {
    /// Prefetches what the next tile needs of the outputs and the residual at this pixel and block.
    #[inline(always)]
    fn prefetch_output<S: Simd>(&self, s: S, offsets: &Offsets, [p, o]: [usize; 2]) {
        let Offsets { next, steps, .. } = offsets;
        s.prefetch(self.y.wrapping_add(next.y + p * steps.y + o * self.y_block));
        if self.end && !self.residual.is_null() && !std::ptr::eq(self.residual, self.y) {
            let at = next.residual + p * steps.residual + o * self.residual_block;
            s.prefetch(self.residual.wrapping_add(at));
        }
    }

    /// Adds the residual and clips to the bounds of the activation, which is all that most activations do.
    ///
    /// # Safety
    /// As for [`Job::tile`].
    #[inline(always)]
    unsafe fn finish<S: Simd, const P: usize, const O: usize>(
        &self,
        s: S,
        place: Place,
        offsets: &Offsets,
        acc: &mut [[S::F; O]; P],
    ) {
        if !self.residual.is_null() {
            for p in 0..P {
                for o in 0..O {
                    let at = place.residual + offsets.residual[p] + o * self.residual_block;
                    // SAFETY: guaranteed by the caller.
                    acc[p][o] = s.add(acc[p][o], unsafe { s.load(self.residual.add(at)) });
                }
            }
        }
        let (low, high) = self.activation.clip().unwrap_or(UNBOUNDED);
        if low > f32::NEG_INFINITY {
            let low = s.splat(low);
            for p in 0..P {
                for o in 0..O {
                    acc[p][o] = s.max(low, acc[p][o]);
                }
            }
        }
        if high < f32::INFINITY {
            let high = s.splat(high);
            for p in 0..P {
                for o in 0..O {
                    acc[p][o] = s.min(high, acc[p][o]);
                }
            }
        }
    }
}

/// Applies a smooth activation to the pixels of a tile that were just stored.
struct Smooth<'a, W>(&'a Job<'a, W>, Place, &'a Offsets, usize);

impl<W: Word> Body for Smooth<'_, W> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Smooth(job, place, offsets, count) = self;
        for o in 0..job.blocks {
            // The sigmoid is the only activation that does not map zero to zero, so padding lanes are masked.
            let real = s.first_lanes(job.channels[o]);
            for offset in &offsets.y[..count] {
                // SAFETY: the tile has just written to these addresses.
                unsafe {
                    let y = job.y.add(place.y + offset + o * job.y_block);
                    s.store(y, s.mul(real, activate(s, job.activation, s.load(y))));
                }
            }
        }
    }
}
