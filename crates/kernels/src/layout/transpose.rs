//! Transposition of blocks of weights.

use std::mem::MaybeUninit;

use crate::isa::Isa;
use crate::simd::{Body, Simd, dispatch};

/// The most lanes of a vector.
const MOST_LANES: usize = 16;

/// Transposes a square of as many rows and columns as a vector has lanes.
pub(crate) fn transpose_block(isa: Isa, from: &[f32], to: &mut [f32]) {
    dispatch(isa, Square { from, to });
}

struct Square<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Body for Square<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let square = S::LANES * S::LANES;
        assert!(self.from.len() == square && self.to.len() == square, "both must be squares of vectors");
        // SAFETY: both are as many vectors as a vector has lanes.
        unsafe { s.transpose(self.from.as_ptr(), S::LANES, S::LANES, self.to.as_mut_ptr(), S::LANES) }
    }
}

/// Copies the weights of as many outputs and inputs as a vector has lanes from plain order, `[output][input][tap]` with
/// outputs `stride` apart, to `[tap][input][output]`. Writes all of `to`.
pub(crate) fn transpose_taps(isa: Isa, from: &[f32], stride: usize, taps: usize, to: &mut [f32]) {
    dispatch(isa, Taps { from, stride, taps, to });
}

struct Taps<'a> {
    from: &'a [f32],
    stride: usize,
    taps: usize,
    to: &'a mut [f32],
}

impl Body for Taps<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Taps { from, stride, taps, to } = self;
        assert!(from.len() >= (S::LANES - 1) * stride + taps * S::LANES, "the source contains all weights");
        assert!(
            to.len() == taps * S::LANES * S::LANES,
            "the destination has a square of vectors for each tap"
        );
        let (from, to) = (from.as_ptr(), to.as_mut_ptr());
        if taps == 1 {
            // SAFETY: the assertions.
            return unsafe { s.transpose(from, stride, S::LANES, to, S::LANES) };
        }
        for first in (0..taps * S::LANES).step_by(S::LANES) {
            let mut square = [const { MaybeUninit::<f32>::uninit() }; MOST_LANES * MOST_LANES];
            let square = square.as_mut_ptr().cast::<f32>();
            // SAFETY: the assertions; the square has room for as many vectors as a vector has lanes.
            unsafe { s.transpose(from.add(first), stride, S::LANES, square, S::LANES) };
            for line in 0..S::LANES {
                let (input, tap) = ((first + line) / taps, (first + line) % taps);
                // SAFETY: the square was written; the assertions.
                unsafe {
                    let outputs = s.load(square.add(line * S::LANES));
                    s.store(to.add((tap * S::LANES + input) * S::LANES), outputs);
                }
            }
        }
    }
}
