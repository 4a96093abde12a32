//! The form of PyTorch before 1.6: five pickles (a magic number, the protocol's version, the system, the object, the
//! keys of its storages), then the storages, each preceded by its number of elements in eight bytes.

use std::collections::{HashMap, HashSet};

use striate_tensor::{Error, Result};

use super::storage::Storages;
use super::unpickler::{Pickle, unpickle};
use super::value::{Storage, Value};
use crate::message::shown;

/// The content of the first pickle.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
/// Limit of the first pickle in bytes.
const LONGEST_MAGIC: usize = 64;
/// The protocol's only version.
const VERSION: i128 = 1001;

/// Whether `bytes` begin with the magic number of this form.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x80]) && magic(bytes).is_some()
}

/// The length of the first pickle, if it contains the magic number.
fn magic(bytes: &[u8]) -> Option<usize> {
    let pickle = unpickle(&bytes[..bytes.len().min(LONGEST_MAGIC)]).ok()?;
    matches!(pickle[pickle.root], Value::Integer(MAGIC)).then_some(pickle.length)
}

/// Whether `bytes` begin like a tar archive.
pub(super) fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

/// Reads the file in `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<(Pickle, Storages<'_>)> {
    let mut rest = &bytes[magic(bytes).unwrap_or(0)..];
    let mut next = |what: &str| -> Result<Pickle> {
        let pickle = unpickle(rest).map_err(|e| e.at(what))?;
        rest = &rest[pickle.length..];
        Ok(pickle)
    };
    let version = next("the protocol's version")?;
    match version[version.root] {
        Value::Integer(VERSION) => {}
        Value::Integer(other) => {
            return Err(Error::input(format!(
                "has version {other} of PyTorch's protocol; only {VERSION} is supported"
            )));
        }
        _ => return Err(Error::input("is damaged: its version is not an integer")),
    }
    check_system(&next("the system")?)?;
    let object = next("the object")?;
    let listed = next("the keys of the storages")?;
    let storages = storages(rest, &keys(&listed)?, &object)?;
    Ok((object, storages))
}

/// Refuses big-endian numbers.
fn check_system(system: &Pickle) -> Result<()> {
    let Value::Dict(items) = &system[system.root] else {
        return Err(Error::input("is damaged: its byte order is missing"));
    };
    for (key, value) in items {
        if let (Value::Text(key), Value::Bool(false)) = (&system[*key], &system[*value])
            && key == "little_endian"
        {
            let what =
                "was written in big-endian order, which is not supported; save it again on another machine";
            return Err(Error::input(what));
        }
    }
    Ok(())
}

fn keys(pickle: &Pickle) -> Result<Vec<&str>> {
    let damaged = || Error::input("is damaged: the keys of its storages are not a list of text");
    let Value::List(items) = &pickle[pickle.root] else { return Err(damaged()) };
    let text = |id: &u32| match &pickle[*id] {
        Value::Text(text) => Ok(text.as_str()),
        _ => Err(damaged()),
    };
    items.iter().map(text).collect()
}

/// Reads the storages one after the other; the size of their elements follows from the references to them.
fn storages<'a>(mut rest: &'a [u8], keys: &[&str], object: &Pickle) -> Result<Storages<'a>> {
    let mut known: HashMap<&str, &Storage> = HashMap::new();
    for value in &object.values {
        let Value::Storage(storage) = value else { continue };
        let first = known.entry(&storage.key).or_insert(storage);
        if (first.dtype, first.whole) != (storage.dtype, storage.whole) {
            let key = shown(&storage.key);
            return Err(Error::input(format!(
                "is damaged: its storage {key} has two conflicting descriptions"
            )));
        }
    }
    let mut storages = Storages::new();
    let mut seen = HashSet::new();
    for key in keys {
        let place = || format!("its storage {}", shown(key));
        let Some(storage) = known.get(key) else {
            return Err(Error::input(format!("{} belongs to no tensor of a known type", place())));
        };
        if !seen.insert(*key) {
            return Err(Error::input(format!("{} is listed twice", place())));
        }
        let Some((count, numbers)) = rest.split_first_chunk() else {
            return Err(Error::input(format!("is truncated before {}", place())));
        };
        let count = u64::from_le_bytes(*count);
        if count != storage.whole as u64 {
            return Err(Error::input(format!("{} has {count} elements, not {}", place(), storage.whole)));
        }
        let length = storage.whole.checked_mul(storage.dtype.size());
        let Some((bytes, after)) = length.and_then(|length| numbers.split_at_checked(length)) else {
            let left = numbers.len();
            return Err(Error::input(format!(
                "is truncated: {} of {count} elements in {left} bytes",
                place()
            )));
        };
        storages.insert((*key).to_owned(), bytes);
        rest = after;
    }
    match rest {
        [] => Ok(storages),
        _ => Err(Error::input(format!("is damaged: {} bytes after its last storage", rest.len()))),
    }
}
