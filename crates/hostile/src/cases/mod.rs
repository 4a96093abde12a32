//! Crafted files, a table for each target: a name, the file, and the words that refuse it.

mod caffemodel;
mod idx;
mod legacy;
mod model;
mod network;
mod onnx;
mod operations;
mod pickle;
mod recipe;
mod safetensors;
mod zip;

/// A file, and what its reader must say to it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What is special about it.
    pub name: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// Words of the line that refuses it; `None` if it is whole and must be read.
    pub refusal: Option<&'static str>,
}

/// A whole file.
fn good(name: &str, bytes: impl Into<Vec<u8>>) -> Case {
    Case { name: name.into(), bytes: bytes.into(), refusal: None }
}

/// A file that is refused with `words`.
fn bad(name: &str, bytes: impl Into<Vec<u8>>, words: &'static str) -> Case {
    Case { name: name.into(), bytes: bytes.into(), refusal: Some(words) }
}

/// The files for the target called `target`.
///
/// # Panics
/// If there is no such target.
pub fn cases(target: &str) -> Vec<Case> {
    match target {
        "safetensors" => safetensors::cases(),
        "pth" => [zip::cases(), pickle::cases(), legacy::cases()].concat(),
        "onnx" => onnx::cases(),
        "caffemodel" => caffemodel::cases(),
        "idx" => idx::cases(),
        "recipe" => recipe::cases(),
        "network" => network::cases(),
        "model" => model::cases(),
        _ => panic!("no target is called {target}"),
    }
}
