//! Losses of scores against labels besides the cross-entropy. Rows are few and short, so there is only the
//! naive kernel.

use crate::Implementation;
use crate::reference::{self, Reference};

/// What is minimized.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Criterion {
    /// Cross-entropy of each class's sigmoid with whether it is the label.
    BinaryCrossEntropy,
    /// Squared distance to one at the label and zero elsewhere.
    MeanSquared,
    /// How far other scores come within `margin` of the label's, to the power of `power` (1 or 2).
    Hinge {
        /// The margin.
        margin: f32,
        /// The power.
        power: u8,
    },
    /// Cross-entropy of the softmax beside a class of score −j.
    Rbf {
        /// The penalty of that class.
        j: f32,
    },
}

/// The loss of scores `[rows, classes]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassLossDesc {
    /// Rows.
    pub rows: usize,
    /// Scores in a row.
    pub classes: usize,
    /// What is minimized.
    pub criterion: Criterion,
    /// Factor on the loss.
    pub scale: f32,
}

/// Reads scores and labels (i64), writes loss `[1]` and what stands for probabilities.
pub fn forward() -> &'static [&'static dyn Implementation<ClassLossDesc>] {
    &[&Reference::<ClassLossDesc> {
        name: "class_loss_reference",
        operands: |_| 4,
        run: |desc, views| {
            let (x, labels) = (views.read::<f32>(0), views.read::<i64>(1));
            let (loss, probabilities) = (views.write::<f32>(0), views.write(1));
            loss[0] = reference::class_loss::forward(desc, x, labels, probabilities);
        },
    }]
}

/// Gradient. Reads scores and labels (i64), writes dx.
pub fn gradient() -> &'static [&'static dyn Implementation<ClassLossDesc>] {
    &[&Reference::<ClassLossDesc> {
        name: "class_loss_gradient_reference",
        operands: |_| 3,
        run: |desc, views| {
            let (x, labels) = (views.read::<f32>(0), views.read::<i64>(1));
            reference::class_loss::gradient(desc, x, labels, views.write(0));
        },
    }]
}
