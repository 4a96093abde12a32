//! Neutral passes: graph to graph, for every backend. One file each; the list is their order.

mod fold_batch_norm;
mod prepare;
mod simplify;

use std::collections::BTreeSet;

use striate_graph::{Graph, Role, ValueId};
use striate_tensor::{Error, Result, nearest};

/// A change of a graph that keeps its meaning.
#[derive(Clone, Copy)]
pub struct Pass {
    /// The name by which it is switched off.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Does it.
    pub run: fn(&mut Graph),
}

/// The neutral passes, in order.
pub const NEUTRAL: &[Pass] = &[simplify::PASS, prepare::PASS, fold_batch_norm::PASS];

/// Passes that are switched off, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disabled(BTreeSet<String>);

impl Disabled {
    /// All passes run.
    pub fn none() -> Self {
        Disabled::default()
    }

    /// The passes called `names` do not run.
    ///
    /// # Errors
    /// If there is no pass of a name.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let known = all_names();
        let check = |name: &str| match known.contains(&name) {
            true => Ok(name.to_owned()),
            false => {
                let hint = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("known are {}", known.join(", ")),
                };
                Err(Error::input(format!("unknown pass {name}; {hint}")))
            }
        };
        Ok(Disabled(names.into_iter().map(check).collect::<Result<_>>()?))
    }

    /// Whether the pass `name` does not run.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

/// The names of all passes, neutral and the CPU's, in order.
pub fn all_names() -> Vec<&'static str> {
    NEUTRAL.iter().map(|pass| pass.name).chain(crate::cpu::PASS_NAMES.iter().copied()).collect()
}

/// Runs the neutral passes over `graph`.
pub fn run_neutral(graph: &mut Graph, disabled: &Disabled) {
    for pass in NEUTRAL.iter().filter(|pass| !disabled.contains(pass.name)) {
        (pass.run)(graph);
    }
}

/// Whether `graph` changes its parameters, so that nothing may be computed from them beforehand.
pub(crate) fn trains(graph: &Graph) -> bool {
    let changes = |id: &ValueId| graph.value(*id).role() == Some(Role::Parameter);
    graph.nodes.iter().any(|node| node.outputs.iter().any(changes))
}

/// Lets everyone who reads `old` read `new`.
pub(crate) fn replace_uses(graph: &mut Graph, old: ValueId, new: ValueId) {
    let inputs = graph.nodes.iter_mut().flat_map(|node| node.inputs.iter_mut());
    inputs.chain(graph.outputs.iter_mut()).filter(|id| **id == old).for_each(|id| *id = new);
}
