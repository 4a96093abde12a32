//! The command-line interface: verbs and their flags.

mod bench;
mod convert;
mod data;
mod eval;
mod experiment;
mod inspect;
mod look;
mod predict;
mod report;
mod run;
mod small;
mod train;

use clap::{Args, Command, CommandFactory, Parser, Subcommand};
use striate_engine::Precision;

pub use self::bench::{Bench, BenchWhat, Direction};
pub use self::convert::Convert;
pub use self::data::{DataCheck, DataGet, DataInfo, DataPrepare, DataShow, DataVerb};
pub use self::eval::Eval;
pub use self::experiment::{Experiment, Experiments};
pub use self::inspect::Inspect;
pub use self::look::Look;
pub use self::predict::Predict;
pub use self::report::Report;
pub use self::run::Run;
pub use self::small::{Compare, Devices, History, Models, Recipes, Verify};
pub use self::train::Train;
use crate::device::Choice;

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
  list:FILE       lines of path, tab, class; or a folder of such lists:
                  train.tsv, val.tsv, test.tsv
  SHARDS          tar archives as in WebDataset: their folder, or a pattern
                  such as train-{000..146}.tar (see striate data prepare)
  cifar10:FOLDER  CIFAR-10, binary version; likewise cifar100:FOLDER
  idx:FOLDER      IDX files named as those of MNIST
  audio:FOLDER    like FOLDER, with sounds: WAV, Ogg Vorbis, FLAC, MP3
  text:FILE       lines of text, tab, label; or a folder of such files:
                  train.tsv, val.tsv, test.tsv
  text:FOLDER     like FOLDER, with .txt files, each line a text
  npy:FOLDER      images.npy ([N, C, H, W], f32) and labels.npy"
    };
}
use data_sets;

/// Flags of `train` that may be given with --resume, which takes everything else from the run.
const WITH_RESUME: [&str; 10] =
    ["resume", "any_isa", "epochs", "steps", "mib", "no_report", "threads", "device", "precision", "json"];

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
    /// Compare training runs by their folders
    Compare(Compare),
    /// Classify images, sounds or texts
    Predict(Predict),
    /// Show what a model sees in an image, and what its units look for
    Look(Look),
    /// Write the report of a run: curves, errors, mistakes
    Report(Report),
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
    /// List the experiments: claims about networks that can be measured
    Experiments(Experiments),
    /// Measure a claim by training variants of a network
    Experiment(Experiment),
    /// List the built-in recipes, or print one
    Recipes(Recipes),
    /// Check a model file by rerunning the example stored in it
    Verify(Verify),
    /// List the devices of this machine, and what its GPUs still need
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

/// Parses a precision.
fn precision(text: &str) -> Result<Precision, String> {
    let mut known = [Precision::F32, Precision::Tf32, Precision::Bf16].into_iter();
    known.find(|known| known.to_string() == text).ok_or_else(|| "must be f32, tf32 or bf16".to_owned())
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
