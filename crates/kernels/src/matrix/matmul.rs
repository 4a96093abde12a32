//! Matrix product of two computed values: batches of matrices, with broadcasting.

use crate::Implementation;
use crate::broadcast::{Arithmetic, BroadcastDesc};
use crate::reference::{Reference, floats};

/// y\[…, i, j\] = Σ a\[…, i, k\] · b\[…, k, j\]. Reads a and b, writes y.
#[derive(Debug, Clone, PartialEq)]
pub struct MatMulDesc {
    /// The leading extents, and how the operands' matrices are broadcast over them.
    pub outer: BroadcastDesc,
    /// Rows of y.
    pub rows: usize,
    /// Terms of each sum.
    pub inner: usize,
    /// Columns of y.
    pub columns: usize,
    /// Whether the matrices of a are stored as \[k, i\].
    pub transpose_a: bool,
    /// Whether the matrices of b are stored as \[j, k\].
    pub transpose_b: bool,
}

impl MatMulDesc {
    /// Describes the product of values with extents `a` and `b`, which must be compatible.
    pub fn new(a: &[usize], b: &[usize], transpose_a: bool, transpose_b: bool) -> MatMulDesc {
        let (outer_a, a) = a.split_at(a.len() - 2);
        let (outer_b, b) = b.split_at(b.len() - 2);
        let (rows, inner) = if transpose_a { (a[1], a[0]) } else { (a[0], a[1]) };
        let columns = if transpose_b { b[0] } else { b[1] };
        let outer = BroadcastDesc::new(Arithmetic::Mul, outer_a, outer_b);
        MatMulDesc { outer, rows, inner, columns, transpose_a, transpose_b }
    }
}

/// The implementations, best first.
pub fn list() -> &'static [&'static dyn Implementation<MatMulDesc>] {
    &[&Reference::<MatMulDesc> {
        name: "matmul_reference",
        operands: |_| floats(3),
        run: |desc, views| reference::forward(desc, views.read::<f32>(0), views.read(1), views.write(0)),
    }]
}

pub mod reference {
    //! Matrix product, by definition.

    use super::MatMulDesc;
    use crate::broadcast::reference::place;
    use crate::reference::Real;

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
}
