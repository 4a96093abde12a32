//! The flags of `eval`.

use std::path::PathBuf;

use clap::Args;

use super::{Compute, data_sets};
use crate::reading::{Cache, Images};

#[derive(Debug, Args)]
#[command(after_help = concat!(
    data_sets!(),
    "

Examples:
  striate eval runs/lenet5-mnist-1/last.safetensors --data mnist
  striate eval resnet18.pth --model resnet18 --data FOLDER"
))]
pub struct Eval {
    /// Model file, ONNX file, or weights with --model
    pub model: PathBuf,
    /// Data set (see below)
    #[arg(long, value_name = "SPEC")]
    pub data: String,
    /// Skip images that cannot be read, and list them
    #[arg(long)]
    pub skip_unreadable: bool,
    #[command(flatten)]
    pub cache: Cache,
    /// Evaluation protocol
    #[arg(long, default_value = "center", value_name = "NAME", value_parser = ["center"], hide_possible_values = true)]
    pub protocol: String,
    #[command(flatten)]
    pub images: Images,
    #[command(flatten)]
    pub compute: Compute,
}
