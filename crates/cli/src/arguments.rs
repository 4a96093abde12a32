//! The command line: verbs and their flags.

use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::adapt::Adapt;

/// Classic convolutional networks: define, train, test, look inside, use. On the CPU, in one program.
#[derive(Debug, Parser)]
#[command(
    name = "striate",
    version,
    arg_required_else_help = true,
    after_help = "\
Begin with:
  striate train                              LeNet-5 on the digits that come with the program
  striate predict runs/lenet5-digits-1/last.safetensors seven.png
  striate inspect lenet5                     the network as a table"
)]
pub struct Arguments {
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Train a network; without arguments LeNet-5 on the built-in digits
    Train(Train),
    /// Measure a trained model on a data set: top-1 and top-5 error, confusion
    Eval(Eval),
    /// Say what is on pictures
    Predict(Predict),
    /// Bring weights from one kind of file to another
    Convert(Convert),
    /// Show a network as a table: shapes, parameters, cost, receptive fields, memory
    Inspect(Inspect),
    /// List the networks that come with the program
    Models(Models),
    /// Put raw arrays through a network
    Run(Run),
    /// Data sets: what they hold, and how to get them
    #[command(subcommand)]
    Data(DataVerb),
    /// The line of networks from 1957 to 2015: sizes, costs, published errors, and what is said of them
    History(History),
    /// List the recipes that come with the program, or print one
    Recipes(Recipes),
    /// Rerun a model file's own example and check what it says about itself
    Verify(Verify),
    /// Measure this machine, single kernels, or whole networks
    Bench(Bench),
}

