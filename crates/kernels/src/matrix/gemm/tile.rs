//! The register tile of the matrix product: P rows of two vectors, which stay in registers while a panel of A and
//! a panel of B are multiplied.

use super::LINE;
use crate::activation::Activation;
use crate::simd::{Body, Simd, activate};

/// Numbers in the largest tile.
pub(super) const LARGEST_TILE: usize = 14 * 32;

/// The product of two cuts of panels, as P rows of two vectors, accumulated in registers.
pub(super) struct Tile<'a, const P: usize> {
    pub a: &'a [f32],
    pub b: &'a [f32],
    /// The data needed next, prefetched line by line while the tile computes; may be any address.
    pub ahead: *const f32,
    /// The destination, valid for P rows of two vectors, `stride` floats apart.
    pub to: *mut f32,
    pub stride: usize,
    /// Whether to add to the destination instead of overwriting it.
    pub add: bool,
    /// Two vectors, or empty.
    pub bias: &'a [f32],
    /// Bounds that the result is clipped to.
    pub range: (f32, f32),
    /// Whether to store past the caches, for aligned rows.
    pub streams: bool,
}

impl<const P: usize> Body for Tile<'_, P> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (to, stride) = (self.to, self.stride);
        let (low, high) = (s.splat(self.range.0), s.splat(self.range.1));
        let depth = (self.a.len() / P).min(self.b.len() / (2 * S::LANES));
        assert!(self.bias.is_empty() || self.bias.len() == 2 * S::LANES, "the bias must have two vectors");
        let mut acc = [[s.zero(); 2]; P];
        // SAFETY: the panels hold `depth` groups of P numbers and of two vectors, the bias has two vectors,
        // and `to` is valid as its documentation requires.
        unsafe {
            let (mut a, mut b) = (self.a.as_ptr(), self.b.as_ptr());
            if !self.streams {
                for p in 0..P {
                    s.prefetch(to.add(p * stride));
                    s.prefetch(to.add(p * stride + S::LANES));
                }
            }
            for index in 0..depth {
                s.prefetch(self.ahead.wrapping_add(index * LINE));
                let (b0, b1) = (s.load(b), s.load(b.add(S::LANES)));
                for p in 0..P {
                    let value = s.splat(*a.add(p));
                    acc[p][0] = s.fma(value, b0, acc[p][0]);
                    acc[p][1] = s.fma(value, b1, acc[p][1]);
                }
                a = a.add(P);
                b = b.add(2 * S::LANES);
            }
            if self.add {
                for p in 0..P {
                    for half in 0..2 {
                        let c = s.load(to.add(p * stride + half * S::LANES));
                        acc[p][half] = s.add(acc[p][half], c);
                    }
                }
            }
            if !self.bias.is_empty() {
                let bias: [S::F; 2] =
                    std::array::from_fn(|half| s.load(self.bias.as_ptr().add(half * S::LANES)));
                for p in 0..P {
                    for half in 0..2 {
                        acc[p][half] = s.add(acc[p][half], bias[half]);
                    }
                }
            }
            for p in 0..P {
                for half in 0..2 {
                    acc[p][half] = s.min(high, s.max(low, acc[p][half]));
                }
            }
            if self.streams {
                for p in 0..P {
                    for half in 0..2 {
                        s.stream(to.add(p * stride + half * S::LANES), acc[p][half]);
                    }
                }
                return;
            }
            for p in 0..P {
                for half in 0..2 {
                    s.store(to.add(p * stride + half * S::LANES), acc[p][half]);
                }
            }
        }
    }
}

/// Writes a row of a tile's sums to C if the tile cannot do so itself: at the edges of C, and for activations that
/// need additional registers.
pub(super) struct Finish<'a> {
    pub sums: &'a [f32],
    pub c: &'a mut [f32],
    pub add: bool,
    pub bias: &'a [f32],
    pub activation: Activation,
}

impl Body for Finish<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut line = [0.0f32; 16];
        for (index, c) in self.c.chunks_mut(S::LANES).enumerate() {
            let mut padded = |values: &[f32]| {
                line[..values.len()].copy_from_slice(values);
                // SAFETY: vectors have at most 16 lanes.
                unsafe { s.load(line.as_ptr()) }
            };
            let at = index * S::LANES;
            let mut sum = padded(&self.sums[at..][..c.len()]);
            if self.add {
                sum = s.add(sum, padded(c));
            }
            if !self.bias.is_empty() {
                sum = s.add(sum, padded(&self.bias[at..][..c.len()]));
            }
            // SAFETY: vectors have at most 16 lanes.
            unsafe { s.store(line.as_mut_ptr(), activate(s, self.activation, sum)) }
            c.copy_from_slice(&line[..c.len()]);
        }
    }
}
