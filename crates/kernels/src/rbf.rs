//! Distances to codes. Rows are few and short, so there is only the naive kernel.

use crate::Implementation;
use crate::reference::{self, Reference};

/// Scores of x `[rows, features]` by the distance to codes `[units, features]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RbfDesc {
    /// Rows.
    pub rows: usize,
    /// Numbers in a row.
    pub features: usize,
    /// Codes.
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
