//! Fully connected layers in three directions.

use crate::Implementation;
use crate::activation::Activation;
use crate::reference::{self, Reference};

/// A fully connected layer: y = activation(W·x + b), all operands plain.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearDesc {
    /// Rows of x.
    pub batch: usize,
    /// Columns of x.
    pub in_features: usize,
    /// Columns of y.
    pub out_features: usize,
    /// Whether there is a bias.
    pub bias: bool,
    /// Applied to the sum.
    pub activation: Activation,
}

/// Reads x `[N, I]`, w `[O, I]` and a bias `[O]` if there is one; writes y `[N, O]`.
pub fn forward() -> &'static [&'static dyn Implementation<LinearDesc>] {
    &[&Reference::<LinearDesc> {
        name: "linear_reference",
        operands: |desc| 3 + usize::from(desc.bias),
        run: |desc, views| {
            let (x, w) = (views.read::<f32>(0), views.read(1));
            let bias = desc.bias.then(|| views.read(2));
            reference::linear::forward(desc, x, w, bias, views.write(0));
        },
    }]
}

/// Reads dy and w, writes dx.
pub fn data_gradient() -> &'static [&'static dyn Implementation<LinearDesc>] {
    &[&Reference::<LinearDesc> {
        name: "linear_data_gradient_reference",
        operands: |_| 3,
        run: |desc, views| {
            let (dy, w) = (views.read::<f32>(0), views.read(1));
            reference::linear::data_gradient(desc, dy, w, views.write(0));
        },
    }]
}

/// Reads x and dy, writes dw.
pub fn weight_gradient() -> &'static [&'static dyn Implementation<LinearDesc>] {
    &[&Reference::<LinearDesc> {
        name: "linear_weight_gradient_reference",
        operands: |_| 3,
        run: |desc, views| {
            let (x, dy) = (views.read::<f32>(0), views.read(1));
            reference::linear::weight_gradient(desc, x, dy, views.write(0));
        },
    }]
}
