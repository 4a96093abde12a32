//! Moves nodes that depend only on fixed weights to the preparation, which runs once.

use std::collections::HashSet;

use striate_graph::{Graph, Segment, ValueId};

use super::{Pass, trains};

pub(super) const PASS: Pass =
    Pass { name: "prepare", summary: "compute once what depends only on fixed weights", run: prepare };

fn prepare(graph: &mut Graph) {
    if trains(graph) {
        return;
    }
    let mut nodes = std::mem::take(&mut graph.nodes);
    let mut fixed: HashSet<ValueId> = HashSet::new();
    for node in &mut nodes {
        let is_fixed = |id: &ValueId| fixed.contains(id) || graph.value(*id).role().is_some();
        let is_visible = |id: &ValueId| graph.outputs.contains(id) || graph.value(*id).role().is_some();
        // Views cost nothing wherever they run.
        if !node.op.is_view() && node.inputs.iter().all(is_fixed) && !node.outputs.iter().any(is_visible) {
            node.segment = Segment::Prepare;
            fixed.extend(&node.outputs);
        }
    }
    graph.nodes = nodes;
}
