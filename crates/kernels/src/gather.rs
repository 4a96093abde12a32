//! Chosen elements of one axis, and the sums that are their gradient. All values are plain.

use crate::Implementation;
use crate::reference::{self, Reference};

/// Elements `indices` of the middle axis of a value `[outer, extent, inner]`.
#[derive(Debug, Clone, PartialEq)]
pub struct GatherDesc {
    /// Elements of the axes before the chosen one.
    pub outer: usize,
    /// Elements of the chosen axis.
    pub extent: usize,
    /// Elements of the axes behind the chosen one.
    pub inner: usize,
    /// Which elements are taken, in this order.
    pub indices: Vec<usize>,
}

impl GatherDesc {
    /// Elements `indices` of `axis` of a value of extents `shape`.
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
