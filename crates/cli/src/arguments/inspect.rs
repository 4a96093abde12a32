//! The flags of `inspect`.

use clap::Args;

use super::Compute;
use crate::adapt::Adapt;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  striate inspect resnet50 --batch 32
  striate inspect vgg16 --classes 10 --input 3,64,64
  striate inspect lenet5 --plan
  striate inspect resnet18 --plan --train --batch 16
  striate inspect lenet5 --text > mynet.toml
  striate inspect model.onnx")]
pub struct Inspect {
    /// Built-in network, or a network, model or weights file
    pub model: String,
    #[command(flatten)]
    pub adapt: Adapt,
    /// State dict to list, if a checkpoint contains several
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Batch size for which memory is computed [default: 1]
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// List every layer, even of a large network
    #[arg(long)]
    pub layers: bool,
    /// Print the network as TOML, which `train` reads
    #[arg(long, conflicts_with_all = ["plan", "train", "verbose", "layers", "batch", "without"])]
    pub text: bool,
    /// Print the compiled plan with memory and step times
    #[arg(long, conflicts_with = "layers")]
    pub plan: bool,
    /// Print the plan of a training step with momentum (with --plan)
    #[arg(long, requires = "plan", conflicts_with = "layers")]
    pub train: bool,
    /// List steps that run once too (with --plan)
    #[arg(long, requires = "plan", conflicts_with = "json")]
    pub verbose: bool,
    /// Skip a compiler pass (with --plan); may be repeated
    #[arg(long, value_name = "PASS", requires = "plan", conflicts_with = "layers")]
    pub without: Vec<String>,
    #[command(flatten)]
    pub compute: Compute,
}
