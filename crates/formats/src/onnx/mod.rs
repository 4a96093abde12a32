//! ONNX: a graph with weights becomes a network of our own.
//!
//! `proto` reads the messages, `tensor` their elements, `constant` is the arithmetic on what is known before a
//! run, `import` walks the nodes; `layers` and `shapes`
//! say what each operation becomes.

mod attributes;
mod constant;
mod export;
mod import;
mod layers;
mod proto;
mod shapes;
mod tensor;
mod write;

pub use export::onnx_bytes;

use std::path::Path;

use striate_graph::Network;
use striate_tensor::Result;

use crate::Weights;
use crate::file::read_limited;

/// A network that was read from an ONNX file.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The network.
    pub network: Network,
    /// Its parameters and buffers.
    pub weights: Weights,
    /// What was left aside, for a person to read; a line each.
    pub notes: Vec<String>,
}

/// Reads the ONNX file at `path`; weights outside it must lie in its folder.
///
/// # Errors
/// If it cannot be read, is damaged, or holds what a network here cannot be made of; the message names the
/// node, its operation and what is wrong with it.
pub fn read_onnx(path: &Path) -> Result<Imported> {
    let bytes = read_limited(path)?;
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("onnx");
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    import::import(&bytes, name, Some(folder), LARGEST).map_err(|e| e.at(path.display()))
}

/// Reads an ONNX model called `name` from memory; weights outside it are refused. At most `limit` floats are
/// made of it.
///
/// # Errors
/// As [`read_onnx`].
pub fn read_onnx_bytes(bytes: &[u8], name: &str, limit: usize) -> Result<Imported> {
    import::import(bytes, name, None, limit)
}

/// Floats that a file may become, whatever its own size.
const LARGEST: usize = 1 << 30;
