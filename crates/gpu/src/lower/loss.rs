//! Softmax and the losses.

use striate_graph::ops::{ClassLoss, Criterion, CrossEntropy, SoftCrossEntropy};

use super::Operation;
use crate::launch::{Launch, Operand, Work};

pub(super) fn softmax(node: Operation, is_log: bool) -> Work {
    rows(node, "softmax").int(usize::from(is_log)).inputs([0]).outputs([0]).into()
}

/// Operands: y, dy; output: dx.
pub(super) fn softmax_gradient(node: Operation, is_log: bool) -> Work {
    rows(node, "softmax_gradient").int(usize::from(is_log)).inputs([0, 1]).outputs([0]).into()
}

/// Operands: scores, labels; outputs: loss, probabilities.
pub(super) fn cross_entropy(node: Operation, op: &CrossEntropy) -> Work {
    with_total(node, rows(node, "cross_entropy").float(op.smoothing), op.scale)
}

/// Operands: probabilities, labels; output: dx.
pub(super) fn cross_entropy_gradient(node: Operation, op: &CrossEntropy) -> Work {
    let shape = node.input(0);
    let launch = Launch::each("cross_entropy_gradient", shape.numel()).sizes([shape[0], shape[1]]);
    launch.float(op.smoothing).float(op.scale).inputs([0, 1]).outputs([0]).into()
}

/// Operands: scores, targets; outputs: loss, probabilities.
pub(super) fn soft_cross_entropy(node: Operation, op: &SoftCrossEntropy) -> Work {
    with_total(node, rows(node, "soft_cross_entropy"), op.scale)
}

/// Operands: probabilities, targets; output: dx.
pub(super) fn soft_cross_entropy_gradient(node: Operation, op: &SoftCrossEntropy) -> Work {
    let factor = f64::from(op.scale) / node.input(0)[0] as f64;
    rows(node, "soft_cross_entropy_gradient").float(factor).inputs([0, 1]).outputs([0]).into()
}

/// Operands: scores, labels; outputs: loss, what takes the place of probabilities.
pub(super) fn class_loss(node: Operation, op: &ClassLoss) -> Work {
    with_total(node, rows(node, "class_loss").criterion(op.criterion), op.scale)
}

/// Operands: scores, labels; output: dx.
pub(super) fn class_loss_gradient(node: Operation, op: &ClassLoss) -> Work {
    let factor = f64::from(op.scale) / node.input(0)[0] as f64;
    let launch = rows(node, "class_loss_gradient").criterion(op.criterion).float(factor);
    launch.inputs([0, 1]).outputs([0]).into()
}

/// A kernel with a block for each row of scores.
fn rows(node: Operation, kernel: &'static str) -> Launch {
    Launch::blocks(kernel, node.input(0)[0]).int(node.input(0)[1])
}

/// The losses of all rows, computed by `launch`, and their sum.
fn with_total(node: Operation, launch: Launch, scale: f32) -> Work {
    let rows = node.input(0)[0];
    let launch = launch.inputs([0, 1]).outputs([1]).at(Operand::Scratch(0));
    let total = Launch::blocks("total_loss", 1).int(rows).float(f64::from(scale) / rows as f64);
    let total = total.at(Operand::Scratch(0)).outputs([0]);
    Work { scratch_bytes: rows * size_of::<f32>(), ..Work::of([launch, total]) }
}

impl Launch {
    /// Adds the number of a criterion in the kernels, and its parameters.
    fn criterion(self, criterion: Criterion) -> Launch {
        let (number, power, margin, j) = match criterion {
            Criterion::BinaryCrossEntropy => (0, 0, 0.0, 0.0),
            Criterion::MeanSquared => (1, 0, 0.0, 0.0),
            Criterion::Hinge { margin, power } => (2, power as usize, margin, 0.0),
            Criterion::Rbf { j } => (3, 0, 0.0, j),
            Criterion::Perceptron => (4, 0, 0.0, 0.0),
        };
        self.sizes([number, power]).float(margin).float(j)
    }
}
