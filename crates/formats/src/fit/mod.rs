//! The weights of a file brought to the names of a network, and checked against its shapes.

mod compare;
mod names;

use std::collections::{BTreeSet, HashMap};

use striate_graph::Network;
use striate_tensor::{Error, Result, Shape};

pub use compare::check_weights;
pub(crate) use compare::{Difference, listed};
pub(crate) use names::{Known, Placement, is_averaged};

use crate::Weights;
use crate::caffe::as_torchvision;
use crate::message::shown;

/// What the names of auxiliary heads begin with, in torchvision's networks and in Caffe's.
const AUXILIARY: [&str; 5] = ["aux1.", "aux2.", "AuxLogits.", "loss1/", "loss2/"];
/// A counter of PyTorch's batch norm, which nothing needs.
pub(crate) const COUNTER: &str = "num_batches_tracked";
/// Counters of PyTorch's modules, which nothing needs; the second is that of averaged models.
pub(crate) const COUNTERS: [&str; 2] = [COUNTER, "n_averaged"];
/// What batch norms keep beside their parameters.
const STATISTICS: [&str; 3] = ["running_mean", "running_var", COUNTER];

/// Returns the number of trainable parameters: all but the statistics of batch norms.
pub fn count_parameters(weights: &Weights) -> usize {
    let is_statistic = |name: &str| STATISTICS.iter().any(|statistic| name.ends_with(statistic));
    weights.iter().filter(|(name, _)| !is_statistic(name)).map(|(_, (_, values))| values.len()).sum()
}

/// A last layer, with those of auxiliary heads, as it stands in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// The number of its classes.
    pub classes: usize,
    /// Its variables, by the network's names.
    pub variables: Vec<String>,
}

/// Weights that are those of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// By the network's names.
    pub weights: Weights,
    /// A last layer for another number of classes, which the weights leave out.
    pub replaced: Option<Head>,
    /// What was renamed or left aside, for a person to read; a line each.
    pub notes: Vec<String>,
}

/// Brings `weights` to the names of `network`: prefixes without which names fit are removed, counters are dropped,
/// Caffe's names become torchvision's where the network has those, auxiliary heads may be absent or superfluous. If
/// all that does not fit is a last layer for another number of classes, its variables are left out.
///
/// # Errors
/// If they are another network's (the message counts and names what is missing, unexpected and of the wrong shape),
/// or hold NaN or infinite values.
pub fn fit(network: &Network, weights: Weights) -> Result<Fitted> {
    let mut notes = Vec::new();
    let known = Known::of(network)?;
    let wanted: HashMap<String, Shape> = network.variables()?.into_iter().collect();
    let auxiliary: HashMap<String, Shape> = network.auxiliary_variables()?.into_iter().collect();
    let mut weights = renamed(weights, &known, &mut notes);
    if !weights.keys().any(|name| wanted.contains_key(name) && !is_shared(name))
        && let Some(renamed) = as_torchvision(&network.name, &weights)
    {
        weights = renamed;
        notes.push("Caffe's layer names were translated to torchvision's".into());
    }
    set_aside(&mut weights, &known, &auxiliary, &mut notes);
    let replaced = other_classes(network, &weights)?;
    if let Some(Head { classes, variables }) = &replaced {
        let (first, now) = (&variables[0], network.classes()?);
        weights.retain(|name, _| !variables.contains(name));
        notes.push(format!(
            "a new last layer for {now} classes in place of one for {classes} ({first} and {} more)",
            variables.len() - 1
        ));
    }
    let absent = replaced.as_ref().map_or(&[][..], |head| &head.variables);
    let difference = Difference::between(network, shapes(&weights), absent)?;
    if !difference.is_none() {
        return Err(difference.refusal());
    }
    check_finite(&weights)?;
    Ok(Fitted { weights, replaced, notes })
}

/// Refuses NaN and infinite values.
pub(crate) fn check_finite(weights: &Weights) -> Result<()> {
    match weights.iter().find(|(_, (_, values))| values.iter().any(|x| !x.is_finite())) {
        None => Ok(()),
        Some((name, _)) => {
            let name = shown(name);
            Err(Error::input(format!(
                "{name} holds NaN or infinite values: the training that wrote it diverged; \
                 take an earlier checkpoint"
            )))
        }
    }
}

/// Names and shapes of `weights`.
pub(crate) fn shapes(weights: &Weights) -> impl Iterator<Item = (&str, &Shape)> + Clone {
    weights.iter().map(|(name, (shape, _))| (name.as_str(), shape))
}

