//! Casts that passes insert: copies of values in another element type or order.

use std::collections::HashSet;

use striate_graph::ops::Cast;
use striate_graph::{Graph, Kind, Node, Segment, ValueId};
use striate_tensor::DType;

/// What decides when a value can be cast.
pub(crate) struct Casts {
    trains: bool,
    /// Values that are computed once.
    prepared: HashSet<ValueId>,
}

impl Casts {
    /// Looks at the nodes of `graph`.
    pub fn new(graph: &Graph) -> Casts {
        let prepared = graph.nodes.iter().filter(|node| node.segment == Segment::Prepare);
        let prepared = prepared.flat_map(|node| node.outputs.iter().copied()).collect();
        Casts { trains: striate_engine::passes::trains(graph), prepared }
    }

    /// The segment of a node that copies `id` for a node of `reader`: once if `id` is fixed.
    pub fn segment(&mut self, graph: &Graph, id: ValueId, copy: ValueId, reader: Segment) -> Segment {
        let is_fixed = !self.trains && (graph.value(id).role().is_some() || self.prepared.contains(&id));
        match is_fixed {
            true => {
                self.prepared.insert(copy);
                Segment::Prepare
            }
            false => reader,
        }
    }
}

/// Adds a value of type `dtype` in the shape of `like`.
pub(crate) fn add_copy(graph: &mut Graph, like: ValueId, suffix: &str, dtype: DType) -> ValueId {
    let (name, shape) = (format!("{}.{suffix}", graph.value(like).name), graph.shape(like).clone());
    graph.add_value(name, shape, dtype, Kind::Computed)
}

/// The cast of `from` to the type and order of `to`.
pub(crate) fn cast(graph: &Graph, from: ValueId, to: ValueId, segment: Segment) -> Node {
    let dtype = graph.value(to).dtype;
    let name = format!("cast/{}", graph.value(from).name);
    Node { name, op: Cast { dtype }.into(), inputs: vec![from], outputs: vec![to], segment }
}
