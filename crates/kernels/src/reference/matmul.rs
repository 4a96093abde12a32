//! Matrix product, by definition.

use super::Real;
use super::broadcast::place;
use crate::matmul::MatMulDesc;

/// y from a and b.
pub fn forward<T: Real>(d: &MatMulDesc, a: &[T], b: &[T], y: &mut [T]) {
    let (m, k, n) = (d.rows, d.inner, d.columns);
    let [at_a, at_b] =
        [if d.transpose_a { [1, m] } else { [k, 1] }, if d.transpose_b { [1, k] } else { [n, 1] }];
    y.fill(T::from_f64(0.0));
    for (index, y) in y.chunks_exact_mut(m * n).enumerate() {
        let [first_a, first_b] = [0, 1].map(|side| place(index, &d.outer.shape, &d.outer.strides[side]));
        let (a, b) = (&a[first_a * m * k..][..m * k], &b[first_b * k * n..][..k * n]);
        for (i, row) in y.chunks_exact_mut(n).enumerate() {
            for p in 0..k {
                let factor = a[i * at_a[0] + p * at_a[1]];
                row.iter_mut().enumerate().for_each(|(j, y)| *y += factor * b[p * at_b[0] + j * at_b[1]]);
            }
        }
    }
}
