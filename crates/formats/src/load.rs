//! Weights and model files of any kind, recognized by their content.

use std::collections::HashMap;
use std::path::Path;

use striate_graph::Network;
use striate_tensor::text::counted;
use striate_tensor::{Error, Result};

use crate::caffe::{CaffeModel, Epsilon, Normalization, read_caffemodel_bytes};
use crate::file::read_limited;
use crate::fit::{listed, unexpected};
use crate::kind::{self, Kind};
use crate::pytorch::{self, StateDict};
use crate::safetensors::read_with_notes;
use crate::stream::{self, Streamed};
use crate::{IntegerType, ModelFile, Weights, keys, read_onnx_with};

/// Extensions of weights files, for messages.
pub const READABLE: &str = ".safetensors, .pth, .pt, .caffemodel, .onnx";

/// Choices that the user makes about a file whose content leaves them open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// The extents of one input without the batch, such as `[C, H, W]`, for an ONNX file with open extents.
    pub input: Option<Vec<usize>>,
    /// The tensor of an ONNX graph that becomes the network's output.
    pub output: Option<String>,
    /// The key of the tensors to read, if a file contains several sets of them: the path to a dictionary in a
    /// checkpoint, or a prefix of names, with dots as separators.
    pub key: Option<String>,
    /// Whether tensors that the network does not have are ignored once [`Loaded::choose_for`] knows it.
    pub ignore_unexpected: bool,
}

/// The content of a weights file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Loaded {
    /// Its tensors, in canonical order.
    pub weights: Weights,
    /// Tensors of an ONNX file whose names or shapes differ in its network.
    pub others: Weights,
    /// Everything but the weights, if it is a model file or ONNX.
    pub model: Option<ModelFile>,
    /// The mean subtracted from red, green and blue (0 to 255), if stated in the file.
    pub mean: Option<[f32; 3]>,
    /// Whether it is a Caffe file, whose first convolution was converted from BGR to RGB.
    pub is_caffe: bool,
    /// Local response normalizations in a Caffe file; see [`crate::fit_constants`].
    pub normalizations: Vec<Normalization>,
    /// The ε of the batch norms in a Caffe file; see [`crate::fit_constants`].
    pub epsilons: Vec<Epsilon>,
    /// The metadata of an ONNX file, by key.
    pub metadata: HashMap<String, String>,
    /// The integers that the input of an ONNX graph takes; `None` for floats.
    pub integers: Option<IntegerType>,
    /// Notes for the user on what was chosen or skipped, one line each.
    pub notes: Vec<String>,
    /// A PyTorch checkpoint with several dictionaries of tensors: another one may fit the network better than the one
    /// selected.
    pub several: Option<Several>,
    /// The options that the file was read with.
    pub options: ReadOptions,
}

/// A checkpoint that is read again once the network is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Several {
    bytes: Vec<u8>,
    /// How many of the notes are about the selected dictionary.
    notes: usize,
}

impl Loaded {
    /// The content of a model.
    fn model(mut model: ModelFile, notes: Vec<String>) -> Loaded {
        let weights = std::mem::take(&mut model.weights);
        Loaded { weights, model: Some(model), notes, ..Loaded::default() }
    }

    /// Chooses the weights for `network`. From a checkpoint, takes the dictionary that fits best, or the one under the
    /// requested key. If the file contains all its variables under their names and shapes, takes these, even if the
    /// file's own network has them in another form. Ignores unexpected tensors if requested.
    ///
    /// # Errors
    /// If the network is invalid, or a dictionary under another key fits it better than the requested one.
    pub fn choose_for(&mut self, network: &Network) -> Result<()> {
        if let Some(Several { bytes, notes }) = self.several.take() {
            self.weights = Weights::new();
            let (read, _) = pytorch::read_for(&bytes, &self.options, Some(network))?;
            self.weights = read.weights;
            self.notes.splice(..notes.min(self.notes.len()), read.notes);
        }
        self.choose_variables(network)?;
        if self.options.ignore_unexpected {
            let names = unexpected(network, &self.weights)?;
            if !names.is_empty() {
                let few = listed(&names);
                self.notes.push(format!("ignored {}: {few}", counted(names.len(), "unexpected tensor")));
            }
            names.iter().for_each(|name| drop(self.weights.remove(name)));
        }
        Ok(())
    }

