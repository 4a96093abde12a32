//! The safetensors format: a JSON header with names, types and positions, then raw numbers.
//!
//! Source: Hugging Face, "safetensors format". Reading goes through [`Header`] and then the crate; writing is done
//! here, since the crate writes metadata in the random order of a hash map.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::SafeTensors;
use serde::Serialize;
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape, with_capacity};

use crate::Weights;
use crate::dtype::DType;
use crate::file::read_limited;
use crate::fit::COUNTER;
use crate::header::{Header, Info, LARGEST_HEADER, METADATA, damaged, dtype_of};
use crate::message::became_float32;
use crate::weights::little_endian;

/// Text stored in a file in addition to its tensors.
pub(crate) type Metadata = HashMap<String, String>;

/// Reads the tensors and the metadata of the file at `path`.
///
/// # Errors
/// As [`read_safetensors_bytes`], or if the file cannot be read.
pub fn read_safetensors(path: &Path) -> Result<(Weights, HashMap<String, String>)> {
    read_safetensors_bytes(&read_limited(path)?).map_err(|e| e.at(path.display()))
}

/// Reads the tensors and the metadata in `bytes`. All numeric types are converted to `f32`.
///
/// # Errors
/// If they are not a valid safetensors file: truncated, with duplicate names, or with tensors that overlap, leave gaps,
/// exceed the file, have an unsupported type, or do not match their shapes. Sizes are checked before memory is
/// allocated.
pub fn read_safetensors_bytes(bytes: &[u8]) -> Result<(Weights, Metadata)> {
    let (weights, metadata, _) = read_with_notes(bytes)?;
    Ok((weights, metadata))
}

/// Reads as [`read_safetensors_bytes`], with notes for the user on what was changed, one line each.
pub(crate) fn read_with_notes(bytes: &[u8]) -> Result<(Weights, Metadata, Vec<String>)> {
    let header = Header::read(bytes)?;
    let types: HashMap<&str, DType> = (header.tensors.iter())
        .filter_map(|(name, info)| Some((name.as_str(), dtype_of(&info.dtype)?)))
        .collect();
    let others = types.iter().filter(|(name, dtype)| **dtype != DType::F32 && !name.ends_with(COUNTER));
    let notes = became_float32(&others.map(|(_, dtype)| dtype.name()).collect()).into_iter().collect();
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let mut weights = Weights::new();
    for (name, view) in file.iter() {
        let dtype = types.get(name).ok_or_else(|| damaged(format!("tensor {name} is not in its header")))?;
        weights.insert(name.to_owned(), (Shape::from(view.shape()), dtype.numbers(view.data())));
    }
    Ok((weights, header.metadata, notes))
}

/// Returns a file of these tensors and this metadata, names and keys sorted bytewise. The same content gives the same
/// bytes.
///
/// # Errors
/// If a tensor's number of values does not match its shape, or its name is the one reserved for metadata.
pub fn safetensors_bytes(weights: &Weights, metadata: Metadata) -> Result<Vec<u8>> {
    let tensors = weights.iter().map(|(name, (shape, values))| (name.as_str(), (shape, values.as_slice())));
    lay_out(&tensors.collect(), &metadata)
}

/// An entry of the header.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Tensor(Info),
    Metadata(BTreeMap<&'a str, &'a str>),
}

/// Returns [`safetensors_bytes`] of borrowed tensors; the file's bytes are the only copy.
pub(crate) fn lay_out(tensors: &BTreeMap<&str, (&Shape, &[f32])>, metadata: &Metadata) -> Result<Vec<u8>> {
    let failed = |what: String| Error::failed(format!("the weights cannot be written: {what}"));
    let mut entries = BTreeMap::new();
    let mut end = 0;
    for (name, (shape, values)) in tensors {
        if *name == METADATA {
            return Err(failed(format!("no tensor may be called {METADATA}")));
        }
        if shape.checked_len().ok() != Some(values.len()) {
            return Err(failed(format!(
                "tensor {name} of shape {shape} has {}",
                counted(values.len(), "value")
            )));
        }
        let begin = end;
        end += size_of_val(*values);
        let info = Info { data_offsets: (begin, end), dtype: "F32".into(), shape: shape.to_vec() };
        entries.insert(*name, Entry::Tensor(info));
    }
    if !metadata.is_empty() {
        let sorted = metadata.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
        entries.insert(METADATA, Entry::Metadata(sorted));
    }
    let mut header = serde_json::to_vec(&entries).map_err(|e| failed(e.to_string()))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    if header.len() > LARGEST_HEADER {
        return Err(failed(format!("a header of {} bytes is longer than {LARGEST_HEADER}", header.len())));
    }
    let mut bytes = with_capacity(8 + header.len() + end)?;
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    for (_, values) in tensors.values() {
        bytes.extend_from_slice(&little_endian(values));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_bytes_follow_the_format() {
        let weights = Weights::from([
            ("b".into(), (Shape::from([0]), vec![])),
            ("a".into(), (Shape::from([1]), vec![1.0])),
        ]);
        let metadata = Metadata::from([("y".into(), "2".into()), ("x".into(), "1".into())]);
        let header = concat!(
            r#"{"__metadata__":{"x":"1","y":"2"},"#,
            r#""a":{"data_offsets":[0,4],"dtype":"F32","shape":[1]},"#,
            r#""b":{"data_offsets":[4,4],"dtype":"F32","shape":[0]}}"#
        );
        let mut expected = (header.len().next_multiple_of(8) as u64).to_le_bytes().to_vec();
        expected.extend(header.as_bytes());
        expected.resize(8 + header.len().next_multiple_of(8), b' ');
        expected.extend([0, 0, 128, 63]);
        assert_eq!(safetensors_bytes(&weights, metadata).unwrap(), expected);
    }

    #[test]
    fn unreadable_files_are_not_written() {
        let wrong = Weights::from([("a".into(), (Shape::from([2]), vec![1.0]))]);
        let error = safetensors_bytes(&wrong, Metadata::new()).unwrap_err();
        assert!(!error.is_input() && error.to_string().ends_with("tensor a of shape [2] has 1 value"));
        let reserved = Weights::from([(METADATA.into(), (Shape::from([1]), vec![1.0]))]);
        assert!(safetensors_bytes(&reserved, Metadata::new()).is_err());
    }
}
