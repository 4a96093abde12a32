//! Crafted files, one table per target: a name, the file, and part of the error message.

mod caffemodel;
mod idx;
mod image;
mod legacy;
mod model;
mod network;
mod npy;
mod onnx;
mod operations;
mod pickle;
mod recipe;
mod safetensors;
mod sound;
mod text;
mod zip;

/// A file and the expected result of reading it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What is special about the file.
    pub name: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// Part of the expected error message; `None` if the file is valid and must be accepted.
    pub refusal: Option<&'static str>,
}

/// Returns a valid file.
fn good(name: &str, bytes: impl Into<Vec<u8>>) -> Case {
    Case { name: name.into(), bytes: bytes.into(), refusal: None }
}

/// Returns a file that is refused with a message containing `message`.
fn bad(name: &str, bytes: impl Into<Vec<u8>>, message: &'static str) -> Case {
    Case { name: name.into(), bytes: bytes.into(), refusal: Some(message) }
}

/// Returns the files for the target called `target`.
///
/// # Panics
/// If no target has this name.
pub fn cases(target: &str) -> Vec<Case> {
    match target {
        "safetensors" => safetensors::cases(),
        "pth" => [zip::cases(), pickle::cases(), legacy::cases()].concat(),
        "onnx" => onnx::cases(),
        "caffemodel" => caffemodel::cases(),
        "idx" => idx::cases(),
        "npy" => npy::cases(),
        "image" => image::cases(),
        "sound" => sound::cases(),
        "text" => text::cases(),
        "recipe" => recipe::cases(),
        "network" => network::cases(),
        "model" => model::cases(),
        _ => panic!("unknown target {target}"),
    }
}
