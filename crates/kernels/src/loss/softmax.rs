//! Softmax over rows of scores. Rows are few and short, so a naive kernel suffices.

use crate::Implementation;
use crate::reference::{self, Reference};

/// Softmax of `[rows, classes]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SoftmaxDesc {
    /// Number of rows.
    pub rows: usize,
    /// Scores per row.
    pub classes: usize,
}

/// Reads x, writes y.
pub fn list() -> &'static [&'static dyn Implementation<SoftmaxDesc>] {
    &[&Reference::<SoftmaxDesc> {
        name: "softmax_reference",
        operands: |_| 2,
        run: |desc, views| reference::softmax::forward(desc.classes, views.read::<f32>(0), views.write(0)),
    }]
}

/// Gradient. Reads y and dy, writes dx.
pub fn gradient() -> &'static [&'static dyn Implementation<SoftmaxDesc>] {
    &[&Reference::<SoftmaxDesc> {
        name: "softmax_gradient_reference",
        operands: |_| 3,
        run: |desc, views| {
            let (y, dy) = (views.read::<f32>(0), views.read(1));
            reference::softmax::gradient(desc.classes, y, dy, views.write(0));
        },
    }]
}

/// Log-softmax. Reads x, writes y.
pub fn log() -> &'static [&'static dyn Implementation<SoftmaxDesc>] {
    &[&Reference::<SoftmaxDesc> {
        name: "log_softmax_reference",
        operands: |_| 2,
        run: |desc, views| {
            reference::softmax::log_forward(desc.classes, views.read::<f32>(0), views.write(0))
        },
    }]
}

/// Gradient of the log-softmax. Reads y and dy, writes dx.
pub fn log_gradient() -> &'static [&'static dyn Implementation<SoftmaxDesc>] {
    &[&Reference::<SoftmaxDesc> {
        name: "log_softmax_gradient_reference",
        operands: |_| 3,
        run: |desc, views| {
            let (y, dy) = (views.read::<f32>(0), views.read(1));
            reference::softmax::log_gradient(desc.classes, y, dy, views.write(0));
        },
    }]
}
