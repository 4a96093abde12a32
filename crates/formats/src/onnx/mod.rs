//! ONNX: a graph with weights becomes a network of our own.
//!
//! `proto` reads the messages, `tensor` their elements, `constant` is what is known before a run, `folding` the
//! arithmetic on it, within a `budget`; `import` walks the nodes, whose operands `value` gives; `layers`, `pools`,
//! `joins`, `shapes` and `parts` say what each operation becomes. `turned` puts transpositions off until they are
//! needed, so that most cancel out.

mod attributes;
mod budget;
mod constant;
mod export;
mod folding;
mod import;
mod joins;
mod layers;
mod parts;
mod pools;
mod proto;
mod shapes;
mod tensor;
mod turned;
mod value;

pub use export::onnx_bytes;

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;
use striate_graph::Network;
use striate_tensor::{Error, Result};

use crate::file::read_limited;
use crate::fit::check_finite;
use crate::model::check_classes;
use crate::{ModelFile, ReadOptions, Weights};

/// A network that was read from an ONNX file.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The network.
    pub network: Network,
    /// Its parameters and buffers.
    pub weights: Weights,
    /// Float initializers that no layer has under their own name and shape.
    pub others: Weights,
    /// What the file says of itself, by key.
    pub metadata: HashMap<String, String>,
    /// What was left aside, for a person to read; a line each.
    pub notes: Vec<String>,
}

/// Reads the ONNX file at `path` with default options; see [`read_onnx_with`].
///
/// # Errors
/// As [`read_onnx_with`].
pub fn read_onnx(path: &Path) -> Result<Imported> {
    read_onnx_with(path, &ReadOptions::default())
}

/// Reads the ONNX file at `path`; weights outside it must lie in its folder.
///
/// # Errors
/// If it cannot be read, is damaged, or holds what a network here cannot be made of; the message names the
/// node, its operation and what is wrong with it.
pub fn read_onnx_with(path: &Path, options: &ReadOptions) -> Result<Imported> {
    let bytes = read_limited(path)?;
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("onnx");
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    import::import(&bytes, name, Some(folder), LARGEST, options).map_err(|e| e.at(path.display()))
}

/// Reads an ONNX model called `name` from memory; weights outside it are refused. At most `limit` floats are
/// made of it.
///
/// # Errors
/// As [`read_onnx`].
pub fn read_onnx_bytes(bytes: &[u8], name: &str, limit: usize) -> Result<Imported> {
    read_onnx_bytes_with(bytes, name, limit, &ReadOptions::default())
}

/// As [`read_onnx_bytes`], with `options`.
///
/// # Errors
/// As [`read_onnx_bytes`].
pub fn read_onnx_bytes_with(
    bytes: &[u8],
    name: &str,
    limit: usize,
    options: &ReadOptions,
) -> Result<Imported> {
    import::import(bytes, name, None, limit, options)
}

/// Keys under which an exported model says what ONNX has no place for; all values are JSON.
const CLASSES: &str = "striate.classes";
const PREPROCESSING: &str = "striate.preprocessing";
const PREDICT: &str = "striate.predict";

impl Imported {
    /// The model that the file is: with class names and preprocessing if it was exported here, else its classes
    /// are numbers.
    ///
    /// # Errors
    /// If it says something of itself that is damaged, or holds weights that are not finite.
    pub fn into_model(self) -> Result<ModelFile> {
        check_finite(&self.weights)?;
        let read = |key: &str| -> Result<Value> {
            let Some(text) = self.metadata.get(key) else { return Ok(Value::Null) };
            serde_json::from_str(text)
                .map_err(|e| Error::input(format!("its metadata {key} is no JSON: {e}")))
        };
        let (classes, preprocessing, predict) = (read(CLASSES)?, read(PREPROCESSING)?, read(PREDICT)?);
        let mut model = ModelFile { preprocessing, predict, ..ModelFile::bare(self.network, self.weights)? };
        if !classes.is_null() {
            let names: Vec<String> = serde_json::from_value(classes)
                .map_err(|e| Error::input(format!("its metadata {CLASSES} is no list of names: {e}")))?;
            check_classes(&names, model.classes.len())
                .map_err(|e| e.at(format!("its metadata {CLASSES}")))?;
            model.classes = names;
        }
        Ok(model)
    }
}

/// The bytes of an ONNX file of `model`: its network and weights, and as metadata its class names and
/// preprocessing.
///
/// # Errors
/// As [`onnx_bytes`].
pub fn onnx_model_bytes(model: &ModelFile) -> Result<Vec<u8>> {
    let bytes = onnx_bytes(&model.network, &model.weights)?;
    let classes = Value::from(model.classes.clone());
    let held = [(CLASSES, &classes), (PREPROCESSING, &model.preprocessing), (PREDICT, &model.predict)];
    let held = held.into_iter().filter(|(_, value)| !value.is_null());
    export::with_metadata(bytes, held.map(|(key, value)| (key, value.to_string())))
}

/// Floats that a file may become, whatever its own size; those made on the way count too.
const LARGEST: usize = 1 << 30;
