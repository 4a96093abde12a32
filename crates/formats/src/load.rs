//! Any file of weights, told by its content and its name.

use std::collections::HashMap;
use std::path::Path;

use striate_graph::Network;
use striate_tensor::{Error, Result};

use crate::caffe::{CaffeModel, Epsilon, Normalization, read_caffemodel_bytes};
use crate::file::read_limited;
use crate::pytorch::{StateDict, is_pytorch};
use crate::safetensors::read_with_notes;
use crate::{ModelFile, Weights, read_onnx_with, read_pytorch_bytes};

/// Names that files of weights end in, for a message that lists them.
pub const READABLE: &str = ".safetensors, .pth, .pt, .caffemodel, .onnx";

/// Choices that a person makes about a file whose content leaves them open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// The extents of one input without the batch, such as `[C, H, W]`, for an ONNX file that leaves them open.
    pub input: Option<Vec<usize>>,
    /// The output, or any other tensor, of an ONNX graph that becomes the network's output.
    pub output: Option<String>,
    /// The key of the state dict to read, where a checkpoint holds several.
    pub key: Option<String>,
    /// Whether tensors that the network does not have are left aside.
    pub ignore_unexpected: bool,
}

/// What a file of weights holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Loaded {
    /// Its tensors, in canonical order.
    pub weights: Weights,
    /// Tensors of an ONNX file that its network has under other names or shapes.
    pub others: Weights,
    /// The rest of it, if it is a model file or ONNX; without its weights.
    pub model: Option<ModelFile>,
    /// What is subtracted from red, green and blue (0 to 255), if the file says so.
    pub mean: Option<[f32; 3]>,
    /// Local response normalizations that Caffe's files tell of; see [`crate::fit_constants`].
    pub normalizations: Vec<Normalization>,
    /// What Caffe's batch norms add to the variance; see [`crate::fit_constants`].
    pub epsilons: Vec<Epsilon>,
    /// The metadata of an ONNX file, by key.
    pub metadata: HashMap<String, String>,
    /// What was chosen or left aside, for a person to read; a line each.
    pub notes: Vec<String>,
}

impl Loaded {
    /// A model file, or one that became one.
    fn model(mut model: ModelFile, notes: Vec<String>) -> Loaded {
        let weights = std::mem::take(&mut model.weights);
        Loaded { weights, model: Some(model), notes, ..Loaded::default() }
    }

    /// Chooses the weights for `network`: where all its variables stand in the file under their names and shapes,
    /// these, even if the file's own network has them in another form; else all stay as they are.
    ///
    /// # Errors
    /// If the network is faulty.
    pub fn choose_for(&mut self, network: &Network) -> Result<()> {
        let others = std::mem::take(&mut self.others);
        let wanted = network.variables()?;
        let holds =
            |held: &Weights, (name, shape): &(_, _)| held.get(name).is_some_and(|(own, _)| own == shape);
        if others.is_empty() || !wanted.iter().all(|one| holds(&self.weights, one) || holds(&others, one)) {
            return Ok(());
        }
        let mut both = [std::mem::take(&mut self.weights), others];
        let take = |one: (String, _)| {
            let side = usize::from(!holds(&both[0], &one));
            both[side].remove_entry(&one.0)
        };
        self.weights = wanted.into_iter().filter_map(take).collect();
        Ok(())
    }
}

/// Reads the model file or ONNX file at `path` with default options; see [`read_model_with`].
///
/// # Errors
/// As [`read_model_with`].
pub fn read_model(path: &Path) -> Result<(ModelFile, Vec<String>)> {
    read_model_with(path, &ReadOptions::default())
}

/// Reads the model file or ONNX file at `path`. Also returns notes for a person about what was chosen or left
/// aside, one line each.
///
/// # Errors
/// As [`ModelFile::load`] and [`read_onnx_with`].
pub fn read_model_with(path: &Path, options: &ReadOptions) -> Result<(ModelFile, Vec<String>)> {
    if !is_onnx(path) {
        return Ok((ModelFile::load(path)?, vec![]));
    }
    let mut imported = read_onnx_with(path, options)?;
    let notes = std::mem::take(&mut imported.notes);
    Ok((imported.into_model().map_err(|e| e.at(path.display()))?, notes))
}

fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
}

/// Reads the weights in the file at `path` with default options; see [`read_weights_with`].
///
/// # Errors
/// As [`read_weights_with`].
pub fn read_weights(path: &Path) -> Result<Loaded> {
    read_weights_with(path, &ReadOptions::default())
}

/// Reads the weights in the file at `path`: a model file, safetensors, a PyTorch or Caffe file, or ONNX.
///
/// # Errors
/// If the file cannot be read, is of another kind, or is damaged.
pub fn read_weights_with(path: &Path, options: &ReadOptions) -> Result<Loaded> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if is_onnx(path) {
        let mut imported = read_onnx_with(path, options)?;
        let (others, notes) = (std::mem::take(&mut imported.others), std::mem::take(&mut imported.notes));
        let metadata = imported.metadata.clone();
        let model = imported.into_model().map_err(|e| e.at(path.display()))?;
        return Ok(Loaded { others, metadata, ..Loaded::model(model, notes) });
    }
    let bytes = read_limited(path)?;
    from_bytes(&bytes, &extension.to_lowercase()).map_err(|e| e.at(path.display()))
}

/// The weights in `bytes`, of a file whose name ends in `extension`; PyTorch's files bear all kinds of names.
fn from_bytes(bytes: &[u8], extension: &str) -> Result<Loaded> {
    match extension {
        _ if is_pytorch(bytes) => from_pytorch(bytes),
        "safetensors" => from_safetensors(bytes),
        "caffemodel" => from_caffe(bytes),
        "pth" | "pt" => from_pytorch(bytes),
        _ => Err(Error::input(format!("is no file of weights; read are {READABLE}"))),
    }
}

fn from_safetensors(bytes: &[u8]) -> Result<Loaded> {
    let (weights, metadata, notes) = read_with_notes(bytes)?;
    if !metadata.contains_key("striate") {
        return Ok(Loaded { weights, notes, ..Loaded::default() });
    }
    Ok(Loaded::model(ModelFile::from_parts(weights, &metadata)?, notes))
}

fn from_pytorch(bytes: &[u8]) -> Result<Loaded> {
    let StateDict { weights, notes } = read_pytorch_bytes(bytes)?;
    Ok(Loaded { weights, notes, ..Loaded::default() })
}

fn from_caffe(bytes: &[u8]) -> Result<Loaded> {
    let CaffeModel { weights, mean, normalizations, epsilons, notes } = read_caffemodel_bytes(bytes)?;
    Ok(Loaded { weights, mean, normalizations, epsilons, notes, ..Loaded::default() })
}
