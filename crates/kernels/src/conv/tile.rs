//! The register tile of the direct convolution: P output pixels × O blocks of output channels.
//!
//! For every input channel and tap it loads O vectors of weights and multiplies them by P broadcast input
//! values. The pixels may lie anywhere, in one row or over rows and images. Bias, residual and activation
//! are applied before the sums leave the registers.

use crate::activation::{Activation, UNBOUNDED};
use crate::simd::{Body, Simd, activate};

/// Pixels of the widest tile.
pub(super) const WIDEST: usize = 14;
/// Blocks of output channels of the largest tile.
pub(super) const MOST_BLOCKS: usize = 2;

/// Inputs that meet weights which lie side by side: a block of channels under one tap, or one value.
/// Offsets in floats, from the pixel's place in the input and from the first weight of a block of outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub x: usize,
    pub w: usize,
}

/// A part of a sum whose weights fit the first cache together.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// Runs over all lanes of a block of channels.
    pub whole: Vec<Run>,
    /// Runs over a single value.
    pub single: Vec<Run>,
}

/// Where the first pixel of a tile lies in x, y and the residual, in floats.
#[derive(Default, Clone, Copy)]
pub(super) struct Place {
    pub x: usize,
    pub y: usize,
    pub residual: usize,
}

impl Place {
    /// The place `count` steps further.
    #[inline(always)]
    pub fn behind(self, step: Place, count: usize) -> Place {
        Place {
            x: self.x + step.x * count,
            y: self.y + step.y * count,
            residual: self.residual + step.residual * count,
        }
    }
}

/// How far behind the first pixel the others lie.
#[derive(Default)]
pub(super) struct Steps {
    pub x: [usize; WIDEST],
    pub y: [usize; WIDEST],
    pub residual: [usize; WIDEST],
    /// Whether all neighbors are equally far apart in x.
    pub even: bool,
}

/// What the tiles of a few blocks of output channels have in common.
pub(super) struct Job<'a> {
    pub chunk: &'a Chunk,
    /// Whether the sums begin with this chunk (else they wait in y), and whether they end with it.
    pub begin: bool,
    pub end: bool,
    pub x: *const f32,
    pub w: *const f32,
    pub y: *mut f32,
    /// Null if there is none.
    pub residual: *const f32,
    /// Blocks of output channels, and the floats between them in w, y and the residual.
    pub blocks: usize,
    pub w_block: usize,
    pub y_block: usize,
    pub residual_block: usize,
    /// A vector for each block; the sums begin with it.
    pub bias: [[f32; 16]; MOST_BLOCKS],
    /// Real channels of each block.
    pub channels: [usize; MOST_BLOCKS],
    pub activation: Activation,
}

impl Job<'_> {
    /// Computes the tile of `count` pixels at `place`.
    ///
    /// # Safety
    /// The pointers, the chunk, the place and the first `count` steps belong to valid operands, and nobody
    /// else writes these pixels.
    #[inline(always)]
    pub unsafe fn tile<S: Simd>(&self, s: S, place: Place, steps: &Steps, count: usize) {
        // Blocks know one even step, planar inputs that of the usual strides.
        let step = if steps.even { steps.x[1] } else { 0 };
        match step {
            1 => self.even_tile::<S, 1>(s, place, steps, count),
            2 => self.even_tile::<S, 2>(s, place, steps, count),
            4 => self.even_tile::<S, 4>(s, place, steps, count),
            8 if S::LANES == 8 => self.even_tile::<S, 8>(s, place, steps, count),
            16 if S::LANES == 16 => self.even_tile::<S, 16>(s, place, steps, count),
            _ => self.even_tile::<S, 0>(s, place, steps, count),
        }
    }

    #[inline(always)]
    fn even_tile<S: Simd, const STEP: usize>(&self, s: S, place: Place, steps: &Steps, count: usize) {
        macro_rules! tiles {
            ($($count:literal)*) => {
                match (count, self.blocks) {
                    $(
                        ($count, 1) => s.outline(Tile::<$count, 1, STEP>(self, place, steps)),
                        ($count, _) => s.outline(Tile::<$count, 2, STEP>(self, place, steps)),
                    )*
                    _ => unreachable!("no tile is wider than {WIDEST}"),
                }
            };
        }
        tiles!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

/// A tile; made by [`Job::tile`] only, whose caller sees to the pointers.
struct Tile<'a, const P: usize, const O: usize, const STEP: usize>(&'a Job<'a>, Place, &'a Steps);

