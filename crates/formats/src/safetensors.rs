//! The safetensors format: a JSON header with names, types and places, then raw numbers.
//!
//! Source: Hugging Face, "safetensors format". The crate checks sizes and overlaps; this file turns its
//! tensors into [`Weights`] and its errors into one line.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use striate_tensor::{Error, Result, Shape};

use crate::Weights;

/// Files above this size are refused before they are read.
const LARGEST_FILE: u64 = 64 << 30;

/// Text that a file carries besides its tensors.
pub(crate) type Metadata = HashMap<String, String>;

/// Reads the tensors and the metadata of the file at `path`.
///
/// # Errors
/// If the file cannot be read or is no safetensors file of floats.
pub fn read_safetensors(path: &Path) -> Result<(Weights, HashMap<String, String>)> {
    let length = fs::metadata(path).map_err(|e| Error::read(path, e))?.len();
    if length > LARGEST_FILE {
        return Err(Error::input(format!("{}: {length} bytes are too many for a model", path.display())));
    }
    let bytes = fs::read(path).map_err(|e| Error::read(path, e))?;
    read_safetensors_bytes(&bytes).map_err(|e| e.at(path.display()))
}

/// Reads the tensors and the metadata in `bytes`.
///
/// # Errors
/// If they are no safetensors file of floats.
pub fn read_safetensors_bytes(bytes: &[u8]) -> Result<(Weights, Metadata)> {
    let damaged = |cause: safetensors::SafeTensorError| {
        let cause = cause.to_string().replace('\n', " ");
        Error::input(format!("is no whole safetensors file ({cause})"))
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let mut weights = Weights::new();
    for (name, view) in file.iter() {
        let values = floats(name, &view)?;
        weights.insert(name.to_owned(), (Shape::from(view.shape()), values));
    }
    Ok((weights, metadata))
}

fn floats(name: &str, view: &TensorView) -> Result<Vec<f32>> {
    let data = view.data();
    let words = |size: usize| data.chunks_exact(size);
    match view.dtype() {
        Dtype::F32 => Ok(words(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()),
        Dtype::BF16 => {
            Ok(words(2).map(|b| f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16)).collect())
        }
        Dtype::F16 => Ok(words(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()),
        // A counter of PyTorch's batch norm, which nothing needs.
        Dtype::I64 if name.ends_with("num_batches_tracked") => {
            Ok(words(8).map(|b| i64::from_le_bytes(b.try_into().expect("8 bytes")) as f32).collect())
        }
        other => Err(Error::input(format!("tensor {name} is of type {other:?}; F32, F16 and BF16 are read"))),
    }
}

/// A file of these tensors and this metadata. The same content gives the same bytes.
///
/// # Errors
/// If it cannot be laid out.
pub fn safetensors_bytes(weights: &Weights, metadata: Metadata) -> Result<Vec<u8>> {
    let bytes: Vec<(&String, Vec<usize>, Vec<u8>)> = weights
        .iter()
        .map(|(name, (shape, values))| {
            let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            (name, shape.to_vec(), raw)
        })
        .collect();
    let failed =
        |e: safetensors::SafeTensorError| Error::failed(format!("the weights cannot be laid out: {e}"));
    let views = bytes
        .iter()
        .map(|(name, shape, raw)| {
            Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), raw).map_err(failed)?))
        })
        .collect::<Result<Vec<_>>>()?;
    let plain = serialize(views, None).map_err(failed)?;
    with_metadata(&plain, metadata)
}

/// The file `plain` with metadata in its header, keys sorted (the crate would write them in the random
/// order of a hash map).
fn with_metadata(plain: &[u8], metadata: Metadata) -> Result<Vec<u8>> {
    let length = u64::from_le_bytes(plain[..8].try_into().expect("a file starts with 8 bytes")) as usize;
    let (header, data) = plain[8..].split_at(length);
    let failed = |e: serde_json::Error| Error::failed(format!("the weights cannot be laid out: {e}"));
    let mut header: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(header).map_err(failed)?;
    if !metadata.is_empty() {
        let sorted: std::collections::BTreeMap<_, _> = metadata.into_iter().collect();
        header.insert("__metadata__".into(), serde_json::to_value(sorted).map_err(failed)?);
    }
    let mut text = serde_json::to_vec(&header).map_err(failed)?;
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text);
    bytes.extend(data);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights() -> Weights {
        Weights::from([
            ("a.weight".into(), (Shape::from([2, 1]), vec![1.5, f32::from_bits(0x7fc0_1234)])),
            ("b".into(), (Shape::from([0]), vec![])),
        ])
    }

    #[test]
    fn what_is_written_is_read_bit_by_bit() {
        let metadata = Metadata::from([("x".into(), "1".into()), ("y".into(), "\"zwei\"\n".into())]);
        let bytes = safetensors_bytes(&weights(), metadata.clone()).unwrap();
        let (read, text) = read_safetensors_bytes(&bytes).unwrap();
        assert_eq!(text, metadata);
        assert_eq!(read.keys().collect::<Vec<_>>(), weights().keys().collect::<Vec<_>>());
        assert_eq!(read["a.weight"].1[1].to_bits(), 0x7fc0_1234);
        assert_eq!(bytes, safetensors_bytes(&weights(), metadata).unwrap());
    }

    #[test]
    fn damaged_files_are_refused() {
        let bytes = safetensors_bytes(&weights(), Metadata::new()).unwrap();
        for cut in 0..bytes.len() {
            assert!(read_safetensors_bytes(&bytes[..cut]).unwrap_err().is_input(), "cut at {cut}");
        }
        let file = |header: &str| {
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend(header.as_bytes());
            bytes.extend([0; 8]);
            bytes
        };
        for header in [
            r#"{"a":{"dtype":"F32","shape":[9223372036854775807,9],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"I32","shape":[2],"data_offsets":[0,8]}}"#,
            "[]",
        ] {
            assert!(read_safetensors_bytes(&file(header)).unwrap_err().is_input(), "{header}");
        }
        let mut huge = u64::MAX.to_le_bytes().to_vec();
        huge.extend([0; 64]);
        assert!(read_safetensors_bytes(&huge).is_err());
    }
}
