//! Softmax and the losses.

use striate_graph::ops::{ClassLoss, Criterion, CrossEntropy, SoftCrossEntropy};
use striate_graph::{Graph, Node};
use striate_kernels::class_loss::{self, ClassLossDesc};
use striate_kernels::cross_entropy::{self, CrossEntropyDesc};
use striate_kernels::soft_cross_entropy::{self, SoftCrossEntropyDesc};
use striate_kernels::softmax::{self, SoftmaxDesc};

use super::{Lowering, kernels};

pub(super) fn softmax(graph: &Graph, node: &Node) -> Lowering {
    let shape = graph.shape(node.inputs[0]);
    kernels(SoftmaxDesc { rows: shape[0], classes: shape[1] }, softmax::list())
}

/// Operands: y, dy; output: dx.
pub(super) fn softmax_gradient(graph: &Graph, node: &Node) -> Lowering {
    let shape = graph.shape(node.inputs[0]);
    kernels(SoftmaxDesc { rows: shape[0], classes: shape[1] }, softmax::gradient())
}

pub(super) fn log_softmax(graph: &Graph, node: &Node) -> Lowering {
    let shape = graph.shape(node.inputs[0]);
    kernels(SoftmaxDesc { rows: shape[0], classes: shape[1] }, softmax::log())
}

/// Operands: y, dy; output: dx.
pub(super) fn log_softmax_gradient(graph: &Graph, node: &Node) -> Lowering {
    let shape = graph.shape(node.inputs[0]);
    kernels(SoftmaxDesc { rows: shape[0], classes: shape[1] }, softmax::log_gradient())
}

pub(super) fn cross_entropy(graph: &Graph, node: &Node, op: &CrossEntropy) -> Lowering {
    kernels(descriptor(graph, node, op), cross_entropy::forward())
}

/// Operands: probabilities, labels; output: dx.
pub(super) fn cross_entropy_gradient(graph: &Graph, node: &Node, op: &CrossEntropy) -> Lowering {
    kernels(descriptor(graph, node, op), cross_entropy::gradient())
}

pub(super) fn soft_cross_entropy(graph: &Graph, node: &Node, op: &SoftCrossEntropy) -> Lowering {
    kernels(soft_descriptor(graph, node, op), soft_cross_entropy::forward())
}

/// Operands: probabilities, targets; output: dx.
pub(super) fn soft_cross_entropy_gradient(graph: &Graph, node: &Node, op: &SoftCrossEntropy) -> Lowering {
    kernels(soft_descriptor(graph, node, op), soft_cross_entropy::gradient())
}

fn soft_descriptor(graph: &Graph, node: &Node, op: &SoftCrossEntropy) -> SoftCrossEntropyDesc {
    let shape = graph.shape(node.inputs[0]);
    SoftCrossEntropyDesc { rows: shape[0], classes: shape[1], scale: op.scale }
}

pub(super) fn class_loss(graph: &Graph, node: &Node, op: &ClassLoss) -> Lowering {
    kernels(class_loss_descriptor(graph, node, op), class_loss::forward())
}

/// Operands: scores, labels; output: dx.
pub(super) fn class_loss_gradient(graph: &Graph, node: &Node, op: &ClassLoss) -> Lowering {
    kernels(class_loss_descriptor(graph, node, op), class_loss::gradient())
}

fn class_loss_descriptor(graph: &Graph, node: &Node, op: &ClassLoss) -> ClassLossDesc {
    let shape = graph.shape(node.inputs[0]);
    let criterion = criterion(op.criterion);
    ClassLossDesc { rows: shape[0], classes: shape[1], criterion, scale: op.scale }
}

/// Returns the kernels' form of a criterion.
pub(crate) fn criterion(criterion: Criterion) -> class_loss::Criterion {
    match criterion {
        Criterion::BinaryCrossEntropy => class_loss::Criterion::BinaryCrossEntropy,
        Criterion::MeanSquared => class_loss::Criterion::MeanSquared,
        Criterion::Hinge { margin, power } => class_loss::Criterion::Hinge { margin, power },
        Criterion::Perceptron => class_loss::Criterion::Perceptron,
        Criterion::Rbf { j } => class_loss::Criterion::Rbf { j },
    }
}

fn descriptor(graph: &Graph, node: &Node, op: &CrossEntropy) -> CrossEntropyDesc {
    let shape = graph.shape(node.inputs[0]);
    CrossEntropyDesc { rows: shape[0], classes: shape[1], smoothing: op.smoothing, scale: op.scale }
}
