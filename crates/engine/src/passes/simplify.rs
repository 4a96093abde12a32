//! Removes operations without effect: dropout in inference, reshapes to the same shape, unused results.

use striate_graph::{Graph, Op};

use super::{Pass, replace_uses, trains};

pub(super) const PASS: Pass = Pass {
    name: "simplify",
    summary: "remove dropout in inference, reshapes without effect, and unused results",
    run: simplify,
};

fn simplify(graph: &mut Graph) {
    let trains = trains(graph);
    for node in graph.nodes.clone() {
        let (input, output) = (node.inputs.first().copied(), node.outputs[0]);
        let is_identity = match &node.op {
            Op::Dropout(dropout) => !trains || dropout.probability == 0.0,
            Op::Flatten(_) | Op::Reshape(_) => input.is_some_and(|x| graph.shape(x) == graph.shape(output)),
            _ => false,
        };
        if let (true, Some(input)) = (is_identity, input) {
            replace_uses(graph, output, input);
            graph.nodes.retain(|other| other.name != node.name);
        }
    }
    graph.remove_dead_nodes();
}
