//! Keys that select some of a file's tensors: paths to dictionaries, or prefixes of names.

use std::collections::BTreeSet;

use striate_tensor::{Error, Result};

use crate::Weights;
use crate::message::shown;

/// The key that selects everything.
pub(crate) const ROOT: &str = ".";
/// Largest number of keys shown in a message.
const SHOWN: usize = 6;

/// Returns the tensors of `weights` whose names start with `key` and a dot, without that prefix.
///
/// # Errors
/// If there are none.
pub(crate) fn under(weights: Weights, key: &str) -> Result<Weights> {
    if key == ROOT {
        return Ok(weights);
    }
    let prefix = format!("{key}.");
    if !weights.keys().any(|name| name.starts_with(&prefix)) {
        return Err(unknown(key, heads(weights.keys().map(String::as_str)).into_iter()));
    }
    let shorter = |(name, tensor): (String, _)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor));
    Ok(weights.into_iter().filter_map(shorter).collect())
}

/// The prefixes of `names` up to the first dot.
pub(crate) fn heads<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let heads: BTreeSet<&str> = names.filter_map(|name| Some(name.split_once('.')?.0)).collect();
    heads.into_iter().take(SHOWN + 1).map(str::to_owned).collect()
}

/// The error about an unknown key, which lists the existing ones.
pub(crate) fn unknown(key: &str, existing: impl Iterator<Item = String>) -> Error {
    let key = shown(key);
    Error::input(match listed(existing) {
        keys if keys.is_empty() => format!("has no tensors under --key {key}, and no other keys"),
        keys => format!("has no tensors under --key {key}; its keys are {keys}"),
    })
}

/// The first few of `keys`.
pub(crate) fn listed(mut keys: impl Iterator<Item = String>) -> String {
    let few: Vec<String> = keys.by_ref().take(SHOWN).map(|key| shown(&key)).collect();
    let more = if keys.next().is_some() { ", …" } else { "" };
    few.join(", ") + more
}
