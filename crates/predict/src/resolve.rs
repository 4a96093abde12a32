//! Resolves MODEL on the command line: a built-in network, a text file, a model file or an ONNX file.

use std::path::Path;

use striate_formats::{Loaded, ModelFile, ReadOptions, WEIGHTS_ALONE, read_weights_with};
use striate_graph::Network;
use striate_tensor::file::read_text_limited;
use striate_tensor::{Error, Result};

use crate::facts::WeightsFacts;

/// A network, with its trained model if the name refers to one.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The network.
    pub network: Network,
    /// The model file or ONNX file that contains it.
    pub model: Option<ModelFile>,
    /// The facts in its file.
    pub facts: WeightsFacts,
    /// Notes for the user on what was chosen or skipped in reading it, one line each.
    pub notes: Vec<String>,
}

/// Largest size of a network text.
const LARGEST_TEXT: u64 = 4 << 20;

/// The ways to specify a network.
const NETWORKS: &str =
    "a network is a .toml, .onnx or .safetensors model file, or a name listed by `striate models`";

/// Returns the network that `name` stands for, read with default options; see [`resolve_with`].
///
/// # Errors
/// As [`resolve_with`].
pub fn resolve(name: &str) -> Result<Resolved> {
    resolve_with(name, &ReadOptions::default())
}

/// Returns the network that `name` stands for: a known network such as `lenet5`, `mynet.toml`,
/// `model.safetensors` or `model.onnx`.
///
/// # Errors
/// If `name` is neither a network nor a file, or the file is invalid.
pub fn resolve_with(name: &str, options: &ReadOptions) -> Result<Resolved> {
    find(name, options, "name the network here, and this file with --weights")
}

/// As [`resolve_with`], for a network whose weights are in another file.
///
/// # Errors
/// As [`resolve_with`].
pub fn resolve_beside(name: &str, options: &ReadOptions) -> Result<Resolved> {
    find(name, options, NETWORKS)
}

/// Returns the network that `name` stands for; the refusal of a file of weights alone ends with `advice`.
fn find(name: &str, options: &ReadOptions, advice: &str) -> Result<Resolved> {
    let path = Path::new(name);
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("safetensors" | "onnx" | "pth" | "pt" | "caffemodel") => from_file(path, options, advice),
        Some("toml") => {
            let text = read_text_limited(path, LARGEST_TEXT)?;
            let network = Network::from_text(&text).map_err(|e| e.at(name))?;
            Ok(Resolved::new(network))
        }
        _ => {
            let model = striate_models::find(name).map_err(|unknown| {
                no_network(path).unwrap_or_else(|| unknown.advising("`striate models` lists them all"))
            })?;
            Ok(Resolved::new((model.build)()?))
        }
    }
}

/// The network in the model file or ONNX file at `path`.
fn from_file(path: &Path, options: &ReadOptions, advice: &str) -> Result<Resolved> {
    // These are for a file of weights beside the network.
    let options = ReadOptions { key: None, ignore_unexpected: false, ..options.clone() };
    let loaded = read_weights_with(path, &options)?;
    let facts = WeightsFacts::of(&loaded, None);
    let Loaded { model, weights, notes, .. } = loaded;
    let Some(model) = model else {
        return Err(Error::input(WEIGHTS_ALONE).at(path.display()).advising(advice));
    };
    let model = ModelFile { weights, ..model };
    Ok(Resolved { network: model.network.clone(), model: Some(model), facts, notes })
}

impl Resolved {
    /// A network alone.
    fn new(network: Network) -> Resolved {
        Resolved { network, model: None, facts: WeightsFacts::default(), notes: vec![] }
    }
}

/// Refuses the name of a built-in network where a file of a model or of weights is needed.
///
/// # Errors
/// If `path` is such a name and not an existing file.
pub fn refuse_builtin(path: &Path) -> Result<()> {
    let name = path.to_str().filter(|_| !path.exists());
    match name.and_then(|name| striate_models::find(name).ok()) {
        None => Ok(()),
        Some(known) => Err(Error::input(format!(
            "{0}: is a built-in network, not a file with trained weights; train it with `striate train {0}` and pass \
             the model file, or pass a weights file with --model {0}",
            known.name
        ))),
    }
}

/// Explains why the file or folder at `path` is not a network; `None` if `path` is just a word, not a file.
fn no_network(path: &Path) -> Option<Error> {
    let is_word = path.parent().is_none_or(|folder| folder.as_os_str().is_empty());
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            Some(Error::input(format!("{} is a folder; {NETWORKS}", path.display())))
        }
        Ok(_) => Some(Error::input(format!("{}: {NETWORKS}", path.display()))),
        Err(_) if is_word => None,
        Err(e) => Some(Error::read(path, e)),
    }
}
