//! What MODEL on the command line names: a known network, a text file, a model file or an ONNX file.

use std::path::Path;

use striate_formats::{ModelFile, ReadOptions, read_model_with};
use striate_graph::Network;
use striate_tensor::file::read_text_limited;
use striate_tensor::{Error, Result};

/// A network, with its trained model if the name was that of one.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The network.
    pub network: Network,
    /// The model file or ONNX file that holds it.
    pub model: Option<ModelFile>,
    /// What was chosen or left aside in reading it, for a person; a line each.
    pub notes: Vec<String>,
}

/// Texts above this size are refused.
const LARGEST_TEXT: u64 = 4 << 20;

/// The forms in which a network can be given.
const NETWORKS: &str = "a network is a .toml text, an .onnx file or a .safetensors model file, or one that `striate models` lists";

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
/// If there is no such network or file, or the file is faulty.
pub fn resolve_with(name: &str, options: &ReadOptions) -> Result<Resolved> {
    let path = Path::new(name);
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        // Files of weights alone are refused there.
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

/// Explains why the file or folder at `path` is not a network; `None` if the path is a mere word that names no file.
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
