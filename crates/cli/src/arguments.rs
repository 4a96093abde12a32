//! The command-line interface: verbs and their flags.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory, Parser, Subcommand, ValueEnum, value_parser};
use striate_data::MOST_NEAR;
use striate_engine::Precision;
use striate_formats::ReadOptions;

use crate::adapt::Adapt;
use crate::device::Choice;
use crate::reading::{Cache, Checkpoint, Images, Reading, Size};

/// Flags of `train` that may be given with --resume, which takes everything else from the run.
const WITH_RESUME: [&str; 9] =
    ["resume", "any_isa", "epochs", "steps", "mib", "threads", "device", "precision", "json"];

/// Returns the command line, in which flags that exclude others are declared.
pub fn command() -> Command {
    let command = Arguments::command().mut_subcommands(|command| command.allow_negative_numbers(true));
    command.mut_subcommand("train", |train| {
        let train =
            train.mut_arg("input", |input| input.help("Input shape, if the ONNX graph leaves it open"));
        train.mut_args(|argument| match WITH_RESUME.contains(&argument.get_id().as_str()) {
            true => argument,
            false => argument.conflicts_with("resume"),
        })
    })
}

/// The forms of `--data`.
macro_rules! data_sets {
    () => {
        "\
Data sets:
  digits          1,797 handwritten digits of 8x8 pixels, built in
  mnist           MNIST (first: striate data get mnist)
  fashion-mnist   Fashion-MNIST (first: striate data get fashion-mnist)
  FOLDER          one subfolder of images per class, or such subfolders in
                  train/, val/ and test/
  npy:FOLDER      images.npy ([N, C, H, W], f32) and labels.npy"
    };
}

/// Define, train, evaluate, inspect and use convolutional networks.
#[derive(Debug, Parser)]
#[command(
    name = "striate",
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  striate train                        train LeNet-5 on the built-in digits
  striate predict runs/lenet5-digits-1/last.safetensors seven.png
  striate inspect lenet5               show its layers, shapes and cost

`striate COMMAND --help` explains each command."
)]
pub struct Arguments {
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verb to run.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Train a network with a recipe
    Train(Train),
    /// Evaluate a model: top-1 and top-5 error, confusion matrix
    Eval(Eval),
    /// Classify images
    Predict(Predict),
    /// Convert weights and models between file formats
    Convert(Convert),
    /// Show a network's shapes, parameters, cost and memory
    Inspect(Inspect),
    /// List the built-in networks
    Models(Models),
    /// Run a network on raw arrays
    Run(Run),
    /// Inspect, check and download data sets
    #[command(subcommand)]
    Data(DataVerb),
    /// Compare networks from 1957 to 2015 with their published figures
    History(History),
    /// List the built-in recipes, or print one
    Recipes(Recipes),
    /// Check a model file by rerunning the example stored in it
    Verify(Verify),
    /// List the devices of this machine, and what is missing to use its GPUs
    Devices(Devices),
    /// Benchmark this machine, single kernels or whole networks
    Bench(Bench),
}

/// Flags shared by all verbs that compute.
#[derive(Debug, Args)]
pub struct Compute {
    /// Number of threads (0: one per core)
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,
    /// Where to compute: cpu, cuda, cuda:N or auto (see `striate devices`)
    #[arg(long, default_value = "cpu", value_name = "NAME")]
    pub device: Choice,
    /// Numbers that convolutions multiply: f32, tf32 or bf16 [default: f32]
    #[arg(long, value_name = "TYPE", value_parser = precision)]
    pub precision: Option<Precision>,
    /// Random seed [default: 0]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Print one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Devices {
    /// Print one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

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
    /// Overfit the first batch to check that learning works
    #[arg(long)]
    pub overfit_one_batch: bool,
    #[command(flatten)]
    pub reading: Reading,
    #[command(flatten)]
    pub compute: Compute,
}

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

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  striate predict runs/lenet5-digits-1/last.safetensors seven.png
  striate predict model.safetensors photo.jpg --picture predictions.png
  striate predict model.safetensors FOLDER --top 1 --csv predictions.csv
  striate predict net.onnx photo.jpg --preprocessing imagenet --names imagenet
  striate predict resnet18.pth photo.jpg --model resnet18

