//! Updates of variables. They process whole values in any layout, including padding, which stays zero.

use striate_graph::ops::{Adam, ClipNorm, Sgd};
use striate_graph::{Graph, Node};
use striate_kernels::optimizer::{self, AccumulateDesc, AdamDesc, ClipNormDesc, SgdDesc};

use super::{Lowering, kernels};

pub(super) fn sgd(graph: &Graph, node: &Node, op: &Sgd) -> Lowering {
    let desc = SgdDesc {
        len: len(graph, node),
        momentum: op.momentum,
        nesterov: op.nesterov,
        weight_decay: op.weight_decay,
    };
    kernels(desc, optimizer::sgd())
}

pub(super) fn adam(graph: &Graph, node: &Node, op: &Adam) -> Lowering {
    let desc = AdamDesc {
        len: len(graph, node),
        beta1: op.beta1,
        beta2: op.beta2,
        epsilon: op.epsilon,
        weight_decay: op.weight_decay,
        decoupled: op.decoupled,
    };
    kernels(desc, optimizer::adam())
}

pub(super) fn accumulate(graph: &Graph, node: &Node) -> Lowering {
    kernels(AccumulateDesc { len: len(graph, node) }, optimizer::accumulate())
}

/// The kernel writes one slice with all gradients, which are contiguous, and their norm.
pub(super) fn clip_norm(graph: &Graph, node: &Node, op: &ClipNorm) -> Lowering {
    let gradients = &node.outputs[..node.outputs.len() - 1];
    let padded = |bytes: usize| bytes.next_multiple_of(striate_tensor::ALIGNMENT) / 4;
    let len = gradients.iter().map(|id| padded(graph.value(*id).bytes())).sum();
    kernels(ClipNormDesc { len, max_norm: op.max_norm }, optimizer::clip_norm())
}

/// The number of elements of the updated variable, including padding.
fn len(graph: &Graph, node: &Node) -> usize {
    let value = graph.value(node.outputs[0]);
    value.layout.len(&value.shape)
}
