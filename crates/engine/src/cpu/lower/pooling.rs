//! Pooling and its gradients.

use striate_graph::ops::{AveragePool, AveragePoolGradient, GlobalAveragePool, MaxPool};
use striate_graph::{Graph, Node, Padding, Pair};
use striate_kernels::pooling::{self, PoolDesc, PoolKind};

use super::{Lowering, input_shape, kernel_activation, kernels, output_shape};

pub(super) fn max_pool(graph: &Graph, node: &Node, op: &MaxPool) -> Lowering {
    let (x, y) = (input_shape(graph, node), output_shape(graph, node));
    kernels(maximum(op, x, y), pooling::forward())
}

pub(super) fn average_pool(graph: &Graph, node: &Node, op: &AveragePool) -> Lowering {
    let (x, y) = (input_shape(graph, node), output_shape(graph, node));
    kernels(average(op, x, y), pooling::forward())
}

pub(super) fn global_average_pool(graph: &Graph, node: &Node) -> Lowering {
    average_pool(graph, node, &GlobalAveragePool::as_pool(graph.shape(node.inputs[0])))
}

/// Operands: x, dy; output: dx.
pub(super) fn max_pool_gradient(graph: &Graph, node: &Node, op: &MaxPool) -> Lowering {
    let dy = graph.shape(node.inputs[1]).nchw();
    kernels(maximum(op, input_shape(graph, node), dy), pooling::max_gradient())
}

/// Operands: dy, and the result of an activation if there is one; output: dx.
pub(super) fn average_pool_gradient(graph: &Graph, node: &Node, op: &AveragePoolGradient) -> Lowering {
    let (dy, dx) = (input_shape(graph, node), output_shape(graph, node));
    let activation = kernel_activation(op.activation);
    kernels(PoolDesc { activation, ..average(&op.pool, dx, dy) }, pooling::average_gradient())
}

fn maximum(op: &MaxPool, x: [usize; 4], y: [usize; 4]) -> PoolDesc {
    descriptor(PoolKind::Max, x, y, op.kernel_size, op.stride, op.padding)
}

fn average(op: &AveragePool, x: [usize; 4], y: [usize; 4]) -> PoolDesc {
    let kind = PoolKind::Average { count_include_pad: op.count_include_pad };
    descriptor(kind, x, y, op.kernel_size, op.stride, op.padding)
}

fn descriptor(
    kind: PoolKind,
    x: [usize; 4],
    y: [usize; 4],
    kernel: Pair,
    stride: Pair,
    padding: Padding,
) -> PoolDesc {
    PoolDesc {
        kind,
        batch: x[0],
        channels: x[1],
        input: [x[2], x[3]],
        output: [y[2], y[3]],
        kernel: kernel.array(),
        stride: stride.array(),
        padding: [padding.top, padding.left],
        activation: striate_kernels::activation::Activation::None,
    }
}
