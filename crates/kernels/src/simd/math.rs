//! Functions of vectors: exponentials, activations.

use super::Simd;
use crate::activation::{AMPLITUDE, Activation, SLOPE};

/// Splits e^x for x in [−87, 87] into (2ⁿ, e^r − 1) with e^x = 2ⁿ·e^r and |r| ≤ ln 2 / 2.
///
/// Uses the Taylor polynomial of degree 8, whose error is below one unit in the last place in this range.
#[inline(always)]
fn split_exp<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    // ln 2 in two parts, the first of which has few enough bits that its product with n is exact.
    let r = s.fma(n, s.splat(-0.693_359_4), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let mut p = s.splat(1.0 / 40320.0);
    for denominator in [5040.0, 720.0, 120.0, 24.0, 6.0, 2.0] {
        p = s.fma(p, r, s.splat(1.0 / denominator));
    }
    let p = s.fma(s.mul(p, r), r, r);
    (s.exp2_whole(n), p)
}

/// e^x, with x clamped to [−87, 87].
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.min(s.splat(87.0), s.max(s.splat(-87.0), x));
    let (power, p) = split_exp(s, x);
    s.fma(power, p, power)
}

/// e^x − 1 for x ≤ 0, accurate for small |x|.
#[inline(always)]
pub fn exp_minus_one<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.min(s.zero(), s.max(s.splat(-87.0), x));
    let (power, p) = split_exp(s, x);
    s.fma(power, p, s.sub(power, s.splat(1.0)))
}

/// tanh x = x · P(x²) / Q(x²) for |x| up to 9.01, beyond which it rounds to ±1; exact for small x.
///
/// The coefficients are a minimax fit of the relative error (2e-8 before rounding), found by Lawson's
/// iteratively reweighted least squares.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.min(s.splat(9.01), s.max(s.splat(-9.01), x));
    let square = s.mul(x, x);
    let polynomial = |coefficients: [f32; 5]| {
        let [first, rest @ ..] = coefficients.map(|c| s.splat(c));
        rest.into_iter().fold(first, |sum, c| s.fma(sum, square, c))
    };
    let p = polynomial([1.333_676_2e-8, 2.059_621_8e-5, 3.494_808e-3, 0.133_803_7, 1.0]);
    let q = polynomial([7.769_249_5e-7, 3.284_358e-4, 2.587_401_6e-2, 0.467_136_85, 1.0]);
    let y = s.div(s.mul(x, p), q);
    s.min(s.splat(1.0), s.max(s.splat(-1.0), y))
}

/// 1 / (1 + e^-x)
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.zero(), x))))
}

/// Applies an activation.
#[inline(always)]
pub fn activate<S: Simd>(s: S, activation: Activation, x: S::F) -> S::F {
    match activation {
        Activation::None => x,
        Activation::Relu => s.max(s.zero(), x),
        Activation::Relu6 => s.min(s.splat(6.0), s.max(s.zero(), x)),
        Activation::Tanh => tanh(s, x),
        Activation::Sigmoid => sigmoid(s, x),
        Activation::ScaledTanh => s.mul(s.splat(AMPLITUDE as f32), tanh(s, s.mul(s.splat(SLOPE as f32), x))),
    }
}

/// dx = dy · f'(x), given y = f(x).
#[inline(always)]
pub fn activation_gradient<S: Simd>(s: S, activation: Activation, y: S::F, dy: S::F) -> S::F {
    let one = s.splat(1.0);
    match activation {
        Activation::None => dy,
        Activation::Relu => s.select_greater(y, s.zero(), dy, s.zero()),
        Activation::Relu6 => {
            let below = s.select_greater(s.splat(6.0), y, dy, s.zero());
            s.select_greater(y, s.zero(), below, s.zero())
        }
        Activation::Tanh => s.mul(dy, s.sub(one, s.mul(y, y))),
        Activation::Sigmoid => s.mul(dy, s.mul(y, s.sub(one, y))),
        Activation::ScaledTanh => {
            // f'(x) = A·S·(1 − tanh²(S·x)) = A·S − S/A · y².
            let (at_zero, square) = ((AMPLITUDE * SLOPE) as f32, (SLOPE / AMPLITUDE) as f32);
            s.mul(dy, s.fma(s.mul(s.splat(-square), y), y, s.splat(at_zero)))
        }
    }
}
