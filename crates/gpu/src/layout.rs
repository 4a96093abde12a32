//! Chooses the order of every value: channels last for convolutions, which then run on matrix units.
//!
//! Convolutions take and give values with channels last, most other operations work in any order that their operands
//! share, and some need plain order. Casts are inserted where a value is needed in another order than it has; variables
//! and the graph's inputs and outputs stay plain. A cast to another type becomes one to that type and order.

use std::collections::{HashMap, HashSet};

use striate_graph::{Graph, Kind, Node, Op, Segment, ValueId};

use crate::casts::{Casts, add_copy, cast};
use crate::order::{Order, Orders, has_one_order};

/// Applies the pass to a graph after `autocast`.
pub(crate) fn layout(graph: &mut Graph) -> Orders {
    let mut pass = Layout { orders: Orders::default(), casts: Casts::new(graph), copies: HashMap::new() };
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    for node in std::mem::take(&mut graph.nodes) {
        pass.add(graph, &mut nodes, node);
    }
    for output in 0..graph.outputs.len() {
        let id = graph.outputs[output];
        let writer = nodes.iter().find(|node| node.outputs.contains(&id));
        if let Some(segment) = writer.map(|node| node.segment) {
            graph.outputs[output] = pass.converted(graph, &mut nodes, id, Order::Plain, segment);
        }
    }
    graph.nodes = nodes;
    remove_unread_casts(graph);
    pass.orders
}

/// The order in which an operation works.
fn wanted(graph: &Graph, node: &Node, orders: &Orders) -> Order {
    let shares = match &node.op {
        Op::Conv(_) | Op::ConvDataGradient(_) | Op::ConvWeightGradient(_) => return Order::ChannelsLast,
        // Otherwise the smaller operand is repeated along axes.
        Op::Add(_) => graph.shape(node.inputs[0]) == graph.shape(node.inputs[1]),
        op => works_in_any_order(op),
    };
    let is_last = |id: &ValueId| orders.of(*id) == Order::ChannelsLast;
    match shares && node.inputs.iter().any(is_last) {
        true => Order::ChannelsLast,
        false => Order::Plain,
    }
}

/// Whether an operation works in any order that its operands share.
fn works_in_any_order(op: &Op) -> bool {
    let is_pointwise = op.activation().is_some() || op.function().is_some();
    is_pointwise
        || matches!(
            op,
            Op::ActivationGradient(_)
                | Op::FunctionGradient(_)
                | Op::MultiplyBy(_)
                | Op::Clip(_)
                | Op::ClipGradient(_)
                | Op::Dropout(_)
                | Op::Cast(_)
                | Op::MaxPool(_)
                | Op::MaxPoolGradient(_)
                | Op::AveragePool(_)
                | Op::AveragePoolGradient(_)
                | Op::GlobalAveragePool(_)
                | Op::BatchNorm(_)
                | Op::BatchNormTraining(_)
                | Op::BatchNormGradient(_)
                | Op::BatchNormResidualGradient(_)
                | Op::ChannelSum(_)
                | Op::ChannelProductSum(_)
                | Op::Scale(_)
                | Op::Lrn(_)
                | Op::LrnGradient(_)
                | Op::Concat(_)
                | Op::ConcatGradient(_)
                | Op::PadChannels(_)
                | Op::PadChannelsGradient(_)
        )
}

struct Layout {
    orders: Orders,
    casts: Casts,
    /// Values in the other order than their own.
    copies: HashMap<ValueId, ValueId>,
}

impl Layout {
    /// Adds a node and the casts that it needs.
    fn add(&mut self, graph: &mut Graph, nodes: &mut Vec<Node>, mut node: Node) {
        let order = wanted(graph, &node, &self.orders);
        for input in &mut node.inputs {
            *input = self.converted(graph, nodes, *input, order, node.segment);
        }
        let mut after = Vec::new();
        for output in &mut node.outputs {
            let is_variable = matches!(graph.value(*output).kind, Kind::Variable { .. });
            if order == Order::Plain || has_one_order(graph.shape(*output)) {
                continue;
            }
            if !is_variable {
                self.orders.set(*output, order);
                continue;
            }
            let variable = *output;
            if !matches!(node.op, Op::Cast(_)) {
                *output = add_copy(graph, variable, "last", graph.value(variable).dtype);
                self.orders.set(*output, order);
                after.push(cast(graph, *output, variable, node.segment));
            }
        }
        nodes.push(node);
        nodes.extend(after);
    }

    /// The value `id` in `order`, which a node of `reader` needs.
    fn converted(
        &mut self,
        graph: &mut Graph,
        nodes: &mut Vec<Node>,
        id: ValueId,
        order: Order,
        reader: Segment,
    ) -> ValueId {
        if self.orders.of(id) == order || has_one_order(graph.shape(id)) {
            return id;
        }
        if let Some(copy) = self.copies.get(&id) {
            return *copy;
        }
        // What a cast reads can be cast to both at once.
        let writer = nodes.iter().rev().find(|node| node.outputs.contains(&id));
        let (from, segment) = match writer {
            Some(Node { op: Op::Cast(_), inputs, segment, .. }) => (inputs[0], Some(*segment)),
            _ => (id, None),
        };
        let suffix = if order == Order::ChannelsLast { "last" } else { "plain" };
        let copy = add_copy(graph, id, suffix, graph.value(id).dtype);
        self.orders.set(copy, order);
        let segment = segment.unwrap_or_else(|| self.casts.segment(graph, from, copy, reader));
        nodes.push(cast(graph, from, copy, segment));
        self.copies.insert(id, copy);
        copy
    }
}

/// Removes casts whose result nothing reads any more.
fn remove_unread_casts(graph: &mut Graph) {
    let read: HashSet<ValueId> = graph.nodes.iter().flat_map(|node| node.inputs.iter().copied()).collect();
    let Graph { nodes, values, outputs, .. } = graph;
    nodes.retain(|node| {
        let id = node.outputs[0];
        let is_kept = read.contains(&id) || outputs.contains(&id) || values[id.0].kind != Kind::Computed;
        is_kept || !matches!(node.op, Op::Cast(_))
    });
}
