//! Gather and its gradient, by definition.

use super::Real;
use crate::gather::GatherDesc;

/// y from x.
pub fn forward<T: Real>(d: &GatherDesc, x: &[T], y: &mut [T]) {
    for (row, source) in rows(d) {
        y[row * d.inner..][..d.inner].copy_from_slice(&x[source * d.inner..][..d.inner]);
    }
}

/// dx from dy: for each element, the sum over all places that it was gathered to.
pub fn gradient<T: Real>(d: &GatherDesc, dy: &[T], dx: &mut [T]) {
    dx.fill(T::from_f64(0.0));
    for (row, source) in rows(d) {
        let dy = &dy[row * d.inner..][..d.inner];
        dx[source * d.inner..][..d.inner].iter_mut().zip(dy).for_each(|(dx, dy)| *dx += *dy);
    }
}

/// Pairs of each row of y and the row of x that it copies.
fn rows(d: &GatherDesc) -> impl Iterator<Item = (usize, usize)> {
    let count = d.indices.len();
    (0..d.outer * count).map(move |row| (row, row / count * d.extent + d.indices[row % count]))
}
