//! Softmax and the loss.

use striate_graph::ops::CrossEntropy;
use striate_graph::{Graph, Node};
use striate_kernels::cross_entropy::{self, CrossEntropyDesc};
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

fn descriptor(graph: &Graph, node: &Node, op: &CrossEntropy) -> CrossEntropyDesc {
    let shape = graph.shape(node.inputs[0]);
    CrossEntropyDesc { rows: shape[0], classes: shape[1], smoothing: op.smoothing, scale: op.scale }
}
