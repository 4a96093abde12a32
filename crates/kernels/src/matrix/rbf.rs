//! Scores from distances to fixed codes. Rows are few and short, so a naive kernel suffices.

use crate::Implementation;
use crate::reference::{Reference, floats};

/// Scores of x `[rows, features]` from the distances to codes `[units, features]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RbfDesc {
    /// Number of rows.
    pub rows: usize,
    /// Numbers per row.
    pub features: usize,
    /// Number of codes.
    pub units: usize,
}

/// Reads x and codes, writes y `[rows, units]`.
pub fn forward() -> &'static [&'static dyn Implementation<RbfDesc>] {
    &[&Reference::<RbfDesc> {
        name: "rbf_reference",
        operands: |_| floats(3),
        run: |d, views| reference::forward(d, views.read::<f32>(0), views.read(1), views.write(0)),
    }]
}

/// Gradient. Reads x, codes and dy, writes dx.
pub fn gradient() -> &'static [&'static dyn Implementation<RbfDesc>] {
    &[&Reference::<RbfDesc> {
        name: "rbf_gradient_reference",
        operands: |_| floats(4),
        run: |d, views| {
            let [x, codes, dy] = std::array::from_fn(|i| views.read::<f32>(i));
            reference::gradient(d, x, codes, dy, views.write(0));
        },
    }]
}

pub mod reference {
    //! Scores from distances to fixed codes, by definition.

    use super::RbfDesc;
    use crate::reference::Real;

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
}
