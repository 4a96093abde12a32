//! Evaluates a loss outside a plan.

use striate_graph::{Loss, Op};
use striate_kernels::class_loss::{self, ClassLossDesc};
use striate_kernels::cross_entropy::{self, CrossEntropyDesc};

use crate::cpu::criterion;

/// Returns the mean of `loss` over rows of scores `[N, K]` with labels `[N]`, computed in f64.
///
/// # Panics
/// If there are no labels, or the number of scores is not a multiple of the number of labels.
pub fn mean_loss(loss: Loss, scores: &[f32], labels: &[i64]) -> f64 {
    let (rows, classes) = (labels.len(), scores.len() / labels.len());
    assert_eq!(rows * classes, scores.len(), "each label has a row of scores");
    let x: Vec<f64> = scores.iter().map(|score| f64::from(*score)).collect();
    let mut probabilities = vec![0.0; x.len()];
    match loss.op(1.0) {
        Op::CrossEntropy(op) => {
            let desc = CrossEntropyDesc { rows, classes, smoothing: op.smoothing, scale: 1.0 };
            cross_entropy::reference::forward(&desc, &x, labels, &mut probabilities)
        }
        Op::ClassLoss(op) => {
            let desc = ClassLossDesc { rows, classes, criterion: criterion(op.criterion), scale: 1.0 };
            class_loss::reference::forward(&desc, &x, labels, &mut probabilities)
        }
        op => unreachable!("{} is not a loss", op.name()),
    }
}
