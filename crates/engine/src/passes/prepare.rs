//! Computes once what depends on fixed weights alone.

use std::collections::HashSet;

use striate_graph::{Graph, Op, Segment, ValueId};

use super::{Pass, trains};

pub(super) const PASS: Pass =
    Pass { name: "prepare", summary: "computes once what depends on fixed weights alone", run: prepare };

fn prepare(graph: &mut Graph) {
    if trains(graph) {
        return;
    }
    let mut nodes = std::mem::take(&mut graph.nodes);
    let mut fixed: HashSet<ValueId> = HashSet::new();
    for node in &mut nodes {
        let is_fixed = |id: &ValueId| fixed.contains(id) || graph.value(*id).role().is_some();
        let wanted = |id: &ValueId| graph.outputs.contains(id) || graph.value(*id).role().is_some();
        // Another shape of the same bytes costs nothing wherever it is.
        let is_alias = matches!(node.op, Op::Flatten(_) | Op::Reshape(_) | Op::Constant(_));
        if !is_alias && node.inputs.iter().all(is_fixed) && !node.outputs.iter().any(wanted) {
            node.segment = Segment::Prepare;
            fixed.extend(&node.outputs);
        }
    }
    graph.nodes = nodes;
}
