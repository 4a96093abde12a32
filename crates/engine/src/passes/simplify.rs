//! Removes operations without effect: dropout in inference, reshapes to the same shape, unused results.

use std::collections::HashMap;

use striate_graph::{Graph, Op, ValueId};

use super::{Pass, trains};

pub(super) const PASS: Pass = Pass {
    name: "simplify",
    summary: "remove dropout in inference, reshapes without effect, and unused results",
    run: simplify,
};

fn simplify(graph: &mut Graph) {
    let trains = trains(graph);
    // The original of each value that is only a copy.
    let mut originals: HashMap<ValueId, ValueId> = HashMap::new();
    for mut node in std::mem::take(&mut graph.nodes) {
        node.inputs.iter_mut().for_each(|id| *id = originals.get(id).copied().unwrap_or(*id));
        let (input, output) = (node.inputs.first().copied(), node.outputs[0]);
        let is_identity = match &node.op {
            Op::Dropout(dropout) => !trains || dropout.probability == 0.0,
            // A constant's input is a variable, which is not replaced.
            op => {
                let is_same = |x| graph.value(x).role().is_none() && graph.shape(x) == graph.shape(output);
                op.is_view() && input.is_some_and(is_same)
            }
        };
        match input.filter(|_| is_identity) {
            Some(input) => _ = originals.insert(output, input),
            None => graph.nodes.push(node),
        }
    }
    graph.outputs.iter_mut().for_each(|id| *id = originals.get(id).copied().unwrap_or(*id));
    graph.remove_dead_nodes();
}