A preprocessing FILE.json states channels, steps, mean and std (see README):
  {\"channels\": 3, \"mean\": [0.5, 0.5, 0.5], \"std\": [0.5, 0.5, 0.5], \"steps\":
  [{\"step\": \"resize\", \"height\": 64, \"width\": 64, \"filter\": \"bilinear\"}]}")]
pub struct Predict {
    /// Model file, ONNX file, or weights with --model
    pub model: PathBuf,
    /// Images, or folders of images
    #[arg(required = true, value_name = "IMAGE|FOLDER")]
    pub files: Vec<PathBuf>,
    /// Number of predictions per image
    #[arg(long, default_value_t = 5, value_name = "K")]
    pub top: usize,
    /// Draw a single image's predictions as labeled bars
    #[arg(long, value_name = "OUT.png")]
    pub picture: Option<PathBuf>,
    /// Write the predictions as a CSV table
    #[arg(long, value_name = "OUT.csv")]
    pub csv: Option<PathBuf>,
    #[command(flatten)]
    pub images: Images,
    #[command(flatten)]
    pub compute: Compute,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Formats, read and written: .safetensors, .pth, .pt, .caffemodel and .onnx.

The network comes from --model, or from IN if that is a model or ONNX file.
With a network, a .safetensors file becomes a self-contained model file; without
one, it contains only tensors. An ONNX file always contains the network. Caffe
also needs a .prototxt to use a .caffemodel.

Examples:
  striate convert resnet18.pth resnet18.safetensors --model resnet18
  striate convert runs/lenet5-digits-1/last.safetensors lenet5.pth
  striate convert runs/lenet5-digits-1/last.safetensors lenet5.onnx
  striate convert resnet18.pth resnet18.onnx --model resnet18

A preprocessing FILE.json states channels, steps, mean and std (see README):
  {\"channels\": 3, \"mean\": [0.5, 0.5, 0.5], \"std\": [0.5, 0.5, 0.5], \"steps\":
  [{\"step\": \"resize\", \"height\": 64, \"width\": 64, \"filter\": \"bilinear\"}]}")]
pub struct Convert {
    /// File to read: weights or a model
    #[arg(value_name = "IN")]
    pub from: PathBuf,
    /// File to write; its extension selects the format
    #[arg(value_name = "OUT")]
    pub to: PathBuf,
    /// Network that the weights belong to
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Change the number of classes
    #[arg(long, value_name = "N")]
    pub classes: Option<usize>,
    /// Convert weights trained on BGR images to RGB
    #[arg(long)]
    pub bgr: bool,
    /// Preprocessing: imagenet, caffe, tensorflow, zero-one or FILE.json
    #[arg(long, value_name = "NAME|FILE")]
    pub preprocessing: Option<String>,
    /// Class names (one per line, or JSON), or `imagenet`
    #[arg(long, value_name = "FILE|imagenet")]
    pub names: Option<String>,
    /// Write only the tensors, without the network
    #[arg(long)]
    pub tensors_only: bool,
    #[command(flatten)]
    pub reading: Reading,
    #[command(flatten)]
    pub compute: Compute,
}

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

#[derive(Debug, Args)]
pub struct Models {
    /// Print one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

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

/// The verbs under `data`.
#[derive(Debug, Subcommand)]
pub enum DataVerb {
    /// Show the parts, classes and image sizes of a data set
    Info(DataInfo),
    /// Check the images of a folder: damage, duplicates, classes, sizes
    Check(DataCheck),
    /// Draw training images as a recipe augments them
    Show(DataShow),
    /// Download a data set and verify its checksums
    Get(DataGet),
}

#[derive(Debug, Args)]
#[command(after_help = concat!(
    data_sets!(),
    "

Example:
  striate data info digits --picture sheet.png"
))]
pub struct DataInfo {
    /// Data set (see below)
    pub spec: String,
    /// Draw a contact sheet with samples of each class
    #[arg(long, value_name = "OUT.png")]
    pub picture: Option<PathBuf>,
    /// Print one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = concat!(
    data_sets!(),
    "

Examples:
  striate data show resnet18 --data FOLDER --picture samples.png
  striate data show --recipe mine.toml --picture samples.png
  striate data show lenet5 --set data.augment=affine --picture samples.png"
))]
pub struct DataShow {
    /// Network whose input size the images get [default: the recipe's]
    pub model: Option<String>,
    /// Data set (see below) [default: the recipe's]
    #[arg(long, value_name = "SPEC")]
    pub data: Option<String>,
    /// Recipe, by name or as a file [default: the one that `train` selects]
    #[arg(long, value_name = "NAME|FILE")]
    pub recipe: Option<String>,
    /// Change a field of the recipe; can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The picture: a row of samples for each class
    #[arg(long, value_name = "OUT.png")]
    pub picture: PathBuf,
    /// Print one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Reports each problem with file and reason; never changes or deletes anything.
The exit code is 1 if there are errors, 0 if there are only warnings and
information.

