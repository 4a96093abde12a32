//! Pooling of volumes and its gradients, by definition.

use super::Pool3dDesc;
use crate::activation::Activation;
use crate::pooling::PoolKind;
use crate::reference::Real;

/// Maximum or mean over windows.
pub fn forward<T: Real>(d: &Pool3dDesc, x: &[T], y: &mut [T]) {
    let [area, windows] = [d.input, d.output].map(|extents| extents.iter().product::<usize>());
    for (index, out) in y.iter_mut().enumerate() {
        let map = &x[index / windows * area..][..area];
        *out = match d.kind {
            PoolKind::Max => map[largest(d, map, index % windows)],
            PoolKind::Average { .. } => {
                let mut sum = T::from_f64(0.0);
                each_element(d, index % windows, |at| sum += map[at]);
                sum / T::from_f64(divisor(d, index % windows))
            }
        };
    }
}

/// dx of max pooling: all of dy goes to the first maximum of its window, times the derivative of the activation whose
/// output is `x`.
pub fn max_gradient<T: Real>(d: &Pool3dDesc, x: &[T], dy: &[T], dx: &mut [T]) {
    let [area, windows] = [d.input, d.output].map(|extents| extents.iter().product::<usize>());
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
pub fn average_gradient<T: Real>(d: &Pool3dDesc, dy: &[T], x: Option<&[T]>, dx: &mut [T]) {
    let [area, windows] = [d.input, d.output].map(|extents| extents.iter().product::<usize>());
    dx.fill(T::from_f64(0.0));
    for (index, dy) in dy.iter().enumerate() {
        let share = *dy / T::from_f64(divisor(d, index % windows));
        each_element(d, index % windows, |at| dx[index / windows * area + at] += share);
    }
    if let Some(x) = x {
        dx.iter_mut().zip(x).for_each(|(dx, x)| *dx = *dx * d.activation.derivative(*x));
    }
}

/// Calls `visit` for every tap of a window with its position in the padded input, `[depth, row, column]`.
fn each_tap(d: &Pool3dDesc, window: usize, mut visit: impl FnMut([usize; 3])) {
    let [_, h, w] = d.output;
    let start = [window / (h * w), window / w % h, window % w];
    for z in 0..d.kernel[0] {
        for y in 0..d.kernel[1] {
            for x in 0..d.kernel[2] {
                let tap = [z, y, x];
                visit([0, 1, 2].map(|axis| start[axis] * d.stride[axis] + tap[axis] * d.dilation[axis]));
            }
        }
    }
}

fn each_element(d: &Pool3dDesc, window: usize, mut visit: impl FnMut(usize)) {
    each_tap(d, window, |at| {
        let [z, y, x] = [0, 1, 2].map(|axis| at[axis].wrapping_sub(d.padding[axis]));
        if z < d.input[0] && y < d.input[1] && x < d.input[2] {
            visit((z * d.input[1] + y) * d.input[2] + x);
        }
    });
}

/// The number of taps of a window that count in the mean: those inside the input, or inside its padding too.
fn divisor(d: &Pool3dDesc, window: usize) -> f64 {
    let mut count = 0.0;
    if d.kind == (PoolKind::Average { count_include_pad: true }) {
        let end = |axis: usize| d.padding[axis] + d.input[axis] + d.padding_after[axis];
        each_tap(d, window, |at| count += f64::from(u8::from((0..3).all(|axis| at[axis] < end(axis)))));
    } else {
        each_element(d, window, |_| count += 1.0);
    }
    count
}

/// The position of the first maximum in a window; NaN counts as the maximum.
fn largest<T: Real>(d: &Pool3dDesc, map: &[T], window: usize) -> usize {
    let mut best: Option<usize> = None;
    each_element(d, window, |at| {
        let is_nan = |at: usize| map[at].to_f64().is_nan();
        if best.is_none_or(|best| map[at] > map[best] || (is_nan(at) && !is_nan(best))) {
            best = Some(at);
        }
    });
    best.expect("every window covers an element")
}
