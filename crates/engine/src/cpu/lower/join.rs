//! Joining channels, taking them apart, summing over them.

use striate_graph::{Graph, Node, ValueId};
use striate_kernels::concat::{self, ConcatDesc};
use striate_kernels::reduce::{self, ChannelSumDesc};

use super::{Lowering, input_shape, kernels, output_shape};

pub(super) fn concat(graph: &Graph, node: &Node) -> Lowering {
    kernels(descriptor(graph, output_shape(graph, node), &node.inputs), concat::forward())
}

/// Operand: dy; outputs: the parts.
pub(super) fn gradient(graph: &Graph, node: &Node) -> Lowering {
    kernels(descriptor(graph, input_shape(graph, node), &node.outputs), concat::gradient())
}

pub(super) fn channel_sum(graph: &Graph, node: &Node) -> Lowering {
    kernels(ChannelSumDesc { shape: input_shape(graph, node) }, reduce::list())
}

fn descriptor(graph: &Graph, shape: [usize; 4], parts: &[ValueId]) -> ConcatDesc {
    ConcatDesc { shape, channels: parts.iter().map(|part| graph.shape(*part)[1]).collect() }
}
