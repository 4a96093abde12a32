//! Sums over channels, by definition.

use super::Real;

/// The sum over N, H and W of x `[N, C, H, W]`, or of its product with `other`.
pub fn channel_sum<T: Real>(shape: [usize; 4], x: &[T], other: Option<&[T]>, y: &mut [T]) {
    let [_, c, h, w] = shape;
    y.fill(T::from_f64(0.0));
    for (index, x) in x.iter().enumerate() {
        y[index / (h * w) % c] += other.map_or(*x, |other| *x * other[index]);
    }
}
