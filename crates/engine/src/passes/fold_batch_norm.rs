//! Folds a batch norm into the preceding convolution or linear layer: its scale into the weights, its
//! shift into the bias. Applies only with fixed weights; the folded weights are computed once.

use std::collections::{HashMap, HashSet};

use striate_graph::ops::FoldBatchNorm;
use striate_graph::{Graph, Node, Op, Segment, ValueId};
use striate_tensor::Shape;

use super::{Pass, trains};

pub(super) const PASS: Pass = Pass {
    name: "fold_batch_norm",
    summary: "fold batch norms into the preceding convolution or linear layer",
    run: fold_batch_norm,
};

fn fold_batch_norm(graph: &mut Graph) {
    if trains(graph) {
        return;
    }
    let mut nodes: Vec<Option<Node>> = std::mem::take(&mut graph.nodes).into_iter().map(Some).collect();
    let mut readers = vec![0usize; graph.values.len()];
    for node in nodes.iter().flatten() {
        let inputs: HashSet<&ValueId> = node.inputs.iter().collect();
        inputs.into_iter().for_each(|input| readers[input.0] += 1);
    }
    graph.outputs.iter().for_each(|output| readers[output.0] += 1);
    let mut producers: HashMap<ValueId, usize> = HashMap::new();
    // The nodes to insert before each layer.
    let mut folds: Vec<Vec<Node>> = nodes.iter().map(|_| Vec::new()).collect();
    for index in 0..nodes.len() {
        let Some(node) = &nodes[index] else { continue };
        let x = node.inputs.first().copied();
        let producer = x.filter(|x| readers[x.0] == 1).and_then(|x| producers.get(&x).copied());
        let can_fold = |producer: usize| {
            let op = nodes[producer].as_ref().map(|node| &node.op);
            matches!(op, Some(Op::Conv(_) | Op::Linear(_)))
        };
        match producer.filter(|producer| matches!(node.op, Op::BatchNorm(_)) && can_fold(*producer)) {
            None => _ = producers.insert(node.outputs[0], index),
            Some(producer) => {
                let norm = nodes[index].take().expect("the node was just read");
                let layer = nodes[producer].as_mut().expect("a producer stays in its place");
                folds[producer].push(fold(graph, layer, &norm));
                producers.insert(norm.outputs[0], producer);
            }
        }
    }
    graph.nodes =
        folds.into_iter().zip(nodes).flat_map(|(folds, node)| folds.into_iter().chain(node)).collect();
}

/// Returns the node that computes the folded weights, and changes `layer` to use them and to produce the norm's
/// output.
fn fold(graph: &mut Graph, layer: &mut Node, norm: &Node) -> Node {
    let Op::BatchNorm(attributes) = &norm.op else { unreachable!("only batch norms are folded") };
    let weight = layer.inputs[1];
    let mut operands: Vec<ValueId> = vec![weight];
    operands.extend(&norm.inputs[1..]);
    operands.extend(layer.inputs.get(2));
    let shape = graph.shape(weight).clone();
    let channels = shape[0];
    let name = format!("fold/{}", norm.name);
    let folded_weight = graph.add_computed(format!("{}.weight.folded", layer.name), shape);
    let folded_bias = graph.add_computed(format!("{}.bias.folded", layer.name), Shape::from([channels]));
    match &mut layer.op {
        Op::Conv(conv) => conv.bias = true,
        Op::Linear(linear) => linear.bias = true,
        _ => unreachable!("norms are folded only into convolutions and linear layers"),
    }
    layer.inputs = vec![layer.inputs[0], folded_weight, folded_bias];
    layer.outputs = norm.outputs.clone();
    Node {
        name,
        op: FoldBatchNorm { epsilon: attributes.epsilon }.into(),
        inputs: operands,
        outputs: vec![folded_weight, folded_bias],
        segment: Segment::Prepare,
    }
}
