//! The weights of a file brought to the names of a network, and held against its shapes.

use std::collections::{BTreeSet, HashMap};

use striate_graph::Network;
use striate_tensor::{Error, Result, Shape};

use crate::Weights;
use crate::caffe::as_torchvision;
use crate::message::shown;

/// What wrappers put before every name: data parallel training, compiled modules, modules in modules.
const PREFIXES: [&str; 4] = ["module.", "_orig_mod.", "model.", "network."];
/// How auxiliary heads are called: in torchvision's networks, and in Caffe's.
const AUXILIARY: [&str; 5] = ["aux1.", "aux2.", "AuxLogits.", "loss1/", "loss2/"];
/// A counter of PyTorch's batch norm, which nothing needs.
pub(crate) const COUNTER: &str = "num_batches_tracked";
/// What batch norms keep beside their parameters.
const STATISTICS: [&str; 3] = ["running_mean", "running_var", COUNTER];
/// Names of a list that a message shows.
const SHOWN: usize = 4;

/// How many trainable numbers there are: all but the statistics of batch norms.
pub fn count_parameters(weights: &Weights) -> usize {
    let is_statistic = |name: &str| STATISTICS.iter().any(|statistic| name.ends_with(statistic));
    weights.iter().filter(|(name, _)| !is_statistic(name)).map(|(_, (_, values))| values.len()).sum()
}

/// A last layer, with those of auxiliary heads, as it stands in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// How many classes it is for.
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

/// Brings `weights` to the names of `network`: prefixes of wrappers go, counters of batch norm go, Caffe's
/// names become torchvision's where the network has those, auxiliary heads may be absent, or there without
/// need. If all that does not fit is a last layer for another number of classes, its variables are left out.
///
/// # Errors
/// If they are another network's (the message counts and names what is missing, unexpected and of the
/// wrong shape), or hold numbers that are not finite.
pub fn fit(network: &Network, weights: Weights) -> Result<Fitted> {
    let mut notes = Vec::new();
    let wanted: HashMap<String, Shape> = network.variables()?.into_iter().collect();
    let auxiliary: HashMap<String, Shape> = network.auxiliary_variables()?.into_iter().collect();
    let mut weights = without_prefixes(weights, &wanted, &mut notes);
    weights.retain(|name, _| !name.ends_with(COUNTER));
    if !weights.keys().any(|name| wanted.contains_key(name) && !is_shared(name))
        && let Some(renamed) = as_torchvision(&network.name, &weights)
    {
        weights = renamed;
        notes.push("Caffe's layer names were translated to torchvision's".into());
    }
    set_aside(&mut weights, &wanted, &auxiliary, &mut notes);
    let replaced = other_classes(network, &weights)?;
    if let Some(Head { classes, variables }) = &replaced {
        let (first, now) = (&variables[0], network.classes()?);
        weights.retain(|name, _| !variables.contains(name));
        notes.push(format!(
            "a new last layer for {now} classes in place of one for {classes} ({first} and {} more)",
            variables.len() - 1
        ));
    }
    compare(network, &weights, replaced.as_ref().map_or(&[], |head| &head.variables))?;
    check_finite(&weights)?;
    Ok(Fitted { weights, replaced, notes })
}

/// Refuses infinite weights and those that are no numbers.
pub(crate) fn check_finite(weights: &Weights) -> Result<()> {
    match weights.iter().find(|(_, (_, values))| values.iter().any(|x| !x.is_finite())) {
        None => Ok(()),
        Some((name, _)) => {
            let name = shown(name);
            Err(Error::input(format!(
                "{name} holds numbers that are not finite; the training that made it went astray"
            )))
        }
    }
}

/// Whether Caffe and torchvision have the layer of this variable under one name.
fn is_shared(name: &str) -> bool {
    name.starts_with("conv1.")
}

/// Takes a prefix that every name has, unless the network's names have it too.
fn without_prefixes(
    mut weights: Weights,
    wanted: &HashMap<String, Shape>,
    notes: &mut Vec<String>,
) -> Weights {
    let everywhere = |weights: &Weights, prefix: &str| {
        !weights.is_empty() && weights.keys().all(|name| name.starts_with(prefix))
    };
    while let Some(prefix) = PREFIXES.into_iter().find(|prefix| everywhere(&weights, prefix)) {
        if wanted.keys().any(|name| name.starts_with(prefix)) {
            break;
        }
        notes.push(format!("without the prefix {prefix} of its names"));
        let shorter = weights.into_iter().map(|(name, tensor)| (name[prefix.len()..].to_owned(), tensor));
        weights = shorter.collect();
    }
    weights
}

/// Drops auxiliary heads that the network does not have, and says which of its own are missing.
fn set_aside(
    weights: &mut Weights,
    wanted: &HashMap<String, Shape>,
    auxiliary: &HashMap<String, Shape>,
    notes: &mut Vec<String>,
) {
    let is_known = |name: &String| wanted.contains_key(name) || auxiliary.contains_key(name);
    let head = |name: &String| AUXILIARY.into_iter().find(|head| name.starts_with(head));
    let mut heads = BTreeSet::new();
    weights.retain(|name, _| match head(name).filter(|_| !is_known(name)) {
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
    if other.set_classes(classes).is_err() || compare(&other, weights, &[]).is_err() {
        return Ok(None);
    }
    let mut there = other.variables()?;
    there.extend(other.auxiliary_variables()?);
    let there: HashMap<String, Shape> = there.into_iter().collect();
    let changed = here.into_iter().filter(|(name, shape)| there.get(name) != Some(shape));
    Ok(Some(Head { classes, variables: changed.map(|(name, _)| name).collect() }))
}

/// Checks that `weights` are exactly those of `network`; those of its auxiliary heads may be absent.
///
/// # Errors
/// If not; the message counts and names what is missing, unexpected and of the wrong shape.
pub fn check_weights(network: &Network, weights: &Weights) -> Result<()> {
    compare(network, weights, &[])
}

/// As [`check_weights`], where the variables `absent` may be absent.
fn compare(network: &Network, weights: &Weights, absent: &[String]) -> Result<()> {
    let wanted = network.variables()?;
    let auxiliary = network.auxiliary_variables()?;
    let known: HashMap<&String, &Shape> =
        wanted.iter().chain(&auxiliary).map(|(name, shape)| (name, shape)).collect();
    let names = wanted.iter().map(|(name, _)| name);
    let missing = names.filter(|name| !weights.contains_key(*name) && !absent.contains(name));
    let unexpected = weights.keys().filter(|name| !name.ends_with(COUNTER) && !known.contains_key(name));
    let misshapen = weights.iter().filter_map(|(name, (given, _))| {
        let shape = known.get(name).filter(|shape| **shape != given)?;
        Some(format!("{name} {given} instead of {shape}"))
    });
    let lists = [
        listed("missing", missing.cloned().collect()),
        listed("unexpected", unexpected.cloned().collect()),
        listed("of the wrong shape", misshapen.collect()),
    ];
    let parts: Vec<String> = lists.into_iter().flatten().collect();
    if parts.is_empty() {
        return Ok(());
    }
    Err(Error::input(format!("the weights are not those of {}: {}", network.name, parts.join(", "))))
}

/// How many `names`, and the first few of them; nothing of none.
fn listed(what: &str, names: Vec<String>) -> Option<String> {
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let few: Vec<String> = names.iter().take(SHOWN).map(|name| shown(name)).collect();
    (!names.is_empty()).then(|| format!("{} {what} ({}{more})", names.len(), few.join(", ")))
}
