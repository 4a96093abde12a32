//! Unary functions that no other kernel fuses, and their derivatives.

use crate::reference::Real;
use crate::simd::{Simd, exp, exp_minus_one, sigmoid};

/// A unary function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function {
    /// x where x > 0, else slope·x
    LeakyRelu {
        /// Slope.
        slope: f32,
    },
    /// scale·x where x > 0, else scale·alpha·(e^(rate·x) − 1)
    Elu {
        /// Magnitude at which negative inputs saturate, before scaling.
        alpha: f32,
        /// Scale of the result.
        scale: f32,
        /// Factor of x in the exponent.
        rate: f32,
    },
    /// min(max(slope·x + offset, 0), 1)
    HardSigmoid {
        /// Slope.
        slope: f32,
        /// The value at zero.
        offset: f32,
    },
    /// 1 where x > threshold, else 0
    Step {
        /// The threshold.
        threshold: f32,
    },
    /// x·min(max(x/6 + 1/2, 0), 1)
    HardSwish,
    /// x·(1 + erf(x/√2))/2
    Gelu,
    /// x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2
    GeluTanh,
    /// e^x
    Exp,
    /// Natural logarithm
    Log,
    /// Square root
    Sqrt,
    /// Absolute value
    Abs,
    /// The error function
    Erf,
    /// x^exponent
    Power {
        /// The exponent.
        exponent: f32,
    },
}

/// √(2/π), the factor in [`Function::GeluTanh`].
const GELU_FACTOR: f64 = 0.797_884_560_802_865_4;
/// The coefficient of the cubic term in [`Function::GeluTanh`].
const GELU_CUBIC: f64 = 0.044_715;
/// 2/√π, the derivative of the error function at 0.
const ERF_DERIVATIVE: f64 = std::f64::consts::FRAC_2_SQRT_PI;
/// 1/√(2π), the density of the normal distribution at 0.
const NORMAL_DENSITY: f64 = 0.398_942_280_401_432_7;

impl Function {
    /// Whether [`Function::vector`] and [`Function::vector_gradient`] can compute it.
    pub fn is_vectorized(self) -> bool {
        !matches!(self, Function::Log | Function::Power { .. })
    }

    /// The value at `x`, by definition.
    pub fn apply<T: Real>(self, x: T) -> T {
        let number = |value: f32| T::from_f64(f64::from(value));
        let constant = T::from_f64;
        let (zero, one, half) = (constant(0.0), constant(1.0), constant(0.5));
        let clamp = |y: T| one.minimum(zero.maximum(y));
        match self {
            Function::LeakyRelu { slope } => {
                if x > zero {
                    x
                } else {
                    number(slope) * x
                }
            }
            Function::Elu { scale, .. } if x > zero => number(scale) * x,
            Function::Elu { alpha, scale, rate } => {
                number(scale) * (number(alpha) * ((number(rate) * x).exp() - one))
            }
            Function::HardSigmoid { slope, offset } => clamp(number(slope) * x + number(offset)),
            Function::Step { threshold } if x > number(threshold) => one,
            Function::Step { .. } => zero,
            Function::HardSwish => x * clamp(x / constant(6.0) + half),
            Function::Gelu => half * x * (one + (x * constant(std::f64::consts::FRAC_1_SQRT_2)).erf()),
            Function::GeluTanh => half * x * (one + gelu_argument(x).tanh()),
            Function::Exp => x.exp(),
            Function::Log => x.ln(),
            Function::Sqrt => x.sqrt(),
            Function::Abs => x.maximum(zero - x),
            Function::Erf => x.erf(),
            Function::Power { exponent } => x.powf(number(exponent)),
        }
    }

