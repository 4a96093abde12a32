//! Scores from distances to fixed codes, by definition.

use super::Real;
use crate::rbf::RbfDesc;

/// y\[n, k\] = −Σ (x\[n, i\] − code\[k, i\])².
pub fn forward<T: Real>(d: &RbfDesc, x: &[T], codes: &[T], y: &mut [T]) {
    for (index, y) in y.iter_mut().enumerate() {
        let (row, unit) = (index / d.units, index % d.units);
        let mut sum = T::from_f64(0.0);
        for i in 0..d.features {
            let difference = x[row * d.features + i] - codes[unit * d.features + i];
            sum += difference * difference;
        }
        *y = T::from_f64(0.0) - sum;
    }
}

/// dx\[n, i\] = −2·Σ dy\[n, k\]·(x\[n, i\] − code\[k, i\]).
pub fn gradient<T: Real>(d: &RbfDesc, x: &[T], codes: &[T], dy: &[T], dx: &mut [T]) {
    for (index, dx) in dx.iter_mut().enumerate() {
        let (row, i) = (index / d.features, index % d.features);
        let mut sum = T::from_f64(0.0);
        for unit in 0..d.units {
            sum += dy[row * d.units + unit] * (x[index] - codes[unit * d.features + i]);
        }
        *dx = T::from_f64(-2.0) * sum;
    }
}
