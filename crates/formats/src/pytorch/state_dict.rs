//! The tensors of a dictionary as weights.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use striate_tensor::{Error, Result};

use super::StateDict;
use super::choice::Entries;
use super::storage::Storages;
use super::unpickler::Pickle;
use super::value::{Tensor, Value};
use crate::Weights;
use crate::dtype::DType;
use crate::fit::{COUNTERS, listed};
use crate::message::{became_float32, shown};

/// Limit of elements per byte of the file, for tensors that share storages.
const SHARING: usize = 4;

/// The tensors among `entries` of a file of `length` bytes.
///
/// # Errors
/// If a name occurs twice, a tensor exceeds its storage, a storage is missing or damaged, or tensors share
/// storages out of proportion to the file.
pub(super) fn read(
    pickle: &Pickle,
    entries: Entries,
    storages: &Storages,
    length: usize,
) -> Result<StateDict> {
    let mut seen = HashSet::new();
    if let Some((name, _)) = entries.iter().find(|(name, _)| !seen.insert(name)) {
        return Err(Error::input(format!("its state dict contains {} twice", shown(name))));
    }
    let mut skipped = Vec::new();
    let mut tensors: Vec<(Cow<str>, &Tensor)> = Vec::new();
    let mut total = 0usize;
    for (name, id) in entries {
        match &pickle[id] {
            Value::Tensor(tensor) => {
                total = total.saturating_add(tensor.checked_len().map_err(|e| e.at(shown(&name)))?);
                tensors.push((name, tensor));
            }
            _ => skipped.push(name),
        }
    }
    if total > length.saturating_mul(SHARING) {
        return Err(Error::input(format!(
            "its tensors share storages so often that {length} bytes would become {total} elements"
        )));
    }
    let mut notes = Vec::new();
    if !skipped.is_empty() {
        notes.push(format!("skipped, not numeric tensors: {}", listed(&skipped)));
    }
    let is_counter = |name: &str| COUNTERS.iter().any(|counter| name.ends_with(counter));
    let others = tensors.iter().filter(|(name, _)| !is_counter(name));
    let others = others.map(|(_, tensor)| tensor.storage.dtype).filter(|dtype| *dtype != DType::F32);
    notes.extend(became_float32(&others.map(DType::name).collect::<BTreeSet<_>>()));
    let mut weights = Weights::new();
    for (name, tensor) in tensors {
        let bytes = tensor.storage.bytes(storages).map_err(|e| e.at(shown(&name)))?;
        weights.insert(name.into_owned(), (tensor.shape.clone(), tensor.numbers(bytes)));
    }
    Ok(StateDict { weights, notes })
}
