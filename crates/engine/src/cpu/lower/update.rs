//! Updates of variables. They process whole values in any layout, including padding, which stays zero.

use striate_graph::ops::{Adam, ClipNorm, Lars, RmsProp, Sgd};
use striate_graph::{Node, ValueId};
use striate_kernels::optimizer::{self, AdamDesc, AverageDesc, ClipNormDesc, LarsDesc, RmsPropDesc, SgdDesc};

use super::{Lowering, kernels};

/// The number of elements of a value, including padding.
type Len<'a> = &'a dyn Fn(ValueId) -> usize;

pub(super) fn sgd(node: &Node, op: &Sgd, len: Len) -> Lowering {
    let desc = SgdDesc {
        len: len(node.outputs[0]),
        momentum: op.momentum,
        nesterov: op.nesterov,
        weight_decay: op.weight_decay,
    };
    kernels(desc, optimizer::sgd())
}

pub(super) fn adam(node: &Node, op: &Adam, len: Len) -> Lowering {
    let desc = AdamDesc {
        len: len(node.outputs[0]),
        beta1: op.beta1,
        beta2: op.beta2,
        epsilon: op.epsilon,
        weight_decay: op.weight_decay,
        decoupled: op.decoupled,
    };
    kernels(desc, optimizer::adam())
}

pub(super) fn rms_prop(node: &Node, op: &RmsProp, len: Len) -> Lowering {
    let desc = RmsPropDesc {
        len: len(node.outputs[0]),
        decay: op.decay,
        epsilon: op.epsilon,
        momentum: op.momentum,
        weight_decay: op.weight_decay,
    };
    kernels(desc, optimizer::rms_prop())
}

pub(super) fn lars(node: &Node, op: &Lars, len: Len) -> Lowering {
    let desc = LarsDesc {
        len: len(node.outputs[0]),
        momentum: op.momentum,
        nesterov: op.nesterov,
        weight_decay: op.weight_decay,
        trust: op.trust,
    };
    kernels(desc, optimizer::lars())
}

pub(super) fn average(node: &Node, len: Len) -> Lowering {
    kernels(AverageDesc { len: len(node.outputs[0]) }, optimizer::average())
}

/// The kernel writes one slice with all gradients, which are contiguous, and their norm.
pub(super) fn clip_norm(node: &Node, op: &ClipNorm, len: Len) -> Lowering {
    let gradients = &node.outputs[..node.outputs.len() - 1];
    let floats = striate_tensor::ALIGNMENT / size_of::<f32>();
    let len = gradients.iter().map(|id| len(*id).next_multiple_of(floats)).sum();
    kernels(ClipNormDesc { len, max_norm: op.max_norm }, optimizer::clip_norm())
}
