//! Maps the weights of a file to the names of a network, and checks them against its shapes.

mod compare;
mod names;

use std::collections::{BTreeSet, HashMap};

use striate_graph::Network;
use striate_tensor::text::{counted, grouped};
use striate_tensor::{Error, Result, Shape};

pub use compare::check_weights;
pub(crate) use compare::{Difference, listed};
pub(crate) use names::{Known, Placement, is_averaged};

use crate::Weights;
use crate::caffe::as_torchvision;
use crate::message::shown;

/// Prefixes of the names of auxiliary heads, in torchvision's networks and in Caffe's.
const AUXILIARY: [&str; 5] = ["aux1.", "aux2.", "AuxLogits.", "loss1/", "loss2/"];
/// A counter of PyTorch's batch norm, which is not used.
pub(crate) const COUNTER: &str = "num_batches_tracked";
/// Counters of PyTorch's modules, which are not used; the second is that of averaged models.
pub(crate) const COUNTERS: [&str; 2] = [COUNTER, "n_averaged"];
/// The statistics that batch norms store besides their parameters.
const STATISTICS: [&str; 3] = ["running_mean", "running_var", COUNTER];

/// Returns the number of trainable parameters: all but the statistics of batch norms.
pub fn count_parameters(weights: &Weights) -> usize {
    let is_statistic = |name: &str| STATISTICS.iter().any(|statistic| name.ends_with(statistic));
    weights.iter().filter(|(name, _)| !is_statistic(name)).map(|(_, (_, values))| values.len()).sum()
}

/// A last layer in a file, including those of auxiliary heads.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// Its number of classes.
    pub classes: usize,
    /// Its variables, under the network's names.
    pub variables: Vec<String>,
}

/// Weights that match a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The weights under the network's names.
    pub weights: Weights,
    /// A last layer for another number of classes, which `weights` does not include.
    pub replaced: Option<Head>,
    /// Notes for the user on what was renamed or skipped, one line each.
    pub notes: Vec<String>,
}

/// Maps `weights` to the names of `network`: prefixes are removed if names then match, counters are dropped,
/// Caffe's names are translated to torchvision's if the network uses those, and auxiliary heads may be absent or
/// extra. If only the last layer does not fit, because it has another number of classes, its variables are dropped.
///
/// # Errors
/// If they do not match (the message counts and names what is missing, unexpected and of the wrong shape), or
/// contain NaN or infinite values.
pub fn fit(network: &Network, weights: Weights) -> Result<Fitted> {
    let (mut weights, mut notes) = named(network, weights)?;
    let replaced = other_classes(network, &weights)?;
    if let Some(Head { classes, variables }) = &replaced {
        let (first, now) = (&variables[0], network.classes()?);
        weights.retain(|name, _| !variables.contains(name));
        let rest = match variables.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        notes.push(format!(
            "last layer replaced: {} instead of {} ({first}{rest} newly initialized)",
            counted(now, "class"),
            grouped(*classes as u64),
        ));
    }
    checked(network, weights, replaced, notes)
}

/// As [`fit`], but where the last layer of `weights` is for another number of classes, `network` gets that number.
///
/// # Errors
/// As [`fit`].
pub fn fit_classes(network: &mut Network, weights: Weights) -> Result<Fitted> {
    let (weights, mut notes) = named(network, weights)?;
    if let Some(Head { classes, .. }) = other_classes(network, &weights)? {
        let own = network.classes()?;
        network.set_classes(classes)?;
        notes.push(format!(
            "{} gets {} instead of {}, to match the last layer of the weights",
            network.name,
            counted(classes, "class"),
            grouped(own as u64)
        ));
    }
    checked(network, weights, None, notes)
}

/// Maps `weights` to the names of `network` as far as possible; also returns notes.
fn named(network: &Network, weights: Weights) -> Result<(Weights, Vec<String>)> {
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
    drop_auxiliary_heads(&mut weights, &known, &auxiliary, &mut notes);
    Ok((weights, notes))
}

/// Refuses `weights` that are not those of `network` without the `replaced` layer.
fn checked(
    network: &Network,
    weights: Weights,
    replaced: Option<Head>,
    notes: Vec<String>,
) -> Result<Fitted> {
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
                "{name} contains NaN or infinite values: its training diverged; \
                 use an earlier checkpoint"
            )))
        }
    }
}

/// Names and shapes of `weights`.
pub(crate) fn shapes(weights: &Weights) -> impl Iterator<Item = (&str, &Shape)> + Clone {
    weights.iter().map(|(name, (shape, _))| (name.as_str(), shape))
}

/// Names in `weights` that `network` does not have; empty if none of the names match.
pub(crate) fn unexpected(network: &Network, weights: &Weights) -> Result<Vec<String>> {
    let known = Known::of(network)?;
    let placement = known.place(shapes(weights));
    let is_another = placement.matched.is_empty();
    let unexpected = placement.unexpected.into_iter().filter(|_| !is_another);
    Ok(unexpected.map(str::to_owned).collect())
}

/// Whether Caffe and torchvision use the same name for the layer of this variable.
fn is_shared(name: &str) -> bool {
    name.starts_with("conv1.")
}

/// Returns `weights` without prefixes and counters.
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

/// Returns the notes on prefixes for the user.
fn prefix_notes(placement: &Placement, names: usize) -> Vec<String> {
    let mut notes = Vec::new();
    for (prefix, count) in placement.prefixes.iter().filter(|(prefix, _)| !prefix.is_empty()) {
        let prefix = shown(prefix);
        notes.push(match *count == names {
            true => format!("removed the prefix {prefix}"),
            false => format!("removed the prefix {prefix} from {count} of {names} names"),
        });
    }
    if let Some(rival) = placement.rival {
        let key = shown(rival.trim_end_matches('.'));
        notes.push(match key.as_str() {
            "" => "names without a prefix also fit".to_owned(),
            _ => format!("names with the prefix {key}. also fit: --key {key} selects them"),
        });
    }
    notes
}

/// Drops auxiliary heads that the network does not have, and reports those of the network that are missing.
fn drop_auxiliary_heads(
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
        notes.push(format!("skipped auxiliary heads: {}", heads.join(", ")));
    }
    let absent = auxiliary.keys().filter(|name| !weights.contains_key(*name)).count();
    if absent > 0 {
        notes.push(format!("auxiliary heads lack {}, used only in training", counted(absent, "tensor")));
    }
}

/// Returns the last layer in `weights`, if they match `network` except for the number of classes.
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
