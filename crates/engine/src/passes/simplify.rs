//! Removes what does nothing: dropout outside training, flattening of what is flat, unread results.

use striate_graph::{Graph, Op};

use super::{Pass, replace_uses, trains};

pub(super) const PASS: Pass = Pass {
    name: "simplify",
    summary: "removes dropout outside training, flattening of what is flat, and unread results",
    run: simplify,
};

fn simplify(graph: &mut Graph) {
    let trains = trains(graph);
    for node in graph.nodes.clone() {
        let (input, output) = (node.inputs.first().copied(), node.outputs[0]);
        let idle = match &node.op {
            Op::Dropout(dropout) => !trains || dropout.probability == 0.0,
            Op::Flatten(_) | Op::Reshape(_) => input.is_some_and(|x| graph.shape(x) == graph.shape(output)),
            _ => false,
        };
        if let (true, Some(input)) = (idle, input) {
            replace_uses(graph, output, input);
            graph.nodes.retain(|other| other.name != node.name);
        }
    }
    graph.remove_dead_nodes();
}
