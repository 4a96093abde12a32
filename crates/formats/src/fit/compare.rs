//! Compares tensors with a network's variables, and describes the differences on one line.

use std::collections::{HashMap, HashSet};

use striate_graph::Network;
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape};

use super::{COUNTERS, shapes};
use crate::Weights;
use crate::message::shown;

/// Largest number of names shown in a message.
const SHOWN: usize = 4;

/// Checks that `weights` match `network` exactly; those of its auxiliary heads may be absent.
///
/// # Errors
/// If they do not; the message counts and names what is missing, unexpected and of the wrong shape.
pub fn check_weights(network: &Network, weights: &Weights) -> Result<()> {
    let difference = Difference::between(network, shapes(weights), &[])?;
    if difference.is_none() { Ok(()) } else { Err(Error::input(difference.line())) }
}

/// The differences between tensors and a network's variables.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    network: String,
    /// The number of the network's variables.
    wanted: usize,
    missing: Vec<String>,
    unexpected: Vec<String>,
    /// Names with the actual shape and the expected one.
    misshapen: Vec<String>,
}

impl Difference {
    /// The difference between `given` and the variables of `network`, of which those in `absent` and those of
    /// auxiliary heads may be absent.
    pub fn between<'a>(
        network: &Network,
        given: impl Iterator<Item = (&'a str, &'a Shape)> + Clone,
        absent: &[String],
    ) -> Result<Difference> {
        let wanted = network.variables()?;
        let auxiliary = network.auxiliary_variables()?;
        let known: HashMap<&str, &Shape> =
            wanted.iter().chain(&auxiliary).map(|(name, shape)| (name.as_str(), shape)).collect();
        let held: HashSet<&str> = given.clone().map(|(name, _)| name).collect();
        let is_missing = |name: &&String| !held.contains(name.as_str()) && !absent.contains(name);
        let mut difference = Difference {
            network: network.name.clone(),
            wanted: wanted.len(),
            missing: wanted.iter().map(|(name, _)| name).filter(is_missing).cloned().collect(),
            ..Difference::default()
        };
        for (name, given) in given {
            let is_counter = || COUNTERS.iter().any(|counter| name.ends_with(counter));
            match known.get(name) {
                Some(shape) if *shape == given => {}
                Some(shape) => {
                    difference.misshapen.push(format!("{} {given} instead of {shape}", shown(name)));
                }
                None if is_counter() => {}
                None => difference.unexpected.push(name.to_owned()),
            }
        }
        difference.unexpected.sort_unstable();
        Ok(difference)
    }

    /// Whether names and shapes all match.
    pub fn is_none(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshapen.is_empty()
    }

    /// Whether variables of the network are missing.
    pub fn lacks_parameters(&self) -> bool {
        !self.missing.is_empty()
    }

    /// Describes what is missing, unexpected and of the wrong shape, on one line.
    pub fn line(&self) -> String {
        let mut parts = Vec::new();
        if let Some(first) = self.missing.first() {
            parts.push(format!(
                "{} missing, first {}",
                counted(self.missing.len(), "parameter"),
                shown(first)
            ));
        }
        if !self.unexpected.is_empty() {
            let count = counted(self.unexpected.len(), "tensor");
            parts.push(format!("{count} unexpected: {}", listed(&self.unexpected)));
        }
        if let Some(first) = self.misshapen.first() {
            parts.push(format!(
                "{} of the wrong shape, first {first}",
                counted(self.misshapen.len(), "tensor")
            ));
        }
        parts.join("; ")
    }

    /// The error about a file's tensors, with advice.
    pub fn refusal(&self) -> Error {
        let error = Error::input(self.line());
        if 2 * (self.missing.len() + self.misshapen.len()) > self.wanted {
            return error
                .advising(format!("do they belong to a network other than {}?", shown(&self.network)));
        }
        match self.missing.is_empty() && self.misshapen.is_empty() {
            true => error.advising("use --ignore-unexpected to ignore them"),
            false => {
                error.advising("`striate inspect FILE` lists its tensors and the networks that they fit")
            }
        }
    }
}

/// Lists the first few of `names`.
pub(crate) fn listed(names: &[impl AsRef<str>]) -> String {
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let few: Vec<String> = names.iter().take(SHOWN).map(|name| shown(name.as_ref())).collect();
    few.join(", ") + more
}
