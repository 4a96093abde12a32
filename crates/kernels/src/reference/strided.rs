//! Strided copies, by definition.

use super::Real;
use crate::strided::StridedDesc;

/// Copies x to y.
pub fn copy<T: Real>(d: &StridedDesc, x: &[T], y: &mut [T]) {
    if let Some(rest) = d.rest {
        y.fill(T::from_f64(f64::from(rest)));
    }
    let Some((inner, outer)) = d.shape.split_last() else {
        y[d.to.offset] = x[d.from.offset];
        return;
    };
    let [from_stride, to_stride] = [&d.from, &d.to].map(|side| side.strides[outer.len()]);
    for row in 0..outer.iter().product() {
        let [from, to] = [&d.from, &d.to].map(|side| side.position(row, outer));
        for i in 0..*inner as isize {
            y[(to as isize + i * to_stride) as usize] = x[(from as isize + i * from_stride) as usize];
        }
    }
}
