//! Arithmetic with broadcasting, and sums over broadcast axes, by definition.

use super::sum_to::SumToDesc;
use super::{Arithmetic, BroadcastDesc};
use crate::reference::Real;

/// y from a and b.
pub fn forward<T: Real>(d: &BroadcastDesc, a: &[T], b: &[T], y: &mut [T]) {
    for (index, out) in y.iter_mut().enumerate() {
        let [a, b] = [(a, &d.strides[0]), (b, &d.strides[1])]
            .map(|(values, strides)| values[place(index, &d.shape, strides)]);
        *out = match d.op {
            Arithmetic::Add => a + b,
            Arithmetic::Sub => a - b,
            Arithmetic::Mul => a * b,
            Arithmetic::Div => a / b,
            Arithmetic::Max => a.maximum(b),
            Arithmetic::Min => a.minimum(b),
        };
    }
}

/// The gradient of max(a, b) or min(a, b) with respect to a.
pub fn extremum_gradient<T: Real>(d: &BroadcastDesc, a: &[T], b: &[T], dy: &[T], da: &mut [T]) {
    for (index, (dy, da)) in dy.iter().zip(da).enumerate() {
        let [a, b] = [(a, &d.strides[0]), (b, &d.strides[1])]
            .map(|(values, strides)| values[place(index, &d.shape, strides)]);
        let is_selected = if d.op == Arithmetic::Min { a < b } else { a > b };
        *da = match (is_selected, a == b) {
            (true, _) => *dy,
            (_, true) => T::from_f64(0.5) * *dy,
            _ => T::from_f64(0.0),
        };
    }
}

/// Sums all elements of x that correspond to the same element of y, times the factor.
pub fn sum_to<T: Real>(d: &SumToDesc, x: &[T], y: &mut [T]) {
    y.fill(T::from_f64(0.0));
    for (index, x) in x.iter().enumerate() {
        y[place(index, &d.shape, &d.strides)] += *x;
    }
    y.iter_mut().for_each(|y| *y = *y * T::from_f64(f64::from(d.factor)));
}

/// Copies to each element of y the corresponding element of x, times the factor: the reverse of `sum_to`.
pub fn broadcast_to<T: Real>(d: &SumToDesc, x: &[T], y: &mut [T]) {
    for (index, y) in y.iter_mut().enumerate() {
        *y = x[place(index, &d.shape, &d.strides)] * T::from_f64(f64::from(d.factor));
    }
}

/// The offset of element number `index` of a value with extents `shape` and the given strides.
pub(crate) fn place(mut index: usize, shape: &[usize], strides: &[usize]) -> usize {
    let mut place = 0;
    for (extent, stride) in shape.iter().zip(strides).rev() {
        place += index % extent * stride;
        index /= extent;
    }
    place
}
