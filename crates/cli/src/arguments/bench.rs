//! The flags of `bench`.

use clap::{Args, ValueEnum};

use super::Compute;
use crate::adapt::Adapt;

/// The subject of a benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchWhat {
    /// This machine's peak arithmetic and memory throughput
    Peak,
    /// Single convolutions and matrix multiplications
    Kernels,
    /// A network's forward pass
    Infer,
    /// A network's training step, without data loading
    Train,
}

/// One of the three kernels of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    /// Output y from input x
    Forward,
    /// Data gradient dx from dy
    Data,
    /// Weight gradient dw from x and dy
    Weights,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Benchmarks:
  peak     this machine's peak arithmetic and memory throughput
  kernels  single convolutions and matrix multiplications (PROBLEM or FILE)
  infer    forward passes of a network (MODEL)
  train    training steps of a network, without data loading (MODEL)

A problem such as mb8ic64ih56oc64oh56kh3ph1 describes a convolution, one such as
m1024n1024k1024 a matrix product; bench/README.md has the syntax. A convolution
computes its output (--direction forward), the gradient of its input (data) or
that of its weights (weights).

Examples:
  striate bench peak
  striate bench kernels m1024n1024k1024
  striate bench kernels mb8ic64ih56oc64oh56kh3ph1 --direction weights
  striate bench kernels bench/problems/base.txt
  striate bench train lenet5 --batch 64")]
pub struct Bench {
    /// What to measure: peak, kernels, infer or train
    #[arg(hide_possible_values = true)]
    pub what: BenchWhat,
    /// Network, kernel problems, or files of problems
    #[arg(value_name = "MODEL|PROBLEM|FILE")]
    pub problems: Vec<String>,
    /// Batch size; overrides that of a problem
    #[arg(long, value_name = "N", value_parser = batch_size)]
    pub batch: Option<usize>,
    #[command(flatten)]
    pub adapt: Adapt,
    /// Direction: forward, data or weights [default: forward]
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true)]
    pub direction: Option<Direction>,
    /// Implementation to measure, by name (with kernels)
    #[arg(long, value_name = "NAME")]
    pub algorithm: Option<String>,
    /// Seconds per measurement [default: 1]
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub seconds: Option<f64>,
    #[command(flatten)]
    pub compute: Compute,
}

/// Parses the batch size of a measurement.
fn batch_size(text: &str) -> Result<usize, String> {
    let size = text.parse().ok().filter(|size| (1..=65536).contains(size));
    size.ok_or_else(|| "must be a whole number from 1 to 65536".to_owned())
}

/// Parses the duration of a measurement.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "must be a number of seconds from 0 to 3600".to_owned())
}
