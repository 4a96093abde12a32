//! Cross-entropy between softmax and labels. Rows are few and short, so a naive kernel suffices.

use crate::Implementation;
use crate::reference::{self, Reference};

/// The loss of scores `[rows, classes]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossEntropyDesc {
    /// Number of rows.
    pub rows: usize,
    /// Scores per row.
    pub classes: usize,
    /// Label smoothing: the share of the target distributed evenly over all classes.
    pub smoothing: f32,
    /// Factor on the loss.
    pub scale: f32,
}

impl CrossEntropyDesc {
    /// The target probability of `class` in a row with this label.
    pub(crate) fn target(&self, class: usize, label: i64) -> f64 {
        let smoothing = f64::from(self.smoothing);
        let share = smoothing / self.classes as f64;
        if class as i64 == label { 1.0 - smoothing + share } else { share }
    }
}

/// Reads scores and labels (i64), writes loss `[1]` and probabilities.
pub fn forward() -> &'static [&'static dyn Implementation<CrossEntropyDesc>] {
    &[&Reference::<CrossEntropyDesc> {
        name: "cross_entropy_reference",
        operands: |_| 4,
        run: |desc, views| {
            let (x, labels) = (views.read::<f32>(0), views.read::<i64>(1));
            let (loss, probabilities) = (views.write::<f32>(0), views.write(1));
            loss[0] = reference::cross_entropy::forward(desc, x, labels, probabilities);
        },
    }]
}

/// Gradient. Reads probabilities and labels (i64), writes dx.
pub fn gradient() -> &'static [&'static dyn Implementation<CrossEntropyDesc>] {
    &[&Reference::<CrossEntropyDesc> {
        name: "cross_entropy_gradient_reference",
        operands: |_| 3,
        run: |desc, views| {
            let (probabilities, labels) = (views.read::<f32>(0), views.read::<i64>(1));
            reference::cross_entropy::gradient(desc, probabilities, labels, views.write(0));
        },
    }]
}
