//! Reads ONNX graphs with their weights as networks, and writes networks as ONNX.
//!
//! `proto` reads the messages, `tensor` and `external` the elements of tensors. A `constant` is known before the
//! network runs; `folding` computes with constants, within a `budget`. `output` chooses the output, `survey` finds its
//! nodes and refuses what cannot be read; `import` then converts the nodes, whose operands `value` provides. `rules`
//! lists the operators; the rules themselves are in `layers`, `functions`, `pools`, `joins`, `reductions`, `pads`,
//! `parts`, `resize`, `shapes` and `quantized`. `turned` postpones transpositions, most of which cancel out.

mod attributes;
mod budget;
mod constant;
mod export;
mod external;
mod folding;
mod functions;
mod import;
mod integers;
mod joins;
mod layers;
mod output;
mod pads;
mod parts;
mod pools;
mod proto;
mod quantized;
mod reductions;
mod resize;
mod rules;
mod shapes;
mod survey;
mod tensor;
mod turned;
mod value;

pub use export::onnx_bytes;
pub use external::external_files;
pub use integers::IntegerType;

use std::collections::HashMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;
use striate_graph::Network;
use striate_tensor::file::folder_of;
use striate_tensor::preprocessing::Preprocessing;
use striate_tensor::{Error, Result};

use crate::file::read_limited;
use crate::fit::check_finite;
use crate::message::shown;
use crate::model::check_classes;
use crate::{ModelFile, ReadOptions, Weights};

/// A network that was read from an ONNX file.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The network.
    pub network: Network,
    /// Its parameters and buffers.
    pub weights: Weights,
    /// Float initializers that no layer has under the same name and shape.
    pub others: Weights,
    /// The metadata of the file.
    pub metadata: HashMap<String, String>,
    /// The integers that its input takes; `None` for floats. The network takes floats of these values.
    pub integers: Option<IntegerType>,
    /// Notes for the user on what was chosen or skipped, one line each.
    pub notes: Vec<String>,
}

/// Reads the ONNX file at `path` with default options; see [`read_onnx_with`].
///
/// # Errors
/// As [`read_onnx_with`].
pub fn read_onnx(path: &Path) -> Result<Imported> {
    read_onnx_with(path, &ReadOptions::default())
}

/// Reads the ONNX file at `path`; external data must be in its folder.
///
/// # Errors
/// If it cannot be read, is damaged, or uses something that is not supported; the message names the node and its
/// operator.
pub fn read_onnx_with(path: &Path, options: &ReadOptions) -> Result<Imported> {
    let bytes = read_limited(path)?;
    let name = path.file_stem().and_then(|stem| stem.to_str()).map_or_else(|| "onnx".to_owned(), shown);
    let limit = MOST_FLOATS.saturating_add(bytes.len()).min(LARGEST);
    import::import(&bytes, &name, Some(folder_of(path)), limit, options).map_err(|e| e.at(path.display()))
}

/// Reads an ONNX model named `name` from memory; external data are refused. It may expand to at most `limit` floats.
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

/// Metadata keys of exported models, for which ONNX has no fields; all values are JSON.
const CLASSES: &str = "striate.classes";
const PREPROCESSING: &str = "striate.preprocessing";
const PREDICT: &str = "striate.predict";

impl Imported {
    /// Returns the model in the file. It has class names and preprocessing if it was exported here; otherwise, its
    /// class names are numbers.
    ///
    /// # Errors
    /// If its metadata are damaged, or its weights are not finite.
    pub fn into_model(self) -> Result<ModelFile> {
        check_finite(&self.weights)?;
        let classes: Option<Vec<String>> = metadata(&self.metadata, CLASSES, "a list of names")?;
        let preprocessing = metadata(&self.metadata, PREPROCESSING, "a preprocessing")?;
        let predict = metadata(&self.metadata, PREDICT, "a preprocessing")?;
        let mut model = ModelFile { preprocessing, predict, ..ModelFile::bare(self.network, self.weights)? };
        if let Some(names) = classes {
            check_classes(&names, model.classes.len())
                .map_err(|e| e.at(format!("its metadata {CLASSES}")))?;
            model.classes = names;
        }
        Ok(model)
    }
}

/// Returns the value under `key`, described by `what`; `None` if there is none, or null.
fn metadata<T: DeserializeOwned>(
    metadata: &HashMap<String, String>,
    key: &str,
    what: &str,
) -> Result<Option<T>> {
    let Some(text) = metadata.get(key) else { return Ok(None) };
    serde_json::from_str::<Option<T>>(text).map_err(|e| {
        let what = if e.is_data() { what } else { "JSON" };
        Error::input(format!("its metadata {key} is not {what}: {e}"))
    })
}

/// Returns the bytes of an ONNX file with the network and weights of `model`, and its class names and preprocessing as
/// metadata.
///
/// # Errors
/// As [`onnx_bytes`].
pub fn onnx_model_bytes(model: &ModelFile) -> Result<Vec<u8>> {
    let bytes = onnx_bytes(&model.network, &model.weights)?;
    let json = |form: &Preprocessing| serde_json::to_string(form).expect("plain data has a JSON form");
    let classes = Value::from(model.classes.clone()).to_string();
    let forms = [(PREPROCESSING, &model.preprocessing), (PREDICT, &model.predict)];
    let forms = forms.into_iter().filter_map(|(key, form)| Some((key, json(form.as_ref()?))));
    export::with_metadata(bytes, [(CLASSES, classes)].into_iter().chain(forms))
}

/// The number of floats that any file may expand to, including intermediate ones, in addition to one per byte.
const MOST_FLOATS: usize = 1 << 28;
/// The largest number of floats that any file may expand to.
const LARGEST: usize = 1 << 30;
