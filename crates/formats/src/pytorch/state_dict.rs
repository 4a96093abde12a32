//! Which of a pickle's objects is the state dict, and its tensors as weights.

use std::collections::{BTreeSet, HashSet};

use striate_tensor::{Error, Result};

use super::StateDict;
use super::storage::Storages;
use super::unpickler::Pickle;
use super::value::{DType, Id, Tensor, Value};
use crate::Weights;
use crate::fit::COUNTER;
use crate::message::{became_float32, shown};

/// Names under which checkpoints keep their state dict, the likelier first.
const WRAPPERS: [&str; 8] =
    ["state_dict", "model_state_dict", "model_state", "model", "params", "net", "network", "weights"];
/// Wrappers within wrappers beyond this are a mistake.
const DEEPEST: usize = 4;
/// Numbers that a byte of the file may stand for in tensors that share their storages.
const SHARING: usize = 4;

/// The weights in `pickle`, a file of `length` bytes.
pub(super) fn read(pickle: &Pickle, storages: &Storages, length: usize) -> Result<StateDict> {
    let mut notes = Vec::new();
    let items = choose(pickle, &mut notes)?;
    let mut aside = Vec::new();
    let mut seen = HashSet::new();
    let mut tensors: Vec<(&str, &Tensor)> = Vec::new();
    let mut total = 0usize;
    for (key, value) in items {
        let Value::Text(name) = pickle.value(*key) else {
            return Err(Error::input("its state dict has a key that is no text"));
        };
        if !seen.insert(name.as_str()) {
            return Err(Error::input(format!("its state dict holds {} twice", shown(name))));
        }
        match pickle.value(*value) {
            Value::Tensor(tensor) => {
                total = total.saturating_add(tensor.checked_len().map_err(|e| e.at(shown(name)))?);
                tensors.push((name, tensor));
            }
            _ => aside.push(name.as_str()),
        }
    }
    if total > length.saturating_mul(SHARING) {
        return Err(Error::input(format!(
            "its tensors share storages so often that {length} bytes would become {total} numbers"
        )));
    }
    if !aside.is_empty() {
        notes.push(format!("left aside, since they are no tensors: {}", listed(&aside)));
    }
    let others = tensors.iter().filter(|(name, _)| !name.ends_with(COUNTER));
    let others = others.map(|(_, tensor)| tensor.storage.dtype).filter(|dtype| *dtype != DType::F32);
    notes.extend(became_float32(&others.map(DType::name).collect::<BTreeSet<_>>()));
    let mut weights = Weights::new();
    for (name, tensor) in tensors {
        let bytes = tensor.storage.bytes(storages).map_err(|e| e.at(shown(name)))?;
        weights.insert(name.to_owned(), (tensor.shape.clone(), tensor.numbers(bytes)));
    }
    Ok(StateDict { weights, notes })
}

/// The dictionary of tensors: the whole object, or one that it wraps.
fn choose<'a>(pickle: &'a Pickle, notes: &mut Vec<String>) -> Result<&'a [(Id, Id)]> {
    let mut root = pickle.root;
    let mut path: Vec<&str> = Vec::new();
    loop {
        let items = match pickle.value(root) {
            Value::Dict(items) => items,
            Value::Tensor(_) => return Err(Error::input("holds a tensor without a name, no state dict")),
            _ => {
                return Err(Error::input(
                    "holds no state dict; save one with torch.save(model.state_dict(), FILE)",
                ));
            }
        };
        if items.iter().any(|(_, value)| matches!(pickle.value(*value), Value::Tensor(_))) {
            if !path.is_empty() {
                notes.push(format!("the weights are those under {}", path.join(".")));
            }
            return Ok(items);
        }
        match WRAPPERS.into_iter().find_map(|name| Some((name, pickle.dict_under(items, name)?))) {
            Some((name, inner)) if path.len() < DEEPEST => {
                path.push(name);
                root = inner;
            }
            _ => {
                let texts = items.iter().filter_map(|(key, _)| match pickle.value(*key) {
                    Value::Text(text) => Some(text.as_str()),
                    _ => None,
                });
                let what = match listed(&texts.collect::<Vec<_>>()) {
                    names if names.is_empty() => String::new(),
                    names => format!(" (it has {names})"),
                };
                return Err(Error::input(format!("holds no tensors{what}")));
            }
        }
    }
}

impl Pickle {
    fn value(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }

    /// The dictionary that `items` hold under `name`.
    fn dict_under(&self, items: &[(Id, Id)], name: &str) -> Option<Id> {
        let is_called = |key: Id| matches!(self.value(key), Value::Text(text) if text == name);
        let (_, value) = items.iter().find(|(key, _)| is_called(*key))?;
        matches!(self.value(*value), Value::Dict(_)).then_some(*value)
    }
}

/// The first few of `names`.
fn listed(names: &[&str]) -> String {
    let more = if names.len() > 4 { ", …" } else { "" };
    let few: Vec<String> = names.iter().take(4).map(|name| shown(name)).collect();
    few.join(", ") + more
}
