//! Algorithms along an axis for three taps with stride 2, from pieces with stride 1.
//!
//! Output i is x[2i] w₀ + x[2i + 1] w₁ + x[2i + 2] w₂. The taps at the ends are a convolution of every second input
//! with two taps, for which there is an algorithm with fewer products; the tap in the middle takes a product for each
//! output, all with the same factor. With F(4, 2), these are 5 + 4 products for four outputs instead of 12.

use std::marker::PhantomData;

use super::axis::{Axis, Convolution, Line, MOST, Points};
use crate::simd::Simd;

/// The convolution, with an algorithm for two taps.
pub(super) struct Strided<P>(PhantomData<P>);

/// Its data gradient for padding 1, with flipped taps: positions 2i of dx are dy[i] w₁, and positions 2i + 1 are
/// dy[i] w₀ + dy[i + 1] w₂.
pub(super) struct Interleaved<P>(PhantomData<P>);

impl<P: Points> Axis for Strided<P> {
    const INPUTS: usize = 2 * P::OUT + 1;
    const STEP: usize = 2 * P::OUT;
    const OUT: usize = P::OUT;
    const PRODUCTS: usize = P::PRODUCTS + P::OUT;

    #[inline(always)]
    fn input<S: Simd>(s: S, x: Line<S>) -> Line<S> {
        let (mut ends, mut middles) = ([s.zero(); MOST], [s.zero(); MOST]);
        for index in 0..P::OUT {
            (ends[index], middles[index]) = (x[2 * index], x[2 * index + 1]);
        }
        ends[P::OUT] = x[2 * P::OUT];
        join::<P, S>(P::input(s, ends), middles)
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, m: Line<S>) -> Line<S> {
        let mut outputs = P::output(s, m);
        for index in 0..P::OUT {
            outputs[index] = s.add(outputs[index], m[P::PRODUCTS + index]);
        }
        outputs
    }
}

impl<P: Points> Convolution for Strided<P> {
    type Backward = Interleaved<P>;
    const STRIDE: usize = 2;
    const TAPS: usize = 3;
    const FACTORS: usize = P::PRODUCTS + 1;

    #[inline(always)]
    fn weights<S: Simd>(s: S, w: Line<S>) -> Line<S> {
        const { assert!(P::TAPS == 2, "there are two taps at the ends") };
        let mut ends = [s.zero(); MOST];
        (ends[0], ends[1]) = (w[0], w[2]);
        let mut factors = P::weights(s, ends);
        factors[P::PRODUCTS] = w[1];
        factors
    }

    #[inline(always)]
    fn weight_gradients<S: Simd>(s: S, u: Line<S>) -> Line<S> {
        let ends = P::weight_gradients(s, u);
        let mut taps = [s.zero(); MOST];
        (taps[0], taps[1], taps[2]) = (ends[0], u[P::PRODUCTS], ends[1]);
        taps
    }

    #[inline(always)]
    fn output_gradient<S: Simd>(s: S, dy: Line<S>) -> Line<S> {
        join::<P, S>(P::output_gradient(s, dy), dy)
    }
}

impl<P: Points> Axis for Interleaved<P> {
    const INPUTS: usize = P::OUT + 1;
    const STEP: usize = P::OUT;
    const OUT: usize = 2 * P::OUT;
    const PRODUCTS: usize = P::PRODUCTS + P::OUT;

    #[inline(always)]
    fn input<S: Simd>(s: S, dy: Line<S>) -> Line<S> {
        join::<P, S>(P::input(s, dy), dy)
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, m: Line<S>) -> Line<S> {
        let ends = P::output(s, m);
        let mut outputs = [s.zero(); MOST];
        for index in 0..P::OUT {
            (outputs[2 * index], outputs[2 * index + 1]) = (m[P::PRODUCTS + index], ends[index]);
        }
        outputs
    }
}

/// The factors of the products of the algorithm for two taps, then those of the tap in the middle.
#[inline(always)]
fn join<P: Points, S: Simd>(ends: Line<S>, middles: Line<S>) -> Line<S> {
    let mut factors = ends;
    factors[P::PRODUCTS..P::PRODUCTS + P::OUT].copy_from_slice(&middles[..P::OUT]);
    factors
}
