//! Concatenation along the channels, its gradient, sums per channel, channel padding.

use striate_graph::ops::PadChannels;
use striate_graph::{Graph, Node, ValueId};
use striate_kernels::channel_sum::{self, ChannelSumDesc};
use striate_kernels::concat::{self, ConcatDesc};
use striate_kernels::pad_channels::{self, PadChannelsDesc};

use super::{Lowering, input_shape, kernels, output_shape};

pub(super) fn concat(graph: &Graph, node: &Node) -> Lowering {
    kernels(descriptor(graph, output_shape(graph, node), &node.inputs), concat::forward())
}

/// Operand: dy; outputs: the parts.
pub(super) fn gradient(graph: &Graph, node: &Node) -> Lowering {
    kernels(descriptor(graph, input_shape(graph, node), &node.outputs), concat::gradient())
}

pub(super) fn channel_sum(graph: &Graph, node: &Node) -> Lowering {
    let product = node.inputs.len() == 2;
    kernels(ChannelSumDesc { shape: input_shape(graph, node), product }, channel_sum::list())
}

pub(super) fn pad_channels(graph: &Graph, node: &Node, op: &PadChannels) -> Lowering {
    shifted(graph, node, op.before as isize)
}

/// Operand: dy; output: dx.
pub(super) fn pad_channels_gradient(graph: &Graph, node: &Node, op: &PadChannels) -> Lowering {
    shifted(graph, node, -(op.before as isize))
}

fn shifted(graph: &Graph, node: &Node, before: isize) -> Lowering {
    let channels = output_shape(graph, node)[1];
    let desc = PadChannelsDesc { shape: input_shape(graph, node), channels, before };
    kernels(desc, pad_channels::list())
}

fn descriptor(graph: &Graph, shape: [usize; 4], parts: &[ValueId]) -> ConcatDesc {
    ConcatDesc { shape, channels: parts.iter().map(|part| graph.shape(*part)[1]).collect() }
}
