//! Elementwise operations, and multiplication by a coefficient per channel.

use striate_graph::ops::{Activation, Dropout, Scale};
use striate_graph::{Graph, Node};
use striate_kernels::dropout::{self, DropoutDesc};
use striate_kernels::elementwise::{self, Elementwise, ElementwiseDesc};
use striate_kernels::scale::{self, ScaleDesc};

use super::{Lowering, input_shape, kernel_activation, kernels};

pub(super) fn activation(graph: &Graph, node: &Node) -> Lowering {
    let activation = node.op.activation().expect("the node is an activation");
    listed(graph, node, Elementwise::Apply(kernel_activation(activation)))
}

/// Operands: y, dy; output: dx.
pub(super) fn activation_gradient(graph: &Graph, node: &Node, activation: Activation) -> Lowering {
    listed(graph, node, Elementwise::Gradient(kernel_activation(activation)))
}

pub(super) fn multiply_by(graph: &Graph, node: &Node, factor: f32) -> Lowering {
    listed(graph, node, Elementwise::MultiplyBy(factor))
}

pub(super) fn add(graph: &Graph, node: &Node) -> Lowering {
    listed(graph, node, Elementwise::Add)
}

/// Operands in training: x, seed, step. In inference, the only operand is x, and the operation is the identity.
pub(super) fn dropout(graph: &Graph, node: &Node, op: &Dropout) -> Lowering {
    if node.inputs.len() == 1 {
        return listed(graph, node, Elementwise::Apply(kernel_activation(Activation::None)));
    }
    let desc = DropoutDesc { shape: input_shape(graph, node), probability: op.probability, salt: op.salt };
    kernels(desc, dropout::list())
}

/// Operands: x, weight, and the optional bias.
pub(super) fn scale(graph: &Graph, node: &Node, op: &Scale) -> Lowering {
    kernels(ScaleDesc { shape: input_shape(graph, node), bias: op.bias }, scale::list())
}

fn listed(graph: &Graph, node: &Node, op: Elementwise) -> Lowering {
    kernels(ElementwiseDesc { shape: input_shape(graph, node), op }, elementwise::list())
}
