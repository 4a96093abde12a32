//! Limits on every element, by definition.

use super::Real;
use crate::limits::LimitsDesc;

/// y = min(max(x, min), max).
pub fn forward<T: Real>(d: &LimitsDesc, x: &[T], y: &mut [T]) {
    let [min, max] = [d.min, d.max].map(|limit| T::from_f64(f64::from(limit)));
    x.iter().zip(y).for_each(|(x, y)| *y = max.minimum(min.maximum(*x)));
}

/// dx = dy where x lies between the limits, else 0.
pub fn gradient<T: Real>(d: &LimitsDesc, x: &[T], dy: &[T], dx: &mut [T]) {
    let [min, max] = [d.min, d.max].map(|limit| T::from_f64(f64::from(limit)));
    for ((x, dy), dx) in x.iter().zip(dy).zip(dx) {
        *dx = if min <= *x && *x <= max { *dy } else { T::from_f64(0.0) };
    }
}