impl<const P: usize, const O: usize, const STEP: usize> Body for Tile<'_, P, O, STEP> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if P * O > S::SUMS {
            unreachable!("tiles are chosen to fit the registers");
        }
        let Tile(job, place, steps) = self;
        let at: [usize; P] = std::array::from_fn(|p| if STEP == 0 { steps.x[p] } else { p * STEP });
        let y_at = |p: usize, o: usize| place.y + steps.y[p] + o * job.y_block;
        // SAFETY: the caller of `Job::tile` promises that all these places are valid.
        unsafe {
            let bias: [S::F; O] = std::array::from_fn(|o| s.load(job.bias[o].as_ptr()));
            let mut sums = [bias; P];
            if !job.begin {
                for p in 0..P {
                    for o in 0..O {
                        sums[p][o] = s.load(job.y.add(y_at(p, o)));
                    }
                }
            }
            let x = job.x.add(place.x);
            // Unrolled with one block, the sums would wander between registers, and over the stack.
            let lanes = if O == 1 { std::hint::black_box(S::LANES) } else { S::LANES };
            // Steps of less than a vector are those of planar inputs.
            let whole = if STEP == 0 || STEP == S::LANES { &job.chunk.whole[..] } else { &[] };
            for run in whole {
                let (x, w) = (x.add(run.x), job.w.add(run.w));
                for i in 0..lanes {
                    // The same channels of the next tile, a line at a time. On AVX2 the loop was measured to
                    // lose a third of its speed by it.
                    if STEP == 16 && S::LANES == 16 {
                        s.prefetch(x.wrapping_add((P + i) * STEP));
                    }
                    let weights: [S::F; O] =
                        std::array::from_fn(|o| s.load(w.add(o * job.w_block + i * S::LANES)));
                    for p in 0..P {
                        let value = s.splat(*x.add(at[p] + i));
                        for o in 0..O {
                            sums[p][o] = s.fma(value, weights[o], sums[p][o]);
                        }
                    }
                }
            }
            for run in &job.chunk.single {
                let (x, w) = (x.add(run.x), job.w.add(run.w));
                let weights: [S::F; O] = std::array::from_fn(|o| s.load(w.add(o * job.w_block)));
                for p in 0..P {
                    let value = s.splat(*x.add(at[p]));
                    for o in 0..O {
                        sums[p][o] = s.fma(value, weights[o], sums[p][o]);
                    }
                }
            }
            if job.end {
                job.finish(s, place, steps, &mut sums);
            }
            // Copied, since a store might change what is behind a reference, for all that the compiler knows.
            let (y, y_block): ([*mut f32; P], usize) =
                (std::array::from_fn(|p| job.y.add(place.y + steps.y[p])), job.y_block);
            for p in 0..P {
                for o in 0..O {
                    s.store(y[p].add(o * y_block), sums[p][o]);
                }
            }
            if job.end && job.activation.clip().is_none() {
                s.outline(Smooth(job, place, steps, P));
            }
        }
    }
}

impl Job<'_> {
    /// Adds the residual and cuts off below and above, which is all that most activations do.
    ///
    /// # Safety
    /// As for [`Job::tile`].
    #[inline(always)]
    unsafe fn finish<S: Simd, const P: usize, const O: usize>(
        &self,
        s: S,
        place: Place,
        steps: &Steps,
        sums: &mut [[S::F; O]; P],
    ) {
        if !self.residual.is_null() {
            for p in 0..P {
                for o in 0..O {
                    let at = place.residual + steps.residual[p] + o * self.residual_block;
                    // SAFETY: as the caller promises.
                    sums[p][o] = s.add(sums[p][o], unsafe { s.load(self.residual.add(at)) });
                }
            }
        }
        let (low, high) = self.activation.clip().unwrap_or(UNBOUNDED);
        if low > f32::NEG_INFINITY {
            let low = s.splat(low);
            for p in 0..P {
                for o in 0..O {
                    sums[p][o] = s.max(low, sums[p][o]);
                }
            }
        }
        if high < f32::INFINITY {
            let high = s.splat(high);
            for p in 0..P {
                for o in 0..O {
                    sums[p][o] = s.min(high, sums[p][o]);
                }
            }
        }
    }
}

/// Applies a smooth activation to the pixels of a tile that were just stored.
struct Smooth<'a>(&'a Job<'a>, Place, &'a Steps, usize);

impl Body for Smooth<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Smooth(job, place, steps, count) = self;
        for o in 0..job.blocks {
            // Of the activations only the sigmoid makes something of the zero lanes.
            let real = s.first_lanes(job.channels[o]);
            for step in &steps.y[..count] {
                // SAFETY: these places were written a moment ago.
                unsafe {
                    let y = job.y.add(place.y + step + o * job.y_block);
                    s.store(y, s.mul(real, activate(s, job.activation, s.load(y))));
                }
            }
        }
    }
}
