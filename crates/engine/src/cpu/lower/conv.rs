//! Convolution and locally connected layers in their three directions, and the weights of a table of connections.

use striate_graph::ops::{Conv, LocallyConnected, SpreadKernels};
use striate_graph::{Graph, Node};
use striate_kernels::conv::{self, ConvDesc};
use striate_kernels::locally_connected;
use striate_kernels::spread::{self, SpreadDesc};

use super::{Lowering, input_shape, kernel_activation, kernels, output_shape};

pub(super) fn forward(graph: &Graph, node: &Node, op: &Conv) -> Lowering {
    kernels(descriptor(op, input_shape(graph, node), output_shape(graph, node)), conv::forward())
}

/// Operands: dy, weight; output: dx.
pub(super) fn data_gradient(graph: &Graph, node: &Node, op: &Conv) -> Lowering {
    let desc = descriptor(op, output_shape(graph, node), input_shape(graph, node));
    kernels(desc, conv::data_gradient())
}

/// Operands: x, dy; output: dw.
pub(super) fn weight_gradient(graph: &Graph, node: &Node, op: &Conv) -> Lowering {
    let dy = graph.shape(node.inputs[1]).nchw();
    kernels(descriptor(op, input_shape(graph, node), dy), conv::weight_gradient())
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

pub(super) fn spread(graph: &Graph, node: &Node, op: &SpreadKernels) -> Lowering {
    kernels(places(op, output_shape(graph, node)), spread::spread())
}

/// Operand: gradient of the weight; output: that of the kernels.
pub(super) fn gather(graph: &Graph, node: &Node, op: &SpreadKernels) -> Lowering {
    kernels(places(op, input_shape(graph, node)), spread::gather())
}

fn places(op: &SpreadKernels, weight: [usize; 4]) -> SpreadDesc {
    SpreadDesc { kernel: weight[2] * weight[3], places: op.places(weight[1]) }
}

fn descriptor(op: &Conv, x: [usize; 4], y: [usize; 4]) -> ConvDesc {
    ConvDesc {
        batch: x[0],
        in_channels: x[1],
        out_channels: y[1],
        groups: op.groups,
        input: [x[2], x[3]],
        output: [y[2], y[3]],
        kernel: op.kernel_size.array(),
        stride: op.stride.array(),
        dilation: op.dilation.array(),
        padding: [op.padding.top, op.padding.left],
        bias: op.bias,
        residual: op.residual,
        activation: kernel_activation(op.activation),
    }
}
