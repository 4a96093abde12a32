//! Reads back what `striate convert` is about to write, so that it never writes a file that Striate would refuse.

use std::path::Path;

use striate_formats::{
    Loaded, ModelFile, Weights, fit, fit_constants, read_caffemodel_bytes, read_onnx_bytes,
    read_pytorch_bytes, read_safetensors_bytes,
};
use striate_graph::Network;
use striate_tensor::text::printable_path;
use striate_tensor::{Error, Result};

/// Limit of floats in an ONNX file.
const MOST_FLOATS: usize = 1 << 30;

/// What is written and must be found again in the file.
pub struct Written<'a> {
    /// The tensors.
    pub weights: &'a Weights,
    /// The network, if the file contains one.
    pub network: Option<&'a Network>,
    /// The class names, if the file contains them.
    pub classes: Option<&'a [String]>,
}

/// Reads `bytes`, which are to become the file `to` with this `extension`, and compares them with what was `written`.
///
/// # Errors
/// If Striate could not read the file, or would read something else.
pub fn check(bytes: &[u8], extension: &str, to: &Path, written: &Written) -> Result<()> {
    let refuse = |e: Error| {
        Error::input(format!(
            "{}: not written, because striate could not read it back: {e}",
            printable_path(to)
        ))
    };
    compare(bytes, extension, written).map_err(refuse)
}

fn compare(bytes: &[u8], extension: &str, written: &Written) -> Result<()> {
    let (weights, classes) = match extension {
        "onnx" => {
            let model = read_onnx_bytes(bytes, "onnx", MOST_FLOATS)?.into_model()?;
            // Its layers may have other names, and so may its weights.
            (None, Some(model.classes))
        }
        "caffemodel" => {
            let read = read_caffemodel_bytes(bytes)?;
            let mut loaded = Loaded {
                weights: read.weights,
                normalizations: read.normalizations,
                epsilons: read.epsilons,
                ..Loaded::default()
            };
            let network = written.network.ok_or_else(|| Error::input("contains no network"))?;
            fit_constants(network, &mut loaded)?;
            // Caffe's constants and forms of layers change the numbers.
            fit(network, loaded.weights)?;
            (None, None)
        }
        "safetensors" if written.network.is_some() => {
            let model = ModelFile::from_bytes(bytes)?;
            (Some(model.weights), Some(model.classes))
        }
        "safetensors" => (Some(read_safetensors_bytes(bytes)?.0), None),
        _ => (Some(read_pytorch_bytes(bytes)?.weights), None),
    };
    if weights.is_some_and(|weights| !is_same(&weights, written.weights)) {
        return Err(Error::input("its tensors would change"));
    }
    match (classes, written.classes) {
        (Some(read), Some(written)) if read != written => Err(Error::input("its class names would change")),
        _ => Ok(()),
    }
}

/// Whether names, shapes and every bit are equal, NaN included.
fn is_same(read: &Weights, written: &Weights) -> bool {
    let bits =
        |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
    read.len() == written.len()
        && read.iter().zip(written).all(|((name, (shape, values)), (other, (other_shape, others)))| {
            name == other && shape == other_shape && bits(values, others)
        })
}