/// Names in `weights` that stand for nothing in `network`; none if it has none of the names.
pub(crate) fn unexpected(network: &Network, weights: &Weights) -> Result<Vec<String>> {
    let known = Known::of(network)?;
    let placement = known.place(shapes(weights));
    let is_another = placement.matched.is_empty();
    let unexpected = placement.unexpected.into_iter().filter(|_| !is_another);
    Ok(unexpected.map(str::to_owned).collect())
}

/// Whether Caffe and torchvision have the layer of this variable under one name.
fn is_shared(name: &str) -> bool {
    name.starts_with("conv1.")
}

/// `weights` without the prefixes of their names and without counters.
fn renamed(mut weights: Weights, known: &Known, notes: &mut Vec<String>) -> Weights {
    weights.retain(|name, _| !COUNTERS.iter().any(|counter| name.ends_with(counter)));
    let placement = known.place(shapes(&weights));
    notes.extend(prefix_notes(&placement, weights.len()));
    // An auxiliary head is recognized without the prefix that most names have.
    let main = placement.prefixes.first().map_or("", |(prefix, _)| prefix);
    let is_head = |name: &&str| {
        let own = name.strip_prefix(main);
        own.is_some_and(|own| AUXILIARY.iter().any(|head| own.starts_with(head)))
    };
    let heads = placement.unexpected.iter().copied().filter(is_head);
    let heads: Vec<(&str, &str)> = heads.map(|name| (name, &name[main.len()..])).collect();
    let moves: HashMap<String, String> = (placement.matched.iter().chain(&heads))
        .filter(|(from, to)| from != to)
        .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
        .collect();
    if moves.is_empty() {
        return weights;
    }
    let (moved, mut kept): (Weights, Weights) =
        weights.into_iter().partition(|(name, _)| moves.contains_key(name));
    kept.extend(moved.into_iter().map(|(name, tensor)| (moves[&name].clone(), tensor)));
    kept
}

/// Returns the notes on prefixes, for a person.
fn prefix_notes(placement: &Placement, names: usize) -> Vec<String> {
    let mut notes = Vec::new();
    for (prefix, count) in placement.prefixes.iter().filter(|(prefix, _)| !prefix.is_empty()) {
        let prefix = shown(prefix);
        notes.push(match *count == names {
            true => format!("the prefix {prefix} of its names is removed"),
            false => format!("the prefix {prefix} of {count} of its {names} names is removed"),
        });
    }
    if let Some(rival) = placement.rival {
        let key = shown(rival.trim_end_matches('.'));
        notes.push(match key.as_str() {
            "" => "names without a prefix fit as well".to_owned(),
            _ => format!("names with the prefix {key}. fit as well: --key {key} takes them"),
        });
    }
    notes
}

/// Drops auxiliary heads that the network does not have, and reports which of its own are missing.
fn set_aside(
    weights: &mut Weights,
    known: &Known,
    auxiliary: &HashMap<String, Shape>,
    notes: &mut Vec<String>,
) {
    let head = |name: &String| AUXILIARY.into_iter().find(|head| name.starts_with(head));
    let mut heads = BTreeSet::new();
    weights.retain(|name, _| match head(name).filter(|_| !known.contains(name)) {
        Some(head) => {
            heads.insert(head.trim_end_matches(['.', '/']));
            false
        }
        None => true,
    });
    if !heads.is_empty() {
        let heads: Vec<&str> = heads.into_iter().collect();
        notes.push(format!("auxiliary heads left aside: {}", heads.join(", ")));
    }
    let absent = auxiliary.keys().filter(|name| !weights.contains_key(*name)).count();
    if absent > 0 {
        notes.push(format!("the auxiliary heads lack {absent} tensors, which only training needs"));
    }
}

/// The last layer in `weights`, if they are those of `network` with another number of classes.
fn other_classes(network: &Network, weights: &Weights) -> Result<Option<Head>> {
    let mut here = network.variables()?;
    here.extend(network.auxiliary_variables()?);
    let differs =
        |(name, shape): &&(String, Shape)| weights.get(name).is_some_and(|(given, _)| given != shape);
    let Some((first, _)) = here.iter().find(differs) else { return Ok(None) };
    let Some(classes) = weights[first].0.first().copied() else { return Ok(None) };
    let mut other = network.clone();
    if other.set_classes(classes).is_err() || check_weights(&other, weights).is_err() {
        return Ok(None);
    }
    let mut there = other.variables()?;
    there.extend(other.auxiliary_variables()?);
    let there: HashMap<String, Shape> = there.into_iter().collect();
    let changed = here.into_iter().filter(|(name, shape)| there.get(name) != Some(shape));
    Ok(Some(Head { classes, variables: changed.map(|(name, _)| name).collect() }))
}
