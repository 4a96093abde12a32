//! Examines a graph before any of its nodes is read: the requested output, the nodes it depends on, and
//! unsupported operators.

use std::collections::{BTreeMap, HashMap, HashSet};

use striate_tensor::{Error, Result};

use super::proto::{Graph, Node, ValueInfo};
use super::rules::rule_of;
use crate::ReadOptions;
use crate::message::shown;

/// Largest number of names listed in a message.
const LISTED: usize = 12;

/// Chooses the tensor that becomes the output: the one that `options` names, or else an output of the graph: of
/// several, the first with floats `[N, K]`, or else the first with floats. A choice among several is added to `notes`.
pub(super) fn output<'a>(
    graph: &Graph<'a>,
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<&'a str> {
    let outputs = || list(graph.outputs.iter().map(|output| output.name));
    if let Some(wanted) = &options.output {
        let made = graph.nodes.iter().flat_map(|node| &node.outputs).copied();
        let mut all = graph.outputs.iter().map(|output| output.name).chain(made);
        return all.find(|name| name == wanted && !name.is_empty()).ok_or_else(|| {
            let what = format!("has no tensor {}; its outputs are {}", shown(wanted), outputs());
            Error::input(what)
        });
    }
    let first = graph.outputs.first().ok_or_else(|| Error::input("its graph has no output"))?;
    let scores = graph.outputs.iter().find(|output| is_float(output) && is_matrix(output));
    let floats = || graph.outputs.iter().find(|output| is_float(output));
    let chosen = scores.or_else(floats).unwrap_or(first);
    if graph.outputs.len() > 1 {
        notes.push(format!(
            "of its {} outputs ({}), {} is used; --output NAME selects another",
            graph.outputs.len(),
            outputs(),
            shown(chosen.name)
        ));
    }
    Ok(chosen.name)
}

/// Whether an output may contain floats.
fn is_float(output: &ValueInfo) -> bool {
    output.element_type.is_none_or(|kind| matches!(kind, 0 | 1 | 10 | 11 | 16))
}

/// Whether the stated shape of an output is `[N, K]`.
fn is_matrix(output: &ValueInfo) -> bool {
    output.extents.as_ref().is_some_and(|extents| extents.len() == 2)
}

/// Returns the nodes that `output` depends on, in the file's order, which is the order of computation.
pub(super) fn needed_nodes(graph: &Graph, output: &str) -> Vec<usize> {
    let mut wanted: HashSet<&str> = HashSet::from([output]);
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

/// Refuses an output that is the index of the largest score.
pub(super) fn check_output(graph: &Graph, needed: &[usize], output: &str) -> Result<()> {
    let makers: HashMap<&str, &Node> = needed
        .iter()
        .map(|index| &graph.nodes[*index])
        .flat_map(|node| node.outputs.iter().map(move |name| (*name, node)))
        .collect();
    let mut name = output;
    // A file with a cycle of nodes is refused later.
    for _ in 0..=needed.len() {
        let Some(node) = makers.get(name) else { return Ok(()) };
        let Some(source) = node.inputs.first() else { return Ok(()) };
        match node.op {
            "Cast" | "Identity" | "Squeeze" | "Unsqueeze" | "Reshape" | "Flatten" => name = source,
            "ArgMax" | "ArgMin" | "TopK" => {
                return Err(Error::input(format!(
                    "its output {} contains class indices ({} of {source}); select the tensor with the scores: --output {source}",
                    shown(output),
                    node.op,
                    source = shown(source)
                )));
            }
            _ => return Ok(()),
        }
    }
    Ok(())
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
