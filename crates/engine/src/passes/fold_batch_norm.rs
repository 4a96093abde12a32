//! Folds a batch norm into the preceding convolution or linear layer: its scale into the weights, its
//! shift into the bias. Applies only with fixed weights; the folded weights are computed once.

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
    let mut nodes = std::mem::take(&mut graph.nodes);
    let mut index = 0;
    while index < nodes.len() {
        if let Some(producer) = foldable(graph, &nodes, index) {
            let norm = nodes.remove(index);
            let fold = fold(graph, &mut nodes[producer], &norm);
            nodes.insert(producer, fold);
        }
        index += 1;
    }
    graph.nodes = nodes;
}

/// The position of the layer that the batch norm at `index` can be folded into.
fn foldable(graph: &Graph, nodes: &[Node], index: usize) -> Option<usize> {
    let Op::BatchNorm(_) = nodes[index].op else { return None };
    let x = nodes[index].inputs[0];
    let read_elsewhere = nodes.iter().filter(|node| node.inputs.contains(&x)).count() > 1;
    if read_elsewhere || graph.outputs.contains(&x) {
        return None;
    }
    let producer = nodes[..index].iter().position(|node| node.outputs[0] == x)?;
    matches!(nodes[producer].op, Op::Conv(_) | Op::Linear(_)).then_some(producer)
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