/// Flags of every verb that computes.
#[derive(Debug, Args)]
pub struct Compute {
    /// Threads (0: one for each core)
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,
    /// Seed of everything random
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  striate train                                       the built-in digits, in seconds
  striate train lenet5 --data mnist                   the real MNIST (see: striate data get)
  striate train mynet.toml --data npy:FOLDER --epochs 5
  striate train --set optim.lr=0.02 --set data.augment=affine
  striate train --resume runs/lenet5-digits-1         go on where a run stopped

A network of your own is a text file; `striate inspect lenet5 --text` shows how one reads.")]
pub struct Train {
    /// A network of `striate models`, a .toml text, or a .safetensors or .onnx model to go on from
    pub model: Option<String>,
    /// Data set: digits, mnist, fashion-mnist, npy:FOLDER
    #[arg(long, value_name = "SPEC")]
    pub data: Option<String>,
    /// Recipe: a name of `striate recipes`, or a .toml file
    #[arg(long, value_name = "NAME|FILE")]
    pub recipe: Option<String>,
    /// Change a field of the recipe; can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// First weights from a file
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Times that every image is seen
    #[arg(long, value_name = "N")]
    pub epochs: Option<u64>,
    /// Images in a step
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Largest learning rate
    #[arg(long, value_name = "RATE")]
    pub lr: Option<f32>,
    /// End this call once the run stands at this step
    #[arg(long, value_name = "K")]
    pub steps: Option<u64>,
    /// Go on with the run in this folder
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,
    /// With --resume: accept a checkpoint of another instruction set
    #[arg(long)]
    pub any_isa: bool,
    /// Show the plan and its memory, and do not train
    #[arg(long)]
    pub dry_run: bool,
    /// Learn the first batch by heart: the classic check that a network can learn at all
    #[arg(long)]
    pub overfit_one_batch: bool,
    #[command(flatten)]
    pub compute: Compute,
}

#[derive(Debug, Args)]
pub struct Eval {
    /// The model file, or an ONNX file
    pub model: PathBuf,
    /// Data set: digits, mnist, fashion-mnist, npy:FOLDER
    #[arg(long, value_name = "SPEC")]
    pub data: String,
    /// How each image is seen
    #[arg(long, default_value = "center", value_parser = ["center"])]
    pub protocol: String,
    #[command(flatten)]
    pub compute: Compute,
}

#[derive(Debug, Args)]
pub struct Predict {
    /// The model file, or an ONNX file
    pub model: PathBuf,
    /// Pictures (PNG, JPEG or WebP), or folders of them
    #[arg(required = true, value_name = "IMAGE|DIR")]
    pub images: Vec<PathBuf>,
    /// Guesses for each picture
    #[arg(long, default_value_t = 5, value_name = "K")]
    pub top: usize,
    /// Write the (only) picture with its guesses as labeled bars
    #[arg(long, value_name = "OUT.png")]
    pub picture: Option<PathBuf>,
    /// Write the guesses as a table
    #[arg(long, value_name = "OUT.csv")]
    pub csv: Option<PathBuf>,
    #[command(flatten)]
    pub compute: Compute,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Read and written are .safetensors, .pth, .pt, .caffemodel and .onnx. With a network (--model, or that of a model file
or ONNX file) a .safetensors file describes itself and can be used alone; an ONNX file always holds a network, and a
.caffemodel the weights of a network's layers, for which Caffe wants a .prototxt.

Examples:
  striate convert resnet18.pth resnet18.safetensors --model resnet18
  striate convert runs/lenet5-digits-1/last.safetensors lenet5.pth
  striate convert runs/lenet5-digits-1/last.safetensors lenet5.onnx
  striate convert resnet18.pth resnet18.onnx --model resnet18")]
pub struct Convert {
    /// The file of weights
    #[arg(value_name = "IN")]
    pub from: PathBuf,
    /// The file to write
    #[arg(value_name = "OUT")]
    pub to: PathBuf,
    /// The network whose weights these are
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Give the network so many classes
    #[arg(long, value_name = "N")]
    pub classes: Option<usize>,
    /// The weights were trained on BGR: turn the first convolution to RGB
    #[arg(long)]
    pub bgr: bool,
    /// How pictures become the input, as JSON in the form that model files carry
    #[arg(long, value_name = "FILE.json")]
    pub preprocessing: Option<PathBuf>,
    /// Write the tensors alone, without the network
    #[arg(long)]
    pub tensors_only: bool,
    #[command(flatten)]
    pub compute: Compute,
}

#[derive(Debug, Args)]
pub struct Inspect {
    /// A network of `striate models`, a .toml text, a .safetensors or .onnx model, or a file of weights
    pub model: String,
    #[command(flatten)]
    pub adapt: Adapt,
    /// Images at a time, for the memory
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub batch: usize,
    /// Show every layer of a network that has many
    #[arg(long)]
    pub layers: bool,
    /// Print the network's text, which `train` accepts, instead of the table
    #[arg(long)]
    pub text: bool,
    /// Print the plan: steps, kernels, bytes, and the time of every step
    #[arg(long)]
    pub plan: bool,
    /// With --plan: leave out a pass; can be repeated
    #[arg(long, value_name = "PASS")]
    pub without: Vec<String>,
    #[command(flatten)]
    pub compute: Compute,
}

#[derive(Debug, Args)]
pub struct Models {
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Run {
    /// A network of `striate models`, a .toml text, or a .safetensors or .onnx model
    pub model: String,
    /// The input, [N, C, H, W] f32
    #[arg(long, value_name = "X.npy")]
    pub input: PathBuf,
    /// Where the output goes
    #[arg(long, value_name = "Y.npy")]
    pub output: PathBuf,
    /// The weights; without them they are first weights under --seed
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Give the network so many classes
    #[arg(long, value_name = "N")]
    pub classes: Option<usize>,
    /// Write the output of this layer instead of the last
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// Precision of the computation
    #[arg(long, default_value = "f32", value_parser = ["f32"])]
    pub precision: String,
    #[command(flatten)]
    pub compute: Compute,
}

/// Verbs about data sets.
#[derive(Debug, Subcommand)]
pub enum DataVerb {
    /// Show sizes, classes and counts of a data set
    Info(DataInfo),
    /// Download, verify and store a data set: mnist or fashion-mnist
    Get(DataGet),
}

#[derive(Debug, Args)]
pub struct DataInfo {
    /// Data set: digits, mnist, fashion-mnist, npy:FOLDER
    pub spec: String,
    /// Write a sheet of examples
    #[arg(long, value_name = "OUT.png")]
    pub picture: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without --from the files come from the data set's usual mirrors; what is here already is verified and \
stays. A download that breaks off is kept, and the next call goes on from there. The addresses of the usual \
mirrors could not be tried when this was written.

Variables:
  STRIATE_MIRROR  folders on the web with the four .gz files, instead of the
                  usual mirrors; several stand apart by spaces or commas
  STRIATE_DATA    the folder for data, else the platform's cache folder

Examples:
  striate data get mnist
  striate data get fashion-mnist --from FOLDER
  STRIATE_MIRROR=http://HOST/mnist striate data get mnist")]
pub struct DataGet {
    /// Data set: mnist or fashion-mnist
    pub name: String,
    /// Take the four IDX files, plain or .gz, from this folder instead of the network
    #[arg(long, value_name = "FOLDER")]
    pub from: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct History {
    /// Write it as a page with charts
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Recipes {
    /// Print this recipe with every field
    pub name: Option<String>,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// The model file
    pub model: PathBuf,
    #[command(flatten)]
    pub compute: Compute,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchWhat {
    /// What this machine can do at most
    Peak,
    /// Single convolutions and matrix products
    Kernels,
    /// A network's forward pass
    Infer,
    /// A network's training step, without loading
    Train,
}

/// Which of a convolution's three kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    /// From x to y
    Forward,
    /// From dy to dx
    Data,
    /// From x and dy to dw
    Weights,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  striate bench peak
  striate bench kernels m1024n1024k1024
  striate bench kernels mb8ic64ih56oc64oh56kh3ph1 --direction weights
  striate bench kernels bench/problems/base.txt
  striate bench train lenet5 --batch 64")]
pub struct Bench {
    /// What is measured
    pub what: BenchWhat,
    /// A network, or problems and files of them (see bench/README.md)
    #[arg(value_name = "MODEL|PROBLEM|FILE")]
    pub problems: Vec<String>,
    /// Images at a time; overrides a convolution's own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65536).map(|n| n as usize))]
    pub batch: Option<usize>,
    #[command(flatten)]
    pub adapt: Adapt,
    /// Precision of the computation
    #[arg(long, default_value = "f32", value_parser = ["f32"])]
    pub precision: String,
    /// With kernels: which of a convolution's three (forward, if none is named); matrix products have one
    #[arg(long, value_enum)]
    pub direction: Option<Direction>,
    /// With kernels: a convolution's implementation by name, instead of the first that accepts
    #[arg(long, value_name = "NAME")]
    pub algorithm: Option<String>,
    /// Seconds for each measurement
    #[arg(long, default_value_t = 1.0, value_name = "S", value_parser = seconds)]
    pub seconds: f64,
    #[command(flatten)]
    pub compute: Compute,
}

/// A time that a measurement can take.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "seconds are a number from 0 to 3600".to_owned())
}
