//! Clipping of every element, by definition.

use super::Real;
use crate::clip::ClipDesc;

/// y = min(max(x, min), max).
pub fn forward<T: Real>(d: &ClipDesc, x: &[T], y: &mut [T]) {
    let [min, max] = [d.min, d.max].map(|bound| T::from_f64(f64::from(bound)));
    x.iter().zip(y).for_each(|(x, y)| *y = max.minimum(min.maximum(*x)));
}

/// dx = dy where x is within the bounds, else 0.
pub fn gradient<T: Real>(d: &ClipDesc, x: &[T], dy: &[T], dx: &mut [T]) {
    let [min, max] = [d.min, d.max].map(|bound| T::from_f64(f64::from(bound)));
    for ((x, dy), dx) in x.iter().zip(dy).zip(dx) {
        *dx = if min <= *x && *x <= max { *dy } else { T::from_f64(0.0) };
    }
}
