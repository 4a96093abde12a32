//! Pads images with few channels, and the weights that read them, with channels of zeros, because matrix units take
//! channels in groups. The gradient of the weights is cut to its channels.

use std::collections::HashMap;

use striate_engine::Precision;
use striate_graph::ops::{PadChannels, PadChannelsGradient};
use striate_graph::{Graph, Kind, Node, Op, Segment, ValueId};
use striate_tensor::Shape;

use crate::casts::Casts;

/// The channels that matrix units take at once: 16 bytes.
fn group(precision: Precision) -> usize {
    if precision == Precision::Bf16 { 8 } else { 4 }
}

/// Applies the pass to a graph before `autocast`.
pub(crate) fn pad(graph: &mut Graph, precision: Precision) {
    let mut pass = Padding { casts: Casts::new(graph), padded: HashMap::new() };
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    for mut node in std::mem::take(&mut graph.nodes) {
        let channels = match &node.op {
            Op::Conv(conv) if conv.groups == 1 => graph.shape(node.inputs[0])[1],
            Op::ConvWeightGradient(conv) if conv.0.groups == 1 => graph.shape(node.inputs[0])[1],
            _ => 0,
        };
        let after = channels.next_multiple_of(group(precision)) - channels;
        if after == 0 || !graph.inputs.contains(&node.inputs[0]) {
            nodes.push(node);
            continue;
        }
        let pad = PadChannels { before: 0, after };
        node.inputs[0] = pass.padded(graph, &mut nodes, node.inputs[0], &pad, node.segment);
        if matches!(node.op, Op::Conv(_)) {
            node.inputs[1] = pass.padded(graph, &mut nodes, node.inputs[1], &pad, node.segment);
            nodes.push(node);
        } else {
            let (gradient, segment) = (node.outputs[0], node.segment);
            let padded = add_padded(graph, gradient, after);
            node.outputs[0] = padded;
            nodes.push(node);
            let name = format!("cut/{}", graph.value(gradient).name);
            let op = PadChannelsGradient(pad).into();
            nodes.push(Node { name, op, inputs: vec![padded], outputs: vec![gradient], segment });
        }
    }
    graph.nodes = nodes;
}

struct Padding {
    casts: Casts,
    padded: HashMap<ValueId, ValueId>,
}

impl Padding {
    /// The value `id` with more channels, for a node of `reader`.
    fn padded(
        &mut self,
        graph: &mut Graph,
        nodes: &mut Vec<Node>,
        id: ValueId,
        pad: &PadChannels,
        reader: Segment,
    ) -> ValueId {
        if let Some(padded) = self.padded.get(&id) {
            return *padded;
        }
        let padded = add_padded(graph, id, pad.after);
        let segment = self.casts.segment(graph, id, padded, reader);
        let name = format!("pad/{}", graph.value(id).name);
        let op = pad.clone().into();
        nodes.push(Node { name, op, inputs: vec![id], outputs: vec![padded], segment });
        self.padded.insert(id, padded);
        padded
    }
}

/// Adds a value with `after` more channels than `like`.
fn add_padded(graph: &mut Graph, like: ValueId, after: usize) -> ValueId {
    let (name, dtype) = (format!("{}.padded", graph.value(like).name), graph.value(like).dtype);
    let mut extents = graph.shape(like).to_vec();
    extents[1] += after;
    graph.add_value(name, Shape::new(extents), dtype, Kind::Computed)
}
