//! Convolution and locally connected layers in all three directions, and the weights of connection tables.

use striate_graph::ops::{Conv, LocallyConnected, ScatterKernels};
use striate_graph::{Graph, Node};
use striate_kernels::conv::{self, ConvDesc};
use striate_kernels::conv3d::{self, Conv3dDesc};
use striate_kernels::locally_connected;
use striate_kernels::scatter::{self, ScatterDesc};

use striate_tensor::Shape;

use super::{Lowering, input_shape, kernel_activation, kernels, output_shape};

pub(super) fn forward(graph: &Graph, node: &Node, op: &Conv) -> Lowering {
    let (x, y) = (graph.shape(node.inputs[0]), graph.shape(node.outputs[0]));
    match x.len() {
        3 | 4 => kernels(descriptor(op, x.nchw(), y.nchw()), conv::forward()),
        _ => kernels(descriptor3d(op, x, y), conv3d::forward()),
    }
}

/// Operands: dy, weight; output: dx.
pub(super) fn data_gradient(graph: &Graph, node: &Node, op: &Conv) -> Lowering {
    let (dx, dy) = (graph.shape(node.outputs[0]), graph.shape(node.inputs[0]));
    match dx.len() {
        3 | 4 => kernels(descriptor(op, dx.nchw(), dy.nchw()), conv::data_gradient()),
        _ => kernels(descriptor3d(op, dx, dy), conv3d::data_gradient()),
    }
}

/// Operands: x, dy; output: dw.
pub(super) fn weight_gradient(graph: &Graph, node: &Node, op: &Conv) -> Lowering {
    let (x, dy) = (graph.shape(node.inputs[0]), graph.shape(node.inputs[1]));
    match x.len() {
        3 | 4 => kernels(descriptor(op, x.nchw(), dy.nchw()), conv::weight_gradient()),
        _ => kernels(descriptor3d(op, x, dy), conv3d::weight_gradient()),
    }
}

pub(super) fn local(graph: &Graph, node: &Node, op: &LocallyConnected) -> Lowering {
    let (x, y) = (input_shape(graph, node), output_shape(graph, node));
    kernels(descriptor(&op.as_conv(), x, y), locally_connected::forward())
}

/// Operands: dy, weight; output: dx.
pub(super) fn local_data_gradient(graph: &Graph, node: &Node, op: &LocallyConnected) -> Lowering {
    let (dx, dy) = (output_shape(graph, node), input_shape(graph, node));
    kernels(descriptor(&op.as_conv(), dx, dy), locally_connected::data_gradient())
}

/// Operands: x, dy; output: dw.
pub(super) fn local_weight_gradient(graph: &Graph, node: &Node, op: &LocallyConnected) -> Lowering {
    let dy = graph.shape(node.inputs[1]).nchw();
    kernels(descriptor(&op.as_conv(), input_shape(graph, node), dy), locally_connected::weight_gradient())
}

pub(super) fn scatter(graph: &Graph, node: &Node, op: &ScatterKernels) -> Lowering {
    kernels(places(op, output_shape(graph, node)), scatter::scatter())
}

/// Operand: gradient of the full weight; output: gradient of the kernels.
pub(super) fn gather(graph: &Graph, node: &Node, op: &ScatterKernels) -> Lowering {
    kernels(places(op, input_shape(graph, node)), scatter::gather())
}

fn places(op: &ScatterKernels, weight: [usize; 4]) -> ScatterDesc {
    ScatterDesc { kernel: weight[2] * weight[3], places: op.places(weight[1]) }
}

/// The descriptor for maps, and for signals as maps with one row.
fn descriptor(op: &Conv, x: [usize; 4], y: [usize; 4]) -> ConvDesc {
    ConvDesc {
        batch: x[0],
        in_channels: x[1],
        out_channels: y[1],
        groups: op.groups,
        input: [x[2], x[3]],
        output: [y[2], y[3]],
        kernel: op.kernel_size.plane(),
        stride: op.stride.plane(),
        dilation: op.dilation.plane(),
        padding: [op.padding.top, op.padding.left],
        bias: op.bias,
        residual: op.residual,
        activation: kernel_activation(op.activation),
    }
}

/// The descriptor for volumes.
fn descriptor3d(op: &Conv, x: &Shape, y: &Shape) -> Conv3dDesc {
    let ([batch, in_channels, input @ ..], [_, out_channels, output @ ..]) = (x.ncdhw(), y.ncdhw());
    Conv3dDesc {
        batch,
        in_channels,
        out_channels,
        groups: op.groups,
        input,
        output,
        kernel: op.kernel_size.array(),
        stride: op.stride.array(),
        dilation: op.dilation.array(),
        padding: op.padding.before(),
        bias: op.bias,
        residual: op.residual,
        activation: kernel_activation(op.activation),
    }
}
