//! Batch normalization (inference, training, gradient, folding) and local response normalization.

use striate_graph::ops::{
    Activation, BatchNorm, BatchNormGradient, BatchNormResidualGradient, BatchNormTraining, FoldBatchNorm,
    Lrn,
};
use striate_graph::{Graph, Node};
use striate_kernels::batch_norm::fold::{self, FoldDesc};
use striate_kernels::batch_norm::{self, BatchNormDesc, ResidualGradientDesc};
use striate_kernels::lrn::{self, LrnDesc};

use super::{Lowering, input_shape, kernel_activation, kernels};

pub(super) fn inference(graph: &Graph, node: &Node, op: &BatchNorm) -> Lowering {
    kernels(descriptor(graph, node, op, Activation::None), batch_norm::inference())
}

pub(super) fn training(graph: &Graph, node: &Node, op: &BatchNormTraining) -> Lowering {
    let desc = descriptor(graph, node, &op.norm, op.activation);
    kernels(BatchNormDesc { residual: op.residual, ..desc }, batch_norm::training())
}

pub(super) fn gradient(graph: &Graph, node: &Node, op: &BatchNormGradient) -> Lowering {
    kernels(descriptor(graph, node, &op.norm, op.activation), batch_norm::gradient())
}

pub(super) fn residual_gradient(graph: &Graph, node: &Node, op: &BatchNormResidualGradient) -> Lowering {
    let norm = BatchNormDesc { residual: true, ..descriptor(graph, node, &op.norm, op.activation) };
    kernels(ResidualGradientDesc { norm, is_sum: op.is_sum }, batch_norm::residual_gradient())
}

/// Operands: weight, γ, β, mean, variance, and the optional bias.
pub(super) fn fold(graph: &Graph, node: &Node, op: &FoldBatchNorm) -> Lowering {
    let weight = graph.shape(node.inputs[0]);
    let desc = FoldDesc {
        channels: weight[0],
        inner: weight[1..].iter().product(),
        epsilon: op.epsilon,
        bias: node.inputs.len() == 6,
    };
    kernels(desc, fold::list())
}

pub(super) fn lrn(graph: &Graph, node: &Node, op: &Lrn) -> Lowering {
    kernels(lrn_descriptor(graph, node, op), lrn::forward())
}

/// Operands: x, dy; output: dx.
pub(super) fn lrn_gradient(graph: &Graph, node: &Node, op: &Lrn) -> Lowering {
    kernels(lrn_descriptor(graph, node, op), lrn::gradient())
}

fn lrn_descriptor(graph: &Graph, node: &Node, op: &Lrn) -> LrnDesc {
    let Lrn { size, alpha, beta, k } = *op;
    LrnDesc { shape: input_shape(graph, node), size, alpha, beta, k }
}

fn descriptor(graph: &Graph, node: &Node, op: &BatchNorm, activation: Activation) -> BatchNormDesc {
    BatchNormDesc {
        shape: input_shape(graph, node),
        epsilon: op.epsilon,
        momentum: op.momentum,
        residual: false,
        activation: kernel_activation(activation),
    }
}
