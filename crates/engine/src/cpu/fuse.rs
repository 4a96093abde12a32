//! Fuses activations and residual additions into the convolution or linear layer that produces their operand,
//! and gradients of activations into the gradient of an average pool, so that the result is written only once.

use striate_graph::ops::Activation;
use striate_graph::{Graph, Node, Op, ValueId};

pub(super) fn fuse(graph: &mut Graph) {
    let mut index = 0;
    while index < graph.nodes.len() {
        if let Some((producer, change)) = fusable(graph, index) {
            apply(graph, producer, index, change);
            // The fused node has replaced the later one, which is now at this index minus one.
            continue;
        }
        index += 1;
    }
}

enum Change {
    Activate(Activation),
    AddResidual(ValueId),
    /// The gradient of an activation with this output.
    ActivationGradient(Activation, ValueId),
}

/// The node that the node at `index` can be fused into, and how.
fn fusable(graph: &Graph, index: usize) -> Option<(usize, Change)> {
    let node = &graph.nodes[index];
    if let Some(activation) = node.op.activation() {
        let producer = only_producer(graph, index, node.inputs[0])?;
        let free = match &graph.nodes[producer].op {
            Op::Conv(conv) => conv.activation == Activation::None,
            Op::Linear(linear) => linear.activation == Activation::None,
            _ => false,
        };
        return free.then_some((producer, Change::Activate(activation)));
    }
    if let Op::ActivationGradient(gradient) = &node.op {
        let [result, dy] = node.inputs[..] else { return None };
        let producer = only_producer(graph, index, dy)?;
        let Op::AveragePoolGradient(pool) = &graph.nodes[producer].op else { return None };
        let free = pool.activation == Activation::None;
        return free.then_some((producer, Change::ActivationGradient(gradient.0, result)));
    }
    let Op::Add(_) = node.op else { return None };
    let [a, b] = node.inputs[..] else { return None };
    if graph.shape(a) != graph.shape(b) {
        return None;
    }
    [(a, b), (b, a)].into_iter().find_map(|(sum, residual)| {
        let producer = only_producer(graph, index, sum)?;
        let Op::Conv(conv) = &graph.nodes[producer].op else { return None };
        let free = !conv.residual && conv.activation == Activation::None && sum != residual;
        free.then_some((producer, Change::AddResidual(residual)))
    })
}

/// The node that produces `value`, if only the node at `reader` reads it.
fn only_producer(graph: &Graph, reader: usize, value: ValueId) -> Option<usize> {
    let reads = graph.nodes.iter().flat_map(|node| &node.inputs).filter(|input| **input == value).count();
    if reads != 1 || graph.outputs.contains(&value) {
        return None;
    }
    graph.nodes[..reader].iter().position(|node| node.outputs == [value])
}

fn apply(graph: &mut Graph, producer: usize, index: usize, change: Change) {
    let Node { name, inputs, op, .. } = graph.nodes[producer].clone();
    let node = &mut graph.nodes[index];
    node.name = format!("{name}+{}", node.name);
    node.inputs = inputs;
    node.op = op;
    match (&mut node.op, change) {
        (Op::Conv(conv), Change::Activate(activation)) => conv.activation = activation,
        (Op::Linear(linear), Change::Activate(activation)) => linear.activation = activation,
        (Op::Conv(conv), Change::AddResidual(residual)) => {
            conv.residual = true;
            node.inputs.push(residual);
        }
        (Op::AveragePoolGradient(pool), Change::ActivationGradient(activation, result)) => {
            pool.activation = activation;
            node.inputs.push(result);
        }
        _ => unreachable!("no other combination is fused"),
    }
    graph.nodes.remove(producer);
}
