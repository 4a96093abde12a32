//! The flags of `run`.

use std::path::PathBuf;

use clap::Args;
use striate_formats::ReadOptions;

use super::Compute;
use crate::reading::Checkpoint;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  striate run resnet50 --weights resnet50.pth --input x.npy --output y.npy")]
pub struct Run {
    /// Built-in network, or a .toml, .safetensors or .onnx file
    pub model: String,
    /// Input array, [N, C, H, W], f32
    #[arg(long, value_name = "X.npy")]
    pub input: PathBuf,
    /// Output file
    #[arg(long, value_name = "Y.npy")]
    pub output: PathBuf,
    /// Weights [default: initial weights from --seed]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Change the number of classes
    #[arg(long, value_name = "N")]
    pub classes: Option<usize>,
    /// Layer whose output is written [default: the last]
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// Output of an ONNX graph [default: the scores, [N, K]]
    #[arg(long, value_name = "NAME")]
    pub onnx_output: Option<String>,
    #[command(flatten)]
    pub checkpoint: Checkpoint,
    #[command(flatten)]
    pub compute: Compute,
}

impl Run {
    /// Options for reading the network and the weights, for inputs of these extents.
    pub fn options(&self, input: Vec<usize>) -> ReadOptions {
        ReadOptions {
            input: Some(input),
            output: self.onnx_output.clone(),
            key: self.checkpoint.key.clone(),
            ignore_unexpected: self.checkpoint.ignore_unexpected,
        }
    }
}