    /// The derivative at `x`; at a kink, the value that PyTorch uses.
    pub fn derivative<T: Real>(self, x: T) -> T {
        let number = |value: f32| T::from_f64(f64::from(value));
        let constant = T::from_f64;
        let (zero, one, half) = (constant(0.0), constant(1.0), constant(0.5));
        let gaussian = |x: T, factor: f64| constant(factor) * (zero - x * x).exp();
        match self {
            Function::LeakyRelu { slope } => {
                if x > zero {
                    one
                } else {
                    number(slope)
                }
            }
            Function::Elu { scale, .. } if x > zero => number(scale),
            Function::Elu { alpha, scale, rate } => {
                number(scale) * (number(alpha) * number(rate)) * (number(rate) * x).exp()
            }
            Function::HardSigmoid { slope, offset } => {
                let y = number(slope) * x + number(offset);
                if y > zero && y < one { number(slope) } else { zero }
            }
            Function::Step { .. } => zero,
            Function::HardSwish if x < constant(-3.0) => zero,
            Function::HardSwish if x > constant(3.0) => one,
            Function::HardSwish => x / constant(3.0) + half,
            Function::Gelu => {
                let scaled = x * constant(std::f64::consts::FRAC_1_SQRT_2);
                half * (one + scaled.erf()) + x * gaussian(scaled, NORMAL_DENSITY)
            }
            Function::GeluTanh => {
                let t = gelu_argument(x).tanh();
                let argument_derivative =
                    constant(GELU_FACTOR) * (one + constant(3.0 * GELU_CUBIC) * (x * x));
                half * (one + t) + half * x * (one - t * t) * argument_derivative
            }
            Function::Exp => x.exp(),
            Function::Log => one / x,
            Function::Sqrt => half / x.sqrt(),
            Function::Abs => {
                if x > zero {
                    one
                } else if x < zero {
                    zero - one
                } else {
                    zero
                }
            }
            Function::Erf => gaussian(x, ERF_DERIVATIVE),
            Function::Power { exponent } => number(exponent) * x.powf(number(exponent) - one),
        }
    }

    /// The value in all lanes.
    ///
    /// # Panics
    /// If the function is not vectorized.
    #[inline(always)]
    pub fn vector<S: Simd>(self, s: S, x: S::F) -> S::F {
        let (zero, one, half) = (s.zero(), s.splat(1.0), s.splat(0.5));
        match self {
            Function::LeakyRelu { slope } => s.select_greater(x, zero, x, s.mul(s.splat(slope), x)),
            Function::Elu { alpha, scale, rate } => {
                let below = s.mul(s.splat(alpha), exp_minus_one(s, s.mul(s.splat(rate), x)));
                s.mul(s.splat(scale), s.select_greater(x, zero, x, below))
            }
            Function::HardSigmoid { slope, offset } => hard_sigmoid(s, slope, offset, x),
            Function::Step { threshold } => s.select_greater(x, s.splat(threshold), one, zero),
            Function::HardSwish => s.mul(x, hard_sigmoid(s, 1.0 / 6.0, 0.5, x)),
            Function::Gelu => {
                let scaled = s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2));
                s.mul(s.mul(half, x), s.add(one, erf(s, scaled)))
            }
            // (1 + tanh u)/2 is the sigmoid of 2u, which avoids the cancellation where tanh u is close to −1.
            Function::GeluTanh => s.mul(x, sigmoid(s, twice_gelu_argument(s, x))),
            Function::Exp => full_range_exp(s, x),
            Function::Sqrt => s.sqrt(x),
            Function::Abs => s.max_or_nan(x, s.sub(zero, x)),
            Function::Erf => erf(s, x),
            Function::Log | Function::Power { .. } => unreachable!("is not vectorized"),
        }
    }

    /// dx = dy · f'(x) in all lanes.
    ///
    /// # Panics
    /// If the function is not vectorized.
    #[inline(always)]
    pub fn vector_gradient<S: Simd>(self, s: S, x: S::F, dy: S::F) -> S::F {
        let (zero, one, half) = (s.zero(), s.splat(1.0), s.splat(0.5));
        let derivative = match self {
            Function::LeakyRelu { slope } => s.select_greater(x, zero, one, s.splat(slope)),
            Function::Elu { alpha, scale, rate } => {
                let below = s.mul(s.splat(scale * (alpha * rate)), exp(s, s.mul(s.splat(rate), x)));
                s.select_greater(x, zero, s.splat(scale), below)
            }
            Function::HardSigmoid { slope, offset } => {
                let y = s.fma(s.splat(slope), x, s.splat(offset));
                let below = s.select_greater(one, y, s.splat(slope), zero);
                s.select_greater(y, zero, below, zero)
            }
            Function::Step { .. } => zero,
            Function::HardSwish => {
                let inner = s.fma(x, s.splat(1.0 / 3.0), half);
                let inner = s.select_greater(x, s.splat(3.0), one, inner);
                s.select_greater(s.splat(-3.0), x, zero, inner)
            }
            Function::Gelu => {
                let scaled = s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2));
                s.fma(x, gaussian(s, scaled, NORMAL_DENSITY), s.mul(half, s.add(one, erf(s, scaled))))
            }
            Function::GeluTanh => {
                let cdf = sigmoid(s, twice_gelu_argument(s, x));
                let argument_derivative = s.fma(s.splat((3.0 * GELU_CUBIC) as f32), s.mul(x, x), one);
                let argument_derivative = s.mul(s.splat((2.0 * GELU_FACTOR) as f32), argument_derivative);
                s.fma(s.mul(x, s.mul(cdf, s.sub(one, cdf))), argument_derivative, cdf)
            }
            Function::Exp => full_range_exp(s, x),
            Function::Sqrt => s.div(half, s.sqrt(x)),
            Function::Abs => {
                let below = s.select_greater(zero, x, s.splat(-1.0), zero);
                s.select_greater(x, zero, one, below)
            }
            Function::Erf => gaussian(s, x, ERF_DERIVATIVE),
            Function::Log | Function::Power { .. } => unreachable!("is not vectorized"),
        };
        s.mul(dy, derivative)
    }
}

