//! Fuses the gradient of an activation into that of a batch norm that is the first to read it, with the sum before it:
//! in a residual network, the gradients of the end of a unit take one pass for the sums over the batch and one for dx.

use std::collections::HashMap;

use striate_graph::ops::{Activation, BatchNormResidualGradient};
use striate_graph::{Graph, Node, Op, ValueId};

use super::Pass;

pub(super) const PASS: Pass = Pass {
    name: "residual_gradient",
    summary: "fuse the gradients at the end of a residual unit",
    run: fuse_residual_gradients,
};

fn fuse_residual_gradients(graph: &mut Graph) {
    let mut nodes: Vec<Option<Node>> = std::mem::take(&mut graph.nodes).into_iter().map(Some).collect();
    let values = Values::new(graph, &nodes);
    for index in 0..nodes.len() {
        let Some(fusion) = values.fusable(graph, &nodes, index) else { continue };
        let activation = nodes[fusion.activation].take().expect("a fused node is present");
        let sum = fusion.sum.and_then(|sum| nodes[sum].take());
        let node = nodes[index].as_mut().expect("the node was just read");
        merge(node, &activation, sum.as_ref());
    }
    graph.nodes = nodes.into_iter().flatten().collect();
}

/// What the gradient of a batch norm can be fused with, as indices of nodes.
struct Fusion {
    activation: usize,
    sum: Option<usize>,
}

struct Values {
    /// The node that computes each value.
    producers: HashMap<ValueId, usize>,
    /// The first node that reads each value.
    first_readers: HashMap<ValueId, usize>,
    /// How often each value is read by nodes or as an output.
    readers: Vec<usize>,
}

impl Values {
    fn new(graph: &Graph, nodes: &[Option<Node>]) -> Values {
        let (mut producers, mut first_readers) = (HashMap::new(), HashMap::new());
        let mut readers = vec![0; graph.values.len()];
        for (index, node) in
            nodes.iter().enumerate().filter_map(|(index, node)| Some((index, node.as_ref()?)))
        {
            node.inputs.iter().for_each(|id| _ = first_readers.entry(*id).or_insert(index));
            node.inputs.iter().for_each(|id| readers[id.0] += 1);
            node.outputs.iter().for_each(|id| _ = producers.insert(*id, index));
        }
        graph.outputs.iter().for_each(|id| readers[id.0] += 1);
        Values { producers, first_readers, readers }
    }

    fn fusable(&self, graph: &Graph, nodes: &[Option<Node>], index: usize) -> Option<Fusion> {
        let node = nodes[index].as_ref()?;
        let Op::BatchNormGradient(gradient) = &node.op else { return None };
        let dy = node.inputs[1];
        if gradient.activation != Activation::None || self.first_readers[&dy] != index {
            return None;
        }
        let activation = *self.producers.get(&dy)?;
        let Op::ActivationGradient(_) = nodes[activation].as_ref()?.op else { return None };
        let result = nodes[activation].as_ref()?.inputs[1];
        let sum = self.producers.get(&result).copied().filter(|sum| {
            let Some(Node { op: Op::Add(_), inputs, .. }) = &nodes[*sum] else { return false };
            self.readers[result.0] == 1 && graph.shape(inputs[0]) == graph.shape(inputs[1])
        });
        Some(Fusion { activation, sum })
    }
}

/// Turns the gradient of a batch norm, `node`, into that with the activation and the sum.
fn merge(node: &mut Node, activation: &Node, sum: Option<&Node>) {
    let (Op::BatchNormGradient(gradient), Op::ActivationGradient(of)) = (&node.op, &activation.op) else {
        unreachable!("no other operations are fused")
    };
    let merged = sum.into_iter().chain([activation]).map(|node| format!("{}+", node.name));
    node.name = merged.chain([node.name.clone()]).collect();
    let is_sum = sum.is_some();
    node.op = BatchNormResidualGradient { norm: gradient.norm.clone(), activation: of.0, is_sum }.into();
    node.outputs.push(node.inputs[1]);
    let addends = sum.map_or(&activation.inputs[1..], |sum| &sum.inputs);
    node.inputs[1] = addends[0];
    node.inputs.push(activation.inputs[0]);
    node.inputs.extend(&addends[1..]);
}

#[cfg(test)]
mod tests {
    use striate_graph::{Builder, Network, Optimizer, TrainingSpec, training_graph};

    use super::*;

    /// Two residual units; the second has a batch norm on its shortcut too.
    fn residual() -> Network {
        let builder = Builder::new("residual", [4, 6, 6]);
        let x = builder.input().conv(4, 3).pad(1);
        let x = (x.conv(4, 3).pad(1).no_bias().batch_norm() + x).relu();
        let short = x.conv(8, 1).no_bias().batch_norm();
        let x = (x.conv(8, 3).pad(1).no_bias().batch_norm() + short).relu();
        x.conv(2, 1).global_average_pool().flatten().finish().unwrap()
    }

    #[test]
    fn gradients_at_the_end_of_a_residual_unit_are_one_operation() {
        let sgd = Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
        let network = residual();
        let whole = network.graph_with_heads(&network.input_shape(2)).unwrap();
        let mut graph = training_graph(&whole, &TrainingSpec::new(sgd)).unwrap();
        let count =
            |graph: &Graph, name: &str| graph.nodes.iter().filter(|node| node.op.name() == name).count();
        let before = ["activation_gradient", "add", "batch_norm_gradient"].map(|name| count(&graph, name));
        fuse_residual_gradients(&mut graph);
        let after = ["activation_gradient", "add", "batch_norm_gradient"].map(|name| count(&graph, name));
        // The sum of gradients after the first unit is fused, that before it has no activation; the second batch norm
        // of the second unit reads what the first one computes.
        assert_eq!((before, after), ([2, 4, 3], [0, 3, 1]));
        let sums = graph.nodes.iter().filter_map(|node| match &node.op {
            Op::BatchNormResidualGradient(gradient) => Some(gradient.is_sum),
            _ => None,
        });
        assert_eq!(sums.collect::<Vec<_>>(), [false, true]);
        let mut known: Vec<bool> = vec![false; graph.values.len()];
        let given = |id: ValueId| graph.value(id).role().is_some() || graph.inputs.contains(&id);
        for node in &graph.nodes {
            assert!(node.inputs.iter().all(|id| known[id.0] || given(*id)), "{} reads too early", node.name);
            node.outputs.iter().for_each(|id| known[id.0] = true);
        }
    }
}
