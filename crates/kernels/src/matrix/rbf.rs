//! Scores from distances to fixed codes. Rows are few and short, so a naive kernel suffices.

use crate::Implementation;
use crate::reference::{self, Reference};

/// Scores of x `[rows, features]` from the distances to codes `[units, features]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RbfDesc {
    /// Number of rows.
    pub rows: usize,
    /// Numbers per row.
    pub features: usize,
    /// Number of codes.
    pub units: usize,
}

/// Reads x and codes, writes y `[rows, units]`.
pub fn forward() -> &'static [&'static dyn Implementation<RbfDesc>] {
    &[&Reference::<RbfDesc> {
        name: "rbf_reference",
        operands: |_| 3,
        run: |d, views| reference::rbf::forward(d, views.read::<f32>(0), views.read(1), views.write(0)),
    }]
}

/// Gradient. Reads x, codes and dy, writes dx.
pub fn gradient() -> &'static [&'static dyn Implementation<RbfDesc>] {
    &[&Reference::<RbfDesc> {
        name: "rbf_gradient_reference",
        operands: |_| 4,
        run: |d, views| {
            let [x, codes, dy] = std::array::from_fn(|i| views.read::<f32>(i));
            reference::rbf::gradient(d, x, codes, dy, views.write(0));
        },
    }]
}
