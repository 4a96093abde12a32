//! Any file of weights, told by its content and its name.

use std::path::Path;

use striate_tensor::{Error, Result};

use crate::caffe::{CaffeModel, Normalisation, read_caffemodel_bytes};
use crate::file::read_limited;
use crate::pytorch::{StateDict, is_pytorch};
use crate::safetensors::read_with_notes;
use crate::{Imported, ModelFile, Weights, read_onnx, read_pytorch_bytes};

/// Names that files of weights end in, for a message that lists them.
pub const READABLE: &str = ".safetensors, .pth, .pt, .caffemodel, .onnx";

/// What a file of weights holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Loaded {
    /// Its tensors, in canonical order.
    pub weights: Weights,
    /// The rest of it, if it is a model file; without its weights.
    pub model: Option<ModelFile>,
    /// What is subtracted from red, green and blue (0 to 255), if the file says so.
    pub mean: Option<[f32; 3]>,
    /// Local response normalisations that Caffe's files tell of; see [`crate::fit_normalisation`].
    pub normalisations: Vec<Normalisation>,
    /// What was chosen or left aside, for a person to read; a line each.
    pub notes: Vec<String>,
}

/// Reads the file at `path`: a model file, safetensors, PyTorch's, Caffe's, or the weights of an ONNX file.
///
/// # Errors
/// If it cannot be read, is of another kind, or is damaged.
pub fn read_weights(path: &Path) -> Result<Loaded> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if extension.eq_ignore_ascii_case("onnx") {
        let Imported { weights, notes, .. } = read_onnx(path)?;
        return Ok(Loaded { weights, notes, ..Loaded::default() });
    }
    let bytes = read_limited(path)?;
    from_bytes(&bytes, &extension.to_lowercase()).map_err(|e| e.at(path.display()))
}

/// The weights in `bytes`, of a file whose name ends in `extension`.
fn from_bytes(bytes: &[u8], extension: &str) -> Result<Loaded> {
    match extension {
        "safetensors" => from_safetensors(bytes),
        "caffemodel" => from_caffe(bytes),
        "pth" | "pt" => from_pytorch(bytes),
        // PyTorch's files bear all kinds of names.
        _ if is_pytorch(bytes) => from_pytorch(bytes),
        _ => Err(Error::input(format!("is no file of weights; read are {READABLE}"))),
    }
}

fn from_safetensors(bytes: &[u8]) -> Result<Loaded> {
    let (weights, metadata, notes) = read_with_notes(bytes)?;
    if !metadata.contains_key("striate") {
        return Ok(Loaded { weights, notes, ..Loaded::default() });
    }
    let mut model = ModelFile::from_parts(weights, &metadata)?;
    let weights = std::mem::take(&mut model.weights);
    Ok(Loaded { weights, model: Some(model), notes, ..Loaded::default() })
}

fn from_pytorch(bytes: &[u8]) -> Result<Loaded> {
    let StateDict { weights, notes } = read_pytorch_bytes(bytes)?;
    Ok(Loaded { weights, notes, ..Loaded::default() })
}

fn from_caffe(bytes: &[u8]) -> Result<Loaded> {
    let CaffeModel { weights, mean, normalisations, notes } = read_caffemodel_bytes(bytes)?;
    Ok(Loaded { weights, model: None, mean, normalisations, notes })
}
