//! What MODEL on the command line names: a network of the history, a text file, a model file.

use std::path::Path;

use striate_formats::{ModelFile, read_model};
use striate_graph::Network;
use striate_tensor::file::read_text_limited;
use striate_tensor::{Error, Result};

/// A network, with its trained model if the name was that of one.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The network.
    pub network: Network,
    /// The model file or ONNX file it stood in.
    pub model: Option<ModelFile>,
    /// What was left aside in reading it, for a person; a line each.
    pub notes: Vec<String>,
}

/// Texts above this size are no networks.
const LARGEST_TEXT: u64 = 4 << 20;

/// The network that `name` stands for: `lenet5` and its like, `mynet.toml`, `model.safetensors`,
/// `model.onnx`.
///
/// # Errors
/// If there is no such network or file, or the file is faulty.
pub fn resolve(name: &str) -> Result<Resolved> {
    let path = Path::new(name);
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("safetensors" | "onnx") => {
            let (model, notes) = read_model(path)?;
            Ok(Resolved { network: model.network.clone(), model: Some(model), notes })
        }
        Some("toml") => {
            let text = read_text_limited(path, LARGEST_TEXT)?;
            let network = Network::from_text(&text).map_err(|e| e.at(name))?;
            Ok(Resolved { network, model: None, notes: vec![] })
        }
        _ if path.is_file() => Err(Error::input(format!(
            "{name}: a network is a .toml text, an .onnx file or a .safetensors model file, or one that `striate models` lists"
        ))),
        _ => {
            let network = (striate_models::find(name)?.build)()?;
            Ok(Resolved { network, model: None, notes: vec![] })
        }
    }
}
