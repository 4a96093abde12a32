//! Pooling and its gradients, by definition.

use super::{PoolDesc, PoolKind};
use crate::activation::Activation;
use crate::reference::Real;

/// Maximum or mean over windows.
pub fn forward<T: Real>(d: &PoolDesc, x: &[T], y: &mut [T]) {
    let (area, windows) = (d.input[0] * d.input[1], d.output[0] * d.output[1]);
    for (index, out) in y.iter_mut().enumerate() {
        let map = &x[index / windows * area..][..area];
        *out = match d.kind {
            PoolKind::Max => map[largest(d, map, index % windows)],
            PoolKind::Average { .. } => {
                let mut sum = T::from_f64(0.0);
                each_element(d, index % windows, |at| sum += map[at]);
                sum / T::from_f64(d.divisor(index % windows) as f64)
            }
        };
    }
}

/// dx of max pooling: all of dy goes to the first maximum of its window, times the derivative of the activation whose
/// output is `x`.
pub fn max_gradient<T: Real>(d: &PoolDesc, x: &[T], dy: &[T], dx: &mut [T]) {
    let (area, windows) = (d.input[0] * d.input[1], d.output[0] * d.output[1]);
    dx.fill(T::from_f64(0.0));
    for (index, dy) in dy.iter().enumerate() {
        let start = index / windows * area;
        dx[start + largest(d, &x[start..][..area], index % windows)] += *dy;
    }
    if d.activation != Activation::None {
        dx.iter_mut().zip(x).for_each(|(dx, x)| *dx = *dx * d.activation.derivative(*x));
    }
}

/// dx of average pooling: dy distributed evenly, times the derivative of the activation whose output is `x`.
pub fn average_gradient<T: Real>(d: &PoolDesc, dy: &[T], x: Option<&[T]>, dx: &mut [T]) {
    let (area, windows) = (d.input[0] * d.input[1], d.output[0] * d.output[1]);
    dx.fill(T::from_f64(0.0));
    for (index, dy) in dy.iter().enumerate() {
        let share = *dy / T::from_f64(d.divisor(index % windows) as f64);
        each_element(d, index % windows, |at| dx[index / windows * area + at] += share);
    }
    if let Some(x) = x {
        dx.iter_mut().zip(x).for_each(|(dx, x)| *dx = *dx * d.activation.derivative(*x));
    }
}

fn each_element(d: &PoolDesc, window: usize, mut visit: impl FnMut(usize)) {
    let [rows, columns] = d.clipped(window);
    for row in rows {
        for column in columns.clone() {
            visit(row * d.input[1] + column);
        }
    }
}

/// The position of the first maximum in a window; NaN counts as the maximum.
fn largest<T: Real>(d: &PoolDesc, map: &[T], window: usize) -> usize {
    let mut best: Option<usize> = None;
    each_element(d, window, |at| {
        let better = |best: usize| map[at] > map[best] || (is_nan(map[at]) && !is_nan(map[best]));
        if best.is_none_or(better) {
            best = Some(at);
        }
    });
    best.expect("every window covers an element")
}

fn is_nan<T: Real>(x: T) -> bool {
    x.to_f64().is_nan()
}
