//! Local response normalization across channels, by definition.

use super::LrnDesc;
use crate::reference::Real;

/// y = x·d^-β, d = k + α/size · Σ x² over the neighboring channels.
pub fn forward<T: Real>(desc: &LrnDesc, x: &[T], y: &mut [T]) {
    let beta = T::from_f64(-f64::from(desc.beta));
    for (index, y) in y.iter_mut().enumerate() {
        *y = x[index] * denominator(desc, x, index).powf(beta);
    }
}

/// dx = dy·d^-β − 2·α·β/size · x · Σ dy·x·d^(-β-1) over the neighboring channels.
pub fn gradient<T: Real>(desc: &LrnDesc, x: &[T], dy: &[T], dx: &mut [T]) {
    let beta = T::from_f64(-f64::from(desc.beta));
    let factor = T::from_f64(-2.0 * f64::from(desc.beta) * desc.share());
    for (index, dx) in dx.iter_mut().enumerate() {
        let mut sum = T::from_f64(0.0);
        each_neighbor(desc, index, |other| {
            let d = denominator(desc, x, other);
            sum += dy[other] * x[other] * d.powf(beta) / d;
        });
        *dx = dy[index] * denominator(desc, x, index).powf(beta) + factor * x[index] * sum;
    }
}

fn denominator<T: Real>(desc: &LrnDesc, x: &[T], index: usize) -> T {
    let mut squares = T::from_f64(0.0);
    each_neighbor(desc, index, |other| squares += x[other] * x[other]);
    T::from_f64(f64::from(desc.k)) + T::from_f64(desc.share()) * squares
}

/// Calls `visit` for the elements at most `size / 2` channels away from element `index`.
fn each_neighbor(desc: &LrnDesc, index: usize, visit: impl FnMut(usize)) {
    let [_, c, h, w] = desc.shape;
    let (map, half) = (h * w, desc.size / 2);
    let channel = index / map % c;
    let first = index - channel * map;
    let window = channel.saturating_sub(half)..(channel + half + 1).min(c);
    window.map(|channel| first + channel * map).for_each(visit);
}
