//! Training that is measured without data: made-up labels, and gradient descent with momentum.

use striate_graph::Optimizer;

/// The optimizer.
pub const MOMENTUM: Optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };

/// Labels for `batch` images: each class in turn.
pub fn labels(batch: usize, classes: usize) -> Vec<i64> {
    (0..batch).map(|image| (image % classes) as i64).collect()
}
