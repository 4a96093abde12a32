//! Resolves MODEL on the command line: a built-in network, a text file, a model file or an ONNX file.

use std::path::Path;

use striate_formats::{ModelFile, ReadOptions, read_model_with};
use striate_graph::Network;
use striate_tensor::file::read_text_limited;
use striate_tensor::{Error, Result};

/// A network, with its trained model if the name refers to one.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The network.
    pub network: Network,
    /// The model file or ONNX file that contains it.
    pub model: Option<ModelFile>,
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
/// If there is no such network or file, or the file is invalid.
pub fn resolve_with(name: &str, options: &ReadOptions) -> Result<Resolved> {
    let path = Path::new(name);
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        // Files that contain only weights are refused there.
        Some("safetensors" | "onnx" | "pth" | "pt" | "caffemodel") => {
            let (model, notes) = read_model_with(path, options)?;
            Ok(Resolved { network: model.network.clone(), model: Some(model), notes })
        }
        Some("toml") => {
            let text = read_text_limited(path, LARGEST_TEXT)?;
            let network = Network::from_text(&text).map_err(|e| e.at(name))?;
            Ok(Resolved { network, model: None, notes: vec![] })
        }
        _ => {
            let model = striate_models::find(name).map_err(|unknown| {
                no_network(path).unwrap_or_else(|| unknown.advising("`striate models` lists all"))
            })?;
            Ok(Resolved { network: (model.build)()?, model: None, notes: vec![] })
        }
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
