//! Flags of `experiments` and `experiment`.

use std::path::PathBuf;

use clap::Args;

use super::Compute;

#[derive(Debug, Args)]
#[command(after_help = "\
Each line names an experiment and its subject. The line below it has the
recorded result, if there is one: the first figure of each variant, or the best
variant on each data set.")]
pub struct Experiments {
    /// Print one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  striate experiments                    list them with their results
  striate experiment pooling             train its variants with three seeds
  striate experiment pooling --seeds 1   one seed first; later calls add to it
  striate experiment ancestors           ten networks on four data sets
  striate experiment crops               evaluate models in five ways

Each variant, data set and seed is a run in a separate folder under --out, and
is kept: the same command continues where it was stopped. result.md,
result.json and pictures of the training curves in that folder contain the
result. Experiments that only evaluate models have no seeds.")]
pub struct Experiment {
    /// Name of the experiment
    pub name: String,
    /// Number of seeds of each variant [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100))]
    pub seeds: Option<u64>,
    /// Train on all images, some for as long as in the paper
    #[arg(long)]
    pub full: bool,
    /// Folder of the runs [default: runs/experiments/NAME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub compute: Compute,
}
