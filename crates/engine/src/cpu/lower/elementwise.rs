//! Elementwise operations, and multiplication by a coefficient per channel.

use striate_graph::ops::{Activation, Dropout, Function, Scale};
use striate_graph::{Graph, Node};
use striate_kernels::cast::{self, CastDesc};
use striate_kernels::dropout::{self, DropoutDesc};
use striate_kernels::elementwise::{self, Elementwise, ElementwiseDesc};
use striate_kernels::function;
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

pub(super) fn function(graph: &Graph, node: &Node) -> Lowering {
    let function = node.op.function().expect("the node is a function");
    listed(graph, node, Elementwise::Function(kernel_function(function)))
}

/// Operands: x, dy; output: dx.
pub(super) fn function_gradient(graph: &Graph, node: &Node, function: Function) -> Lowering {
    listed(graph, node, Elementwise::FunctionGradient(kernel_function(function)))
}

fn kernel_function(function: Function) -> function::Function {
    match function {
        Function::LeakyRelu { slope } => function::Function::LeakyRelu { slope },
        Function::Elu { alpha, scale, rate } => function::Function::Elu { alpha, scale, rate },
        Function::HardSigmoid { slope, offset } => function::Function::HardSigmoid { slope, offset },
        Function::Step { threshold } => function::Function::Step { threshold },
        Function::HardSwish => function::Function::HardSwish,
        Function::Gelu => function::Function::Gelu,
        Function::GeluTanh => function::Function::GeluTanh,
        Function::Exp => function::Function::Exp,
        Function::Log => function::Function::Log,
        Function::Sqrt => function::Function::Sqrt,
        Function::Abs => function::Function::Abs,
        Function::Erf => function::Function::Erf,
        Function::Power { exponent } => function::Function::Power { exponent },
    }
}

pub(super) fn multiply_by(graph: &Graph, node: &Node, factor: f32) -> Lowering {
    listed(graph, node, Elementwise::MultiplyBy(factor))
}

pub(super) fn add(graph: &Graph, node: &Node) -> Lowering {
    listed(graph, node, Elementwise::Add)
}

pub(super) fn cast(graph: &Graph, node: &Node) -> Lowering {
    kernels(CastDesc { shape: input_shape(graph, node) }, cast::list())
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
