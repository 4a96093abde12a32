//! Exports a built-in network or a file as ONNX: `export_onnx [MODEL] [OUT.onnx]`. A network without trained weights is
//! exported with initial weights, under seed 0.

use std::path::PathBuf;

use striate::engine::Inference;
use striate::formats::onnx_bytes;
use striate::predict::resolve;
use striate::tensor::file::write_atomically;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = resolve(&arguments.next().unwrap_or_else(|| "lenet5".into()))?;
    let out = arguments.next().map_or_else(|| std::env::temp_dir().join("lenet5.onnx"), PathBuf::from);
    let weights = match model.model {
        Some(file) => file.weights,
        None => Inference::initial_weights(&model.network, 0)?,
    };
    write_atomically(&out, &onnx_bytes(&model.network, &weights)?)?;
    println!("{}", out.display());
    Ok(())
}
