//! Classification losses other than the cross-entropy. Rows are few and short, so a naive kernel suffices.

pub mod reference;

use striate_tensor::DType;

use crate::Implementation;
use crate::reference::Reference;

/// The quantity to minimize.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Criterion {
    /// Binary cross-entropy of each class's sigmoid, with target 1 for the label and 0 for the others.
    BinaryCrossEntropy,
    /// Mean squared error, with target 1 for the label and 0 for the others.
    MeanSquared,
    /// Hinge loss: the amount by which other scores come within `margin` of the label's score, to the power of
    /// `power` (1 or 2).
    Hinge {
        /// The margin.
        margin: f32,
        /// The exponent.
        power: u8,
    },
    /// How far the highest score exceeds the label's.
    Perceptron,
    /// Cross-entropy of the softmax with an additional class of score −j.
    Rbf {
        /// The penalty of that class.
        j: f32,
    },
}

/// The loss of scores `[rows, classes]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassLossDesc {
    /// Number of rows.
    pub rows: usize,
    /// Scores per row.
    pub classes: usize,
    /// The quantity to minimize.
    pub criterion: Criterion,
    /// Factor on the loss.
    pub scale: f32,
}

/// Reads scores and labels (i64), writes loss `[1]` and the substitute for probabilities.
pub fn forward() -> &'static [&'static dyn Implementation<ClassLossDesc>] {
    &[&Reference::<ClassLossDesc> {
        name: "class_loss_reference",
        operands: |_| vec![DType::F32, DType::I64, DType::F32, DType::F32],
        run: |desc, views| {
            let (x, labels) = (views.read::<f32>(0), views.read::<i64>(1));
            let (loss, probabilities) = (views.write::<f32>(0), views.write(1));
            loss[0] = reference::forward(desc, x, labels, probabilities);
        },
    }]
}

/// Gradient. Reads scores and labels (i64), writes dx.
pub fn gradient() -> &'static [&'static dyn Implementation<ClassLossDesc>] {
    &[&Reference::<ClassLossDesc> {
        name: "class_loss_gradient_reference",
        operands: |_| vec![DType::F32, DType::I64, DType::F32],
        run: |desc, views| {
            let (x, labels) = (views.read::<f32>(0), views.read::<i64>(1));
            reference::gradient(desc, x, labels, views.write(0));
        },
    }]
}
