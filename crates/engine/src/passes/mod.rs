//! Passes from graph to graph. Each has its own file; lists give their order. Neutral passes are for every device;
//! those of fusion are for devices whose kernels compute several operations at once.

pub(crate) mod autocast;
mod fold_batch_norm;
mod fuse;
mod prepare;
mod residual_gradient;
mod simplify;

use std::collections::BTreeSet;

use striate_graph::{Graph, Role, ValueId};
use striate_tensor::{Error, Result, nearest};

/// A transformation of a graph that preserves its results.
#[derive(Clone, Copy)]
pub struct Pass {
    /// The name, by which it can be disabled.
    pub name: &'static str,
    /// A one-line summary.
    pub summary: &'static str,
    /// Applies the transformation.
    pub run: fn(&mut Graph),
}

/// The neutral passes, in order.
pub const NEUTRAL: &[Pass] = &[simplify::PASS, prepare::PASS, fold_batch_norm::PASS];

/// The passes of fusion, in order.
pub const FUSION: &[Pass] = &[fuse::PASS, residual_gradient::PASS];

/// The names of disabled passes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disabled(BTreeSet<String>);

impl Disabled {
    /// Disables no pass.
    pub fn none() -> Self {
        Disabled::default()
    }

    /// Disables the passes with the given names.
    ///
    /// # Errors
    /// If a name is unknown.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let known = all_names();
        let check = |name: &str| match known.contains(&name) {
            true => Ok(name.to_owned()),
            false => {
                let hint = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("choose from {}", known.join(", ")),
                };
                Err(Error::input(format!("unknown pass {name}; {hint}")))
            }
        };
        Ok(Disabled(names.into_iter().map(check).collect::<Result<_>>()?))
    }

    /// Whether the pass `name` is disabled.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

/// The names of all passes, neutral ones and those of the CPU, in order.
pub fn all_names() -> Vec<&'static str> {
    NEUTRAL.iter().map(|pass| pass.name).chain(crate::cpu::PASS_NAMES.iter().copied()).collect()
}

/// Applies the neutral passes to `graph`.
pub fn run_neutral(graph: &mut Graph, disabled: &Disabled) {
    run(NEUTRAL, graph, disabled);
}

/// Applies `passes` to `graph`, except disabled ones.
pub fn run(passes: &[Pass], graph: &mut Graph, disabled: &Disabled) {
    for pass in passes.iter().filter(|pass| !disabled.contains(pass.name)) {
        (pass.run)(graph);
    }
}

/// Whether `graph` updates its parameters, in which case nothing may be precomputed from them.
pub fn trains(graph: &Graph) -> bool {
    let changes = |id: &ValueId| graph.value(*id).role() == Some(Role::Parameter);
    graph.nodes.iter().any(|node| node.outputs.iter().any(changes))
}
