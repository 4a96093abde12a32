//! The flags of `eval`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use striate_predict::Protocol;

use super::{Compute, data_sets};
use crate::reading::{Cache, Images};

#[derive(Debug, Args)]
#[command(after_help = concat!(
    data_sets!(),
    "

The probabilities of several models are averaged.

Protocols (all but center need image files):
  center          the image as the model's preprocessing gives it
  10crop          four corners and center, each mirrored (AlexNet)
  144crop         crops of three squares at four scales (GoogLeNet)
  dense           the whole image, with fully connected layers as
                  convolutions (OverFeat, VGG)
  multiscale      dense at three scales (VGG), or five for networks that
                  average the map (ResNet)

Examples:
  striate eval runs/lenet5-mnist-1/last.safetensors --data mnist
  striate eval resnet18.pth --model resnet18 --data FOLDER --csv guesses.csv
  striate eval model.safetensors --data FOLDER --protocol dense --mirror
  striate eval a.safetensors b.safetensors --data FOLDER"
))]
pub struct Eval {
    /// Model files, ONNX files, or weights with --model
    #[arg(required = true, value_name = "MODEL")]
    pub models: Vec<PathBuf>,
    /// Data set (see below)
    #[arg(long, value_name = "SPEC")]
    pub data: String,
    /// Skip images that cannot be read, and list them
    #[arg(long)]
    pub skip_unreadable: bool,
    #[command(flatten)]
    pub cache: Cache,
    /// Evaluation protocol (see below)
    #[arg(
        long,
        default_value = "center",
        value_name = "NAME",
        value_parser = protocols(),
        hide_possible_values = true
    )]
    pub protocol: Protocol,
    /// Average each image with its mirror image
    #[arg(long)]
    pub mirror: bool,
    /// Write the predictions as a CSV table
    #[arg(long, value_name = "OUT.csv")]
    pub csv: Option<PathBuf>,
    #[command(flatten)]
    pub images: Images,
    #[command(flatten)]
    pub compute: Compute,
}

/// Parses the name of a protocol.
fn protocols() -> impl TypedValueParser<Value = Protocol> {
    let names = PossibleValuesParser::new(Protocol::ALL.map(Protocol::name));
    names.map(|name| Protocol::find(&name).expect("the name is one of the list"))
}
