//! Locally connected layers in all three directions, by definition: convolutions whose weights
//! `[O, C·KH·KW, OH, OW]` are separate for every output position.

use crate::conv::ConvDesc;
use crate::conv::reference::{Tap, each_tap};
use crate::reference::Real;

/// y = x ∗ w + bias; bias `[O, OH, OW]`.
pub fn forward<T: Real>(d: &ConvDesc, x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
    let units = d.out_channels * d.output[0] * d.output[1];
    for (index, y) in y.iter_mut().enumerate() {
        *y = bias.map_or(T::from_f64(0.0), |bias| bias[index % units]);
    }
    each_tap(d, |tap| y[tap.y] += x[tap.x] * w[weight(d, &tap)]);
}

/// dx from dy and w.
pub fn data_gradient<T: Real>(d: &ConvDesc, dy: &[T], w: &[T], dx: &mut [T]) {
    dx.fill(T::from_f64(0.0));
    each_tap(d, |tap| dx[tap.x] += dy[tap.y] * w[weight(d, &tap)]);
}

/// dw from x and dy.
pub fn weight_gradient<T: Real>(d: &ConvDesc, x: &[T], dy: &[T], dw: &mut [T]) {
    dw.fill(T::from_f64(0.0));
    each_tap(d, |tap| dw[weight(d, &tap)] += x[tap.x] * dy[tap.y]);
}

/// The offset of the weight of a tap.
fn weight(d: &ConvDesc, tap: &Tap) -> usize {
    let places = d.output[0] * d.output[1];
    tap.w * places + tap.y % places
}
