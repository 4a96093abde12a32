//! The register tile of the direct convolution: P output pixels × O blocks of output channels.
//!
//! For every input channel and tap it loads O vectors of weights and multiplies them by P broadcast input
//! values. The pixels may lie anywhere, in one row or over rows and images. Bias, residual and activation
//! are applied before the sums leave the registers.

use crate::activation::Activation;
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

/// The places of a tile's pixels in x, y and the residual, in floats.
#[derive(Default)]
pub(super) struct Places {
    pub x: [usize; WIDEST],
    pub y: [usize; WIDEST],
    pub residual: [usize; WIDEST],
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
    /// A vector for each block.
    pub bias: [[f32; 16]; MOST_BLOCKS],
    /// Real channels of each block.
    pub channels: [usize; MOST_BLOCKS],
    pub activation: Activation,
}

impl Job<'_> {
    /// Computes the tile of `count` pixels at `places`.
    ///
    /// # Safety
    /// The pointers, the chunk and the first `count` places belong to valid operands, and nobody else
    /// writes these pixels. If `adjacent`, each pixel's input lies one vector behind that of the one before.
    #[inline(always)]
    pub unsafe fn tile<S: Simd>(&self, s: S, places: &Places, count: usize, adjacent: bool) {
        macro_rules! tiles {
            ($($count:literal)*) => {
                match (count, self.blocks, adjacent) {
                    $(
                        ($count, 1, false) => s.outline(Tile::<$count, 1, false>(self, places)),
                        ($count, 1, true) => s.outline(Tile::<$count, 1, true>(self, places)),
                        ($count, _, false) => s.outline(Tile::<$count, 2, false>(self, places)),
                        ($count, _, true) => s.outline(Tile::<$count, 2, true>(self, places)),
                    )*
                    _ => unreachable!("no tile is wider than {WIDEST}"),
                }
            };
        }
        tiles!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

/// A tile; made by [`Job::tile`] only, whose caller sees to the pointers.
struct Tile<'a, const P: usize, const O: usize, const ADJACENT: bool>(&'a Job<'a>, &'a Places);

impl<const P: usize, const O: usize, const ADJACENT: bool> Body for Tile<'_, P, O, ADJACENT> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if P * O > S::SUMS {
            unreachable!("tiles are chosen to fit the registers");
        }
        let Tile(job, places) = self;
        let first = places.x[0];
        let at: [usize; P] =
            std::array::from_fn(|p| if ADJACENT { p * S::LANES } else { places.x[p] - first });
        let y_at = |p: usize, o: usize| places.y[p] + o * job.y_block;
        // SAFETY: the caller of `Job::tile` promises that all these places are valid.
        unsafe {
            let mut sums = [[s.zero(); O]; P];
            if !job.begin {
                for p in 0..P {
                    for o in 0..O {
                        sums[p][o] = s.load(job.y.add(y_at(p, o)));
                    }
                }
            }
            let x = job.x.add(first);
            for run in &job.chunk.whole {
                let (x, w) = (x.add(run.x), job.w.add(run.w));
                for i in 0..S::LANES {
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
                job.finish(s, places, &mut sums);
            }
            for p in 0..P {
                for o in 0..O {
                    s.store(job.y.add(y_at(p, o)), sums[p][o]);
                }
            }
            if job.end && matches!(job.activation, Activation::Tanh | Activation::Sigmoid) {
                s.outline(Smooth(job, places, P));
            }
        }
    }
}

impl Job<'_> {
    /// Adds bias and residual and cuts off below and above, which is all that most activations do.
    ///
    /// # Safety
    /// As for [`Job::tile`].
    #[inline(always)]
    unsafe fn finish<S: Simd, const P: usize, const O: usize>(
        &self,
        s: S,
        places: &Places,
        sums: &mut [[S::F; O]; P],
    ) {
        let (low, high) = match self.activation {
            Activation::Relu => (0.0, f32::INFINITY),
            Activation::Relu6 => (0.0, 6.0),
            _ => (f32::NEG_INFINITY, f32::INFINITY),
        };
        let (low, high) = (s.splat(low), s.splat(high));
        // SAFETY: as the caller promises; a bias has 16 numbers.
        unsafe {
            for o in 0..O {
                let bias = s.load(self.bias[o].as_ptr());
                for p in 0..P {
                    sums[p][o] = s.add(sums[p][o], bias);
                }
                if !self.residual.is_null() {
                    for p in 0..P {
                        let at = places.residual[p] + o * self.residual_block;
                        sums[p][o] = s.add(sums[p][o], s.load(self.residual.add(at)));
                    }
                }
                for p in 0..P {
                    sums[p][o] = s.min(high, s.max(low, sums[p][o]));
                }
            }
        }
    }
}

/// Applies tanh or the sigmoid to the pixels of a tile that were just stored.
struct Smooth<'a>(&'a Job<'a>, &'a Places, usize);

impl Body for Smooth<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Smooth(job, places, count) = self;
        for o in 0..job.blocks {
            // Of the activations only the sigmoid makes something of the zero lanes.
            let real = s.first_lanes(job.channels[o]);
            for place in &places.y[..count] {
                // SAFETY: these places were written a moment ago.
                unsafe {
                    let y = job.y.add(place + o * job.y_block);
                    s.store(y, s.mul(real, activate(s, job.activation, s.load(y))));
                }
            }
        }
    }
}
