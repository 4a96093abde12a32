//! Gather along one axis and its gradient. All values are in plain layout.

use crate::Implementation;
use crate::reference::{Reference, floats};

/// A gather of the elements `indices` along the middle axis of a value `[outer, extent, inner]`.
#[derive(Debug, Clone, PartialEq)]
pub struct GatherDesc {
    /// The number of elements of the axes before the gathered one.
    pub outer: usize,
    /// The extent of the gathered axis.
    pub extent: usize,
    /// The number of elements of the axes after the gathered one.
    pub inner: usize,
    /// The indices of the gathered elements, in order.
    pub indices: Vec<usize>,
}

impl GatherDesc {
    /// Describes a gather of `indices` along `axis` of a value with this shape.
    pub fn new(shape: &[usize], axis: usize, indices: Vec<usize>) -> GatherDesc {
        let (outer, inner) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
        GatherDesc { outer, extent: shape[axis], inner, indices }
    }
}

/// Reads x, writes y.
pub fn forward() -> &'static [&'static dyn Implementation<GatherDesc>] {
    &[&Reference::<GatherDesc> {
        name: "gather_reference",
        operands: |_| floats(2),
        run: |desc, views| reference::forward(desc, views.read::<f32>(0), views.write(0)),
    }]
}

/// Reads dy, writes dx.
pub fn gradient() -> &'static [&'static dyn Implementation<GatherDesc>] {
    &[&Reference::<GatherDesc> {
        name: "gather_gradient_reference",
        operands: |_| floats(2),
        run: |desc, views| reference::gradient(desc, views.read::<f32>(0), views.write(0)),
    }]
}

pub mod reference {
    //! Gather and its gradient, by definition.

    use super::GatherDesc;
    use crate::reference::Real;

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
}
