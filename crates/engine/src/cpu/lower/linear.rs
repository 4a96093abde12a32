//! Fully connected layers in all three directions, and RBF layers.

use striate_graph::ops::{Activation, Linear};
use striate_graph::{Graph, Node};
use striate_kernels::linear::{self, LinearDesc};
use striate_kernels::rbf::{self, RbfDesc};

use super::{Lowering, kernel_activation, kernels};

pub(super) fn forward(graph: &Graph, node: &Node, op: &Linear) -> Lowering {
    let (x, y) = (graph.shape(node.inputs[0]), graph.shape(node.outputs[0]));
    kernels(descriptor(x[0], x[1], y[1], op.bias, op.activation), linear::forward())
}

/// Operands: dy, weight; output: dx.
pub(super) fn data_gradient(graph: &Graph, node: &Node) -> Lowering {
    let (dy, dx) = (graph.shape(node.inputs[0]), graph.shape(node.outputs[0]));
    kernels(descriptor(dx[0], dx[1], dy[1], false, Activation::None), linear::data_gradient())
}

/// Operands: x, dy; output: dw.
pub(super) fn weight_gradient(graph: &Graph, node: &Node) -> Lowering {
    let (x, dy) = (graph.shape(node.inputs[0]), graph.shape(node.inputs[1]));
    kernels(descriptor(x[0], x[1], dy[1], false, Activation::None), linear::weight_gradient())
}

pub(super) fn rbf(graph: &Graph, node: &Node) -> Lowering {
    kernels(rbf_descriptor(graph, node), rbf::forward())
}

/// Operands: x, codes, dy; output: dx.
pub(super) fn rbf_gradient(graph: &Graph, node: &Node) -> Lowering {
    kernels(rbf_descriptor(graph, node), rbf::gradient())
}

fn rbf_descriptor(graph: &Graph, node: &Node) -> RbfDesc {
    let (x, codes) = (graph.shape(node.inputs[0]), graph.shape(node.inputs[1]));
    RbfDesc { rows: x[0], features: x[1], units: codes[0] }
}

fn descriptor(
    batch: usize,
    in_features: usize,
    out_features: usize,
    bias: bool,
    activation: Activation,
) -> LinearDesc {
    LinearDesc { batch, in_features, out_features, bias, activation: kernel_activation(activation) }
}
