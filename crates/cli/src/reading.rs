//! Flags for what a file leaves open: the input and output of an ONNX graph, the key within a checkpoint, the
//! preprocessing, the class names.

use std::str::FromStr;

use clap::Args;
use striate_data::{CACHE_BYTES, LoadOptions};
use striate_formats::ReadOptions;
use striate_predict::OpenOptions;
use striate_tensor::Result;
use striate_vision::MAX_PIXELS;

use crate::effect::{Flag, Input, refuse_unused};
use crate::progress::reading_bar;

/// Largest accepted side of an input or image.
const LARGEST_SIDE: usize = 1 << 16;

/// The extents of an input without the batch, such as `3,224,224`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extents(pub Vec<usize>);

impl FromStr for Extents {
    type Err = String;

    fn from_str(text: &str) -> Result<Extents, String> {
        let extents: Option<Vec<usize>> = text.split(',').map(|word| word.trim().parse().ok()).collect();
        let fits = |extents: &Vec<usize>| extents.iter().all(|extent| (1..=LARGEST_SIDE).contains(extent));
        extents
            .filter(fits)
            .map(Extents)
            .ok_or_else(|| "expected comma-separated extents, such as 3,224,224".to_owned())
    }
}

/// Height and width of images, such as `224,224`; one number is that of a square.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub [usize; 2]);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        match text.parse().map(|Extents(extents)| extents).as_deref() {
            Ok([side]) => Ok(Size([*side; 2])),
            Ok([height, width]) => Ok(Size([*height, *width])),
            _ => Err("expected height and width, such as 224,224, or one number for a square".to_owned()),
        }
    }
}

/// The flag for what is held in memory.
#[derive(Debug, Default, Args)]
pub struct Cache {
    /// Memory for images, in MiB; decode more as needed [default: 1024]
    #[arg(long = "cache", value_name = "MIB")]
    pub mib: Option<u64>,
}

impl Cache {
    /// The flag, and whether it is given.
    pub fn flag(&self) -> (&'static str, bool) {
        ("--cache", self.mib.is_some())
    }

    /// Options of loading with this cache, and a progress bar while images are read.
    pub fn options(&self) -> LoadOptions {
        let cache_bytes = self.mib.map_or(CACHE_BYTES, |mib| mib.saturating_mul(1 << 20));
        LoadOptions { cache_bytes, watch: reading_bar(), ..LoadOptions::default() }
    }
}

/// Flags for checkpoints.
#[derive(Debug, Default, Args)]
pub struct Checkpoint {
    /// State dict to read, if a checkpoint contains several
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Ignore tensors that the network does not have
    #[arg(long)]
    pub ignore_unexpected: bool,
}

impl Checkpoint {
    /// Returns the flags with whether they are given.
    pub fn flags(&self) -> [Flag; 2] {
        [Flag::key(self.key.is_some()), Flag::ignore_unexpected(self.ignore_unexpected)]
    }
}

/// Flags for ONNX graphs and checkpoints.
#[derive(Debug, Default, Args)]
pub struct Reading {
    /// Input shape of an ONNX graph or the --model network
    #[arg(long, value_name = "C,H,W")]
    pub input: Option<Extents>,
    /// Output of an ONNX graph [default: the scores, [N, K]]
    #[arg(long, value_name = "NAME")]
    pub output: Option<String>,
    #[command(flatten)]
    pub checkpoint: Checkpoint,
}

impl Reading {
    /// Options for reading a file.
    pub fn options(&self) -> ReadOptions {
        ReadOptions {
            input: self.input.as_ref().map(|Extents(extents)| extents.clone()),
            output: self.output.clone(),
            key: self.checkpoint.key.clone(),
            ignore_unexpected: self.checkpoint.ignore_unexpected,
        }
    }

    /// Refuses flags that have no effect on any of `inputs`, which are all inputs of the command.
    pub fn refuse_unused(&self, inputs: &[Input]) -> Result<()> {
        let of_onnx = [Flag::input(self.input.is_some()), Flag::output("--output", self.output.is_some())];
        refuse_unused(&[&of_onnx[..], &self.checkpoint.flags()].concat(), inputs)
    }
}

/// Flags for a model that classifies images.
#[derive(Debug, Args)]
pub struct Images {
    /// Network of a file that contains only weights
    #[arg(long = "model", value_name = "NAME|FILE")]
    pub network: Option<String>,
    /// Number of its classes [default: that of the weights]
    #[arg(long, value_name = "N", requires = "network")]
    pub classes: Option<usize>,
    /// Preprocessing: imagenet, caffe, tensorflow, zero-one or FILE.json
    #[arg(long, value_name = "NAME|FILE")]
    pub preprocessing: Option<String>,
    /// Class names (one per line, or JSON), or `imagenet`
    #[arg(long, value_name = "FILE|imagenet")]
    pub names: Option<String>,
    /// Input size, if the network accepts several
    #[arg(long, value_name = "H,W")]
    pub size: Option<Size>,
    /// Limit of pixels per image [default: 67108864]
    #[arg(long, value_name = "N")]
    pub max_pixels: Option<u64>,
    #[command(flatten)]
    pub reading: Reading,
}

impl Images {
    /// The number of pixels up to which an image is decoded.
    pub fn max_pixels(&self) -> u64 {
        self.max_pixels.unwrap_or(MAX_PIXELS)
    }

    /// Options for opening a model.
    pub fn options(&self) -> OpenOptions {
        OpenOptions {
            read: self.reading.options(),
            network: self.network.clone(),
            classes: self.classes,
            names: self.names.clone(),
            preprocessing: self.preprocessing.clone(),
            size: self.size.map(|Size(size)| size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_and_sizes_are_parsed() {
        assert_eq!("3, 224,224".parse(), Ok(Extents(vec![3, 224, 224])));
        assert_eq!("7".parse(), Ok(Extents(vec![7])));
        for text in ["", "3,0,4", "3,,4", "a,b", "3x4", "-1", "99999999"] {
            assert!(text.parse::<Extents>().is_err(), "{text}");
        }
        assert_eq!("12,34".parse(), Ok(Size([12, 34])));
        assert_eq!("12".parse(), Ok(Size([12, 12])));
        assert!("1,2,3".parse::<Size>().is_err() && "x".parse::<Size>().is_err());
    }
}