    /// Takes the variables of `network` from the weights and the other tensors, if all are present.
    fn choose_variables(&mut self, network: &Network) -> Result<()> {
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

fn is_onnx(path: &Path) -> bool {
    extension(path).eq_ignore_ascii_case("onnx")
}

/// The extension of `path`.
pub(crate) fn extension(path: &Path) -> String {
    path.extension().map(|extension| extension.to_string_lossy().into_owned()).unwrap_or_default()
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
/// If the file cannot be read, is of another kind, or is damaged; if it has no tensors under [`ReadOptions::key`].
pub fn read_weights_with(path: &Path, options: &ReadOptions) -> Result<Loaded> {
    let mut loaded = match is_onnx(path) {
        true => from_onnx(path, options)?,
        false => match stream::read(path)? {
            Some(streamed) => from_stream(streamed, options).map_err(|e| e.at(path.display()))?,
            None => {
                let bytes = read_limited(path)?;
                match kind::of(&bytes, &extension(path)) {
                    Kind::Onnx => from_onnx(path, options)?,
                    kind => from_bytes(bytes, kind, options).map_err(|e| e.at(path.display()))?,
                }
            }
        },
    };
    if options.key.is_some() && loaded.model.is_some() {
        let what = "contains one network with its weights; --key is for files of several sets of weights";
        return Err(Error::input(what).at(path.display()));
    }
    loaded.options = options.clone();
    Ok(loaded)
}

fn from_onnx(path: &Path, options: &ReadOptions) -> Result<Loaded> {
    let mut imported = read_onnx_with(path, options)?;
    let (others, notes) = (std::mem::take(&mut imported.others), std::mem::take(&mut imported.notes));
    let (metadata, integers) = (imported.metadata.clone(), imported.integers);
    let model = imported.into_model().map_err(|e| e.at(path.display()))?;
    Ok(Loaded { others, metadata, integers, ..Loaded::model(model, notes) })
}

fn from_stream(streamed: Streamed, options: &ReadOptions) -> Result<Loaded> {
    let Streamed { weights, metadata, sums } = streamed;
    match metadata.contains_key("striate") {
        true => Ok(Loaded::model(ModelFile::from_parts(weights, &metadata, Some(sums))?.0, Vec::new())),
        false => under_key(Loaded { weights, ..Loaded::default() }, options),
    }
}

fn from_bytes(bytes: Vec<u8>, kind: Kind, options: &ReadOptions) -> Result<Loaded> {
    let loaded = match kind {
        Kind::PyTorch => return from_pytorch(bytes, options),
        Kind::Safetensors => from_safetensors(&bytes)?,
        Kind::Caffe => from_caffe(&bytes)?,
        Kind::Other(what) => return Err(Error::input(what)),
        Kind::Onnx | Kind::Unknown => {
            return Err(Error::input(format!("is not a weights file; supported: {READABLE}")));
        }
    };
    under_key(loaded, options)
}

/// Selects the weights under the key of `options`, unless the file contains a model.
fn under_key(mut loaded: Loaded, options: &ReadOptions) -> Result<Loaded> {
    if let (Some(key), None) = (&options.key, &loaded.model) {
        loaded.weights = keys::under(loaded.weights, key)?;
    }
    Ok(loaded)
}

fn from_safetensors(bytes: &[u8]) -> Result<Loaded> {
    let (weights, metadata, notes) = read_with_notes(bytes)?;
    if !metadata.contains_key("striate") {
        return Ok(Loaded { weights, notes, ..Loaded::default() });
    }
    Ok(Loaded::model(ModelFile::from_parts(weights, &metadata, None)?.0, notes))
}

fn from_pytorch(bytes: Vec<u8>, options: &ReadOptions) -> Result<Loaded> {
    let (StateDict { weights, notes }, are_several) = pytorch::read_for(&bytes, options, None)?;
    let several = are_several.then_some(Several { bytes, notes: notes.len() });
    Ok(Loaded { weights, notes, several, ..Loaded::default() })
}

fn from_caffe(bytes: &[u8]) -> Result<Loaded> {
    let CaffeModel { weights, mean, normalizations, epsilons, notes } = read_caffemodel_bytes(bytes)?;
    Ok(Loaded { weights, mean, is_caffe: true, normalizations, epsilons, notes, ..Loaded::default() })
}
