//! Dropout, by definition.

use super::Real;
use crate::dropout::{DropoutDesc, Mask};

/// y = x / (1 − p) where the mask keeps the element, else 0.
pub fn dropout<T: Real>(d: &DropoutDesc, x: &[T], seed: i64, step: i64, y: &mut [T]) {
    let mask = Mask::new(d, seed, step);
    let scale = T::from_f64(1.0 / (1.0 - f64::from(d.probability)));
    for (index, (x, y)) in x.iter().zip(y).enumerate() {
        *y = if mask.keeps(index as u64) { *x * scale } else { T::from_f64(0.0) };
    }
}