  errors       images that cannot be read: corrupt, truncated, empty, of an
               unsupported format; the same image in several parts or classes;
               classes without images, or that training does not have
  warnings     other duplicates, near duplicates, wrong endings, imbalance,
               tiny or missing classes, odd sizes, images of a single color,
               names that differ only in case
  information  CMYK, 16 bits, EXIF orientation, skipped files

Near duplicates are found by a difference hash of 64 bits (9x8 gray pixels).

Examples:
  striate data check photos
  striate data check photos --json --near 8")]
pub struct DataCheck {
    /// Folder of images: with parts, with classes, or any other
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Bits in which near duplicates may differ, 0 to 12 [default: 4]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(0..=i64::from(MOST_NEAR)))]
    pub near: Option<u32>,
    /// Limit of pixels per image [default: 67108864]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub max_pixels: Option<u64>,
    /// List everything, however long
    #[arg(long, conflicts_with = "json")]
    pub all: bool,
    /// Print one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without --from, the files are downloaded from public mirrors, one after another.
Files already present are verified and kept. An interrupted download is resumed
by the next call. The addresses of the built-in mirrors are untested.

Environment variables:
  STRIATE_MIRROR  base URLs with the four .gz files, separated by spaces or
                  commas, used instead of the built-in mirrors
  STRIATE_DATA    folder for data [default: the platform's cache folder]

Examples:
  striate data get mnist
  striate data get fashion-mnist --from FOLDER
  STRIATE_MIRROR=http://HOST/mnist striate data get mnist")]
pub struct DataGet {
    /// Data set to get: mnist or fashion-mnist
    pub name: String,
    /// Copy the four IDX files, plain or .gz, from this folder
    #[arg(long, value_name = "FOLDER")]
    pub from: Option<PathBuf>,
    /// Print one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct History {
    /// Write an HTML page with charts
    #[arg(long, value_name = "OUT.html")]
    pub html: Option<PathBuf>,
    /// Print one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Recipes {
    /// Recipe to print, with all its fields
    pub name: Option<String>,
    /// Print one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// Model file
    pub model: PathBuf,
    #[command(flatten)]
    pub compute: Compute,
}

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

/// Parses a precision.
fn precision(text: &str) -> Result<Precision, String> {
    let mut known = [Precision::F32, Precision::Tf32, Precision::Bf16].into_iter();
    known.find(|known| known.to_string() == text).ok_or_else(|| "must be f32, tf32 or bf16".to_owned())
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

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;

    /// Calls `visit_one` on `command` and on every command below it.
    fn visit(command: &Command, visit_one: &mut impl FnMut(&Command)) {
        visit_one(command);
        command.get_subcommands().for_each(|below| visit(below, visit_one));
    }

    fn help(command: &Command, columns: usize) -> String {
        command.clone().term_width(columns).render_long_help().to_string()
    }

    #[test]
    fn help_fits_in_80_columns() {
        visit(&command(), &mut |command| {
            let name = command.get_name();
            let (narrow, wide) = (help(command, 80), help(command, 0));
            // With long flags, clap puts each text on a separate line below its flag.
            let text = |line: &str| line.rsplit("  ").next().unwrap_or_default().to_owned();
            let broken = wide.lines().find(|line| !narrow.contains(&text(line)));
            assert_eq!(broken, None, "{name}: shorten this line to fit in 80 columns");
        });
    }
}