/// factor · e^(−x²)
#[inline(always)]
fn gaussian<S: Simd>(s: S, x: S::F, factor: f64) -> S::F {
    s.mul(s.splat(factor as f32), exp(s, s.sub(s.zero(), s.mul(x, x))))
}

/// √(2/π)·(x + 0.044715·x³)
fn gelu_argument<T: Real>(x: T) -> T {
    T::from_f64(GELU_FACTOR) * (x + T::from_f64(GELU_CUBIC) * (x * x * x))
}

/// Twice [`gelu_argument`].
#[inline(always)]
fn twice_gelu_argument<S: Simd>(s: S, x: S::F) -> S::F {
    let inner = s.fma(s.splat(GELU_CUBIC as f32), s.mul(x, x), s.splat(1.0));
    s.mul(s.mul(s.splat((2.0 * GELU_FACTOR) as f32), x), inner)
}

/// min(max(slope·x + offset, 0), 1)
#[inline(always)]
fn hard_sigmoid<S: Simd>(s: S, slope: f32, offset: f32, x: S::F) -> S::F {
    s.min(s.splat(1.0), s.max(s.zero(), s.fma(s.splat(slope), x, s.splat(offset))))
}

/// e^x over the full range of f32: [`exp`], but above 87 the square of e^(x/2).
#[inline(always)]
fn full_range_exp<S: Simd>(s: S, x: S::F) -> S::F {
    let root = exp(s, s.mul(s.splat(0.5), x));
    s.select_greater(x, s.splat(87.0), s.mul(root, root), exp(s, x))
}

/// erf x = x · P(x²) / Q(x²) for |x| < 4; beyond that, it rounds to ±1.
///
/// The coefficients are those of Eigen (`generic_fast_erf_float`), a minimax fit with respect to the relative error.
#[inline(always)]
fn erf<S: Simd>(s: S, x: S::F) -> S::F {
    let clamped = s.min(s.splat(4.0), s.max(s.splat(-4.0), x));
    let square = s.mul(clamped, clamped);
    let horner =
        |coefficients: &[f32]| coefficients.iter().fold(s.zero(), |sum, c| s.fma(sum, square, s.splat(*c)));
    let p = horner(&[
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ]);
    let q = horner(&[-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329_2e-3, -1.426_473_9e-2]);
    let y = s.div(s.mul(clamped, p), q);
    let (one, edge) = (s.splat(1.0), s.splat(3.999));
    let y = s.select_greater(x, edge, one, y);
    s.select_greater(s.sub(s.zero(), edge), x, s.splat(-1.0), y)
}
