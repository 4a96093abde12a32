//! Gather along one axis and its gradient. All values are in plain layout.

use crate::Implementation;
use crate::reference::{self, Reference};

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
        operands: |_| 2,
        run: |desc, views| reference::gather::forward(desc, views.read::<f32>(0), views.write(0)),
    }]
}

/// Reads dy, writes dx.
pub fn gradient() -> &'static [&'static dyn Implementation<GatherDesc>] {
    &[&Reference::<GatherDesc> {
        name: "gather_gradient_reference",
        operands: |_| 2,
        run: |desc, views| reference::gather::gradient(desc, views.read::<f32>(0), views.write(0)),
    }]
}
