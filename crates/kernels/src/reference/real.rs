//! The number types that naive kernels compute with.

use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// `f32` or `f64`.
pub trait Real:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + Send
    + Sync
    + 'static
{
    /// Converts from `f64`, rounding to the nearest number.
    fn from_f64(value: f64) -> Self;
    /// Converts to `f64`, exactly.
    fn to_f64(self) -> f64;
    /// e to the power of this.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The error function.
    fn erf(self) -> Self {
        Self::from_f64(erf(self.to_f64()))
    }
    /// This to the power of `exponent`.
    fn powf(self, exponent: Self) -> Self;
    /// The maximum; NaN if either is.
    fn maximum(self, other: Self) -> Self {
        if self > other || self.to_f64().is_nan() { self } else { other }
    }
    /// The minimum; NaN if either is.
    fn minimum(self, other: Self) -> Self {
        if self < other || self.to_f64().is_nan() { self } else { other }
    }
}

/// erf x = 2/√π · e^(−x²) · Σ 2ⁿ·x^(2n+1) / (1·3·5·…·(2n+1)), whose terms all have the sign of x.
fn erf(x: f64) -> f64 {
    if x.is_nan() || x.abs() > 6.0 {
        return x.signum();
    }
    let (mut sum, mut term, mut odd) = (0.0, x, 1.0);
    while sum + term != sum {
        sum += term;
        odd += 2.0;
        term *= 2.0 * x * x / odd;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

macro_rules! real {
    ($($type:ty),*) => {$(
        impl Real for $type {
            fn from_f64(value: f64) -> Self {
                value as $type
            }
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn exp(self) -> Self {
                <$type>::exp(self)
            }
            fn ln(self) -> Self {
                <$type>::ln(self)
            }
            fn sqrt(self) -> Self {
                <$type>::sqrt(self)
            }
            fn tanh(self) -> Self {
                <$type>::tanh(self)
            }
            fn powf(self, exponent: Self) -> Self {
                <$type>::powf(self, exponent)
            }
        }
    )*};
}
real!(f32, f64);

#[cfg(test)]
mod tests {
    use super::*;

    /// NIST, Digital Library of Mathematical Functions, table 7.23 and its symmetries.
    #[test]
    fn erf_matches_tabulated_values() {
        for (x, expected) in [
            (0.0, 0.0),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (3.0, 0.999_977_909_503_001_4),
            (9.0, 1.0),
        ] {
            assert!((erf(x) - expected).abs() < 4e-15, "erf {x} is {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
        assert!(erf(f64::NAN).is_nan());
    }
}
