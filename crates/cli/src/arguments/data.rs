//! The verbs under `data` and their flags.

use std::path::PathBuf;

use clap::{Args, Subcommand, value_parser};
use striate_data::MOST_NEAR;

use super::data_sets;

/// The verbs under `data`.
#[derive(Debug, Subcommand)]
pub enum DataVerb {
    /// Show the parts, classes and image sizes of a data set
    Info(DataInfo),
    /// Check images: damage, duplicates, classes, sizes
    Check(DataCheck),
    /// Write the images of a data set to shards (tar archives)
    Prepare(DataPrepare),
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
Shards are tar archives in the naming of WebDataset, of about 128 MiB each, with
an index (wds2idx) by which images are read in any order. Beside them, OUT gets
classes.txt and SHA256SUMS. `train` on OUT gives the same model as on DIR, bit
for bit, unless --size makes images smaller.

With --size, images whose shorter side is longer are resized (bilinear); JPEG
images are stored as JPEG of quality 95, others as PNG. All other images are
copied byte for byte.

Examples:
  striate data prepare photos photos-shards
  striate data prepare photos photos-256 --size 256
  striate train resnet18 --data photos-256")]
pub struct DataPrepare {
    /// Folder of images, or list:FILE
    #[arg(value_name = "DIR")]
    pub spec: String,
    /// New folder for the shards
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// Largest length of the shorter side, in pixels
    #[arg(long, value_name = "S", value_parser = value_parser!(u64).range(1..=65536))]
    pub size: Option<u64>,
    /// Skip images that cannot be read, and list them
    #[arg(long)]
    pub skip_unreadable: bool,
    /// Limit of pixels per image [default: 67108864]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub max_pixels: Option<u64>,
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
               classes without images, or that training does not have; lines
               of lists that cannot be used
  warnings     other duplicates, near duplicates, wrong endings, imbalance,
               tiny or missing classes, odd sizes, images of a single color,
               names that differ only in case
  information  CMYK, 16 bits, EXIF orientation, skipped files

Near duplicates are found by a difference hash of 64 bits (9x8 gray pixels).

Examples:
  striate data check photos
  striate data check list:photos/train.tsv
  striate data check photos --json --near 8")]
pub struct DataCheck {
    /// Folder of images, list:FILE or cifar10:FOLDER
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
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
