//! The flags of `train`.

use std::path::PathBuf;

use clap::Args;

use super::{Compute, data_sets};
use crate::reading::{Cache, Reading, Size};

#[derive(Debug, Args)]
#[command(after_help = concat!(
    "\
Without arguments, LeNet-5 is trained on the built-in digits, in seconds.

",
    data_sets!(),
    "

Examples:
  striate train lenet5 --data mnist
  striate train mynet.toml --data npy:FOLDER --epochs 5
  striate train --set optim.lr=0.02 --set data.augment=affine
  striate train model.onnx --data FOLDER         fine-tune a model
  striate train --find-lr --picture rates.png    propose a learning rate
  striate train --resume runs/lenet5-digits-1    continue an interrupted run

`striate models` lists the built-in networks. To define your own, start from the
text of one: striate inspect lenet5 --text > mynet.toml"
))]
pub struct Train {
    /// Built-in network, or a .toml, .safetensors or .onnx file
    pub model: Option<String>,
    /// Data set (see below)
    #[arg(long, value_name = "SPEC")]
    pub data: Option<String>,
    /// Built-in recipe, or a .toml file
    #[arg(long, value_name = "NAME|FILE")]
    pub recipe: Option<String>,
    /// Set a field of the recipe; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Initial weights, from any file that `convert` reads
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Preprocessing of given weights: imagenet, caffe, ... (see predict)
    #[arg(long, value_name = "NAME|FILE")]
    pub preprocessing: Option<String>,
    /// Resize images to this size [default: the network's]
    #[arg(long, value_name = "H,W")]
    pub size: Option<Size>,
    /// Skip images that cannot be read, and list them
    #[arg(long)]
    pub skip_unreadable: bool,
    /// Limit of pixels per image [default: 67108864]
    #[arg(long, value_name = "N")]
    pub max_pixels: Option<u64>,
    #[command(flatten)]
    pub cache: Cache,
    /// Run folder [default: runs/NETWORK-DATA-1, -2, ...]
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Number of epochs
    #[arg(long, value_name = "N")]
    pub epochs: Option<u64>,
    /// Batch size
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Peak learning rate
    #[arg(long, value_name = "RATE")]
    pub lr: Option<f32>,
    /// Stop after step K; --resume continues from there
    #[arg(long, value_name = "K")]
    pub steps: Option<u64>,
    /// Resume the run in this folder
    #[arg(long, value_name = "FOLDER")]
    pub resume: Option<PathBuf>,
    /// Resume from a checkpoint of another instruction set or device
    #[arg(long, requires = "resume")]
    pub any_isa: bool,
    /// Show summary and plan, with times, without training
    #[arg(long, conflicts_with_all = ["out", "steps"])]
    pub dry_run: bool,
    /// Range test: find a learning rate instead of training
    #[arg(long, conflicts_with_all = ["out", "steps", "resume", "dry_run", "lr", "epochs"])]
    pub find_lr: bool,
    /// Picture of the range test's losses
    #[arg(long, value_name = "OUT.png", requires = "find_lr")]
    pub picture: Option<PathBuf>,
    /// Skip report.html, which rereads the data
    #[arg(long, conflicts_with_all = ["dry_run", "find_lr"])]
    pub no_report: bool,
    /// Overfit the first batch to check that learning works
    #[arg(long)]
    pub overfit_one_batch: bool,
    #[command(flatten)]
    pub reading: Reading,
    #[command(flatten)]
    pub compute: Compute,
}
