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
