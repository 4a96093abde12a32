//! Examines a graph before any of its nodes is read: the nodes that an output depends on, and unsupported operators.

use std::collections::{BTreeMap, HashSet};

use striate_tensor::{Error, Result};

use super::proto::Graph;
use super::rules::rule_of;
use crate::message::shown;

/// Largest number of names listed in a message.
const LISTED: usize = 12;

/// Returns the nodes that `tensors` depend on, in the file's order, which is the order of computation.
pub(super) fn needed_nodes(graph: &Graph, tensors: &[&str]) -> Vec<usize> {
    let mut wanted: HashSet<&str> = tensors.iter().copied().collect();
    let mut needed = Vec::new();
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|name| !name.is_empty() && wanted.contains(name)) {
            wanted.extend(&node.inputs);
            needed.push(index);
        }
    }
    needed.reverse();
    needed
}

/// Refuses unsupported operators, all at once, each with the number of its nodes.
pub(super) fn check_operators(graph: &Graph, needed: &[usize]) -> Result<()> {
    let mut unknown: BTreeMap<String, usize> = BTreeMap::new();
    for node in needed.iter().map(|index| &graph.nodes[*index]).filter(|node| rule_of(node).is_none()) {
        let name = match node.domain {
            "" | "ai.onnx" => shown(node.op),
            domain => format!("{}.{}", shown(domain), shown(node.op)),
        };
        *unknown.entry(name).or_default() += 1;
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let count = unknown.len();
    let mut listed: Vec<String> =
        unknown.iter().take(LISTED).map(|(name, nodes)| format!("{name} ({nodes})")).collect();
    if count > LISTED {
        listed.push(format!("and {} more", count - LISTED));
    }
    let operators = if count == 1 { "an operator that is" } else { "operators that are" };
    Err(Error::input(format!("uses {operators} not supported: {}", listed.join(", "))))
}

/// The first few of `names`, for a message.
pub(super) fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let mut listed: Vec<String> = names.take(LISTED).map(shown).collect();
    if more > 0 {
        listed.push(format!("and {more} more"));
    }
    listed.join(", ")
}
