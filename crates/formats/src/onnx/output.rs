//! The tensor of a graph that becomes the network's output: the requested one, or else the one with the class scores.

use std::collections::{HashMap, HashSet};

use striate_tensor::{Error, Result};

use super::proto::{Graph, Node, ValueInfo};
use super::survey::{list, needed_nodes};
use crate::ReadOptions;
use crate::message::shown;

/// Largest number of candidates; with more, `--output` is required.
const MOST_CANDIDATES: usize = 32;
/// Operators that pick classes by their scores.
const PICKING: [&str; 3] = ["ArgMax", "ArgMin", "TopK"];
/// Largest number of reshaping operators between an output and the operator that picks its classes.
const MAX_RESHAPES: usize = 16;
/// Operators that give the same numbers another shape or type.
const RESHAPING: [&str; 6] = ["Cast", "Identity", "Squeeze", "Unsqueeze", "Reshape", "Flatten"];

/// Chooses the tensor that becomes the output: the one that `options` names, else the output of the graph. Of several,
/// those of floats `[N, K]` count, if there are any; of these, those by which classes are picked; and of these, the one
/// that is computed from all others. A choice among several is added to `notes`.
///
/// # Errors
/// If the graph has no such tensor, or several outputs remain.
pub(super) fn choose<'a>(
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
    if graph.outputs.len() == 1 {
        return Ok(first.name);
    }
    let candidates = candidates(graph);
    let chosen = match &heads(graph, &candidates)[..] {
        [] => first.name,
        [head] => head,
        several => {
            return Err(Error::input(format!(
                "{} of its {} outputs may be the scores ({}); select one with --output NAME",
                several.len(),
                graph.outputs.len(),
                list(several.iter().copied())
            )));
        }
    };
    notes.push(format!(
        "of its {} outputs ({}), {} is used; --output NAME selects another",
        graph.outputs.len(),
        outputs(),
        shown(chosen)
    ));
    Ok(chosen)
}

/// Returns the computed outputs of floats: those shaped like class scores, or else all.
fn candidates<'a>(graph: &Graph<'a>) -> Vec<&'a str> {
    let makers = makers(graph);
    let is_computed = |output: &&ValueInfo| makers.contains_key(output.name);
    let floats: Vec<&ValueInfo> = graph.outputs.iter().filter(is_float).filter(is_computed).collect();
    let scores: Vec<&ValueInfo> = floats.iter().copied().filter(|output| may_be_scores(output)).collect();
    let chosen = if scores.is_empty() { floats } else { scores };
    let mut seen = HashSet::new();
    let names = chosen.into_iter().map(|output| output.name).filter(|name| seen.insert(*name));
    // The output of ReduceMax is a single maximum, not the scores.
    let is_picked = |name: &str| picking(&makers, name).is_some() || makers[name].op == "ReduceMax";
    let (picked, other): (Vec<&str>, Vec<&str>) = names.partition(|name| is_picked(name));
    if other.is_empty() { picked } else { other }
}

/// Returns the `candidates` by which classes are picked, or else all, without those that others are computed from.
fn heads<'a>(graph: &Graph<'a>, candidates: &[&'a str]) -> Vec<&'a str> {
    if candidates.len() < 2 || candidates.len() > MOST_CANDIDATES {
        return candidates.to_vec();
    }
    let picking = graph.nodes.iter().filter(|node| PICKING.contains(&node.op));
    let picked_by: Vec<&str> = picking.filter_map(|node| node.inputs.first().copied()).collect();
    let picked_by = read_for(graph, &picked_by);
    let mut heads: Vec<&str> = candidates.iter().copied().filter(|name| picked_by.contains(name)).collect();
    if heads.is_empty() {
        heads = candidates.to_vec();
    }
    let mut read: HashSet<&str> = HashSet::new();
    for name in &heads {
        let mut before = read_for(graph, &[name]);
        before.remove(name);
        read.extend(before);
    }
    heads.retain(|name| !read.contains(name));
    heads
}

/// Returns `tensors` and everything they depend on.
fn read_for<'a>(graph: &Graph<'a>, tensors: &[&'a str]) -> HashSet<&'a str> {
    let needed = needed_nodes(graph, tensors);
    let inputs = needed.iter().flat_map(|index| graph.nodes[*index].inputs.iter().copied());
    inputs.chain(tensors.iter().copied()).collect()
}

/// Returns the nodes by the names of their outputs.
fn makers<'g, 'a>(graph: &'g Graph<'a>) -> HashMap<&'a str, &'g Node<'a>> {
    graph.nodes.iter().flat_map(|node| node.outputs.iter().map(move |name| (*name, node))).collect()
}

/// Whether an output may contain floats.
fn is_float(output: &&ValueInfo) -> bool {
    output.element_type.is_none_or(|kind| matches!(kind, 0 | 1 | 10 | 11 | 16))
}

/// Whether an output is `[N, K]` or `[N, K, 1, …]`, as far as its shape is stated.
fn may_be_scores(output: &ValueInfo) -> bool {
    let is_one = |extent: &i64| *extent == 1;
    output.extents.as_ref().is_none_or(|extents| extents.len() >= 2 && extents[2..].iter().all(is_one))
}

/// Refuses an output that is the index of the largest score.
///
/// # Errors
/// If it is; the message names the scores.
pub(super) fn check(graph: &Graph, output: &str) -> Result<()> {
    match picking(&makers(graph), output) {
        None => Ok(()),
        Some((op, source)) => Err(Error::input(format!(
            "its output {} contains class indices ({op} of {source}); select the tensor with the scores: --output {source}",
            shown(output),
            source = shown(source)
        ))),
    }
}

/// Returns the operator that produces `output` by picking classes, up to its shape and type, and its input.
fn picking<'a>(makers: &HashMap<&'a str, &Node<'a>>, output: &str) -> Option<(&'a str, &'a str)> {
    let mut name = output;
    // Bounds the work for each output; a file with a cycle of nodes is refused later.
    for _ in 0..=MAX_RESHAPES {
        let node = makers.get(name)?;
        let source = node.inputs.first()?;
        match node.op {
            op if RESHAPING.contains(&op) => name = source,
            op if PICKING.contains(&op) => return Some((op, source)),
            _ => return None,
        }
    }
    None
}
