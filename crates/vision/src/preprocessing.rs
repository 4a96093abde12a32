//! From an image to a network's input, as a list of steps that a model file can carry.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result};

use crate::digit::centre_digit;
use crate::{Filter, Image, resize};

/// Sides beyond this are a mistake.
const LARGEST_SIDE: usize = 1 << 14;

/// One change of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// To this size, whatever the aspect ratio.
    Resize {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// The filter.
        filter: Filter,
    },
    /// The shorter side to this length, keeping the aspect ratio.
    ResizeShorter {
        /// Pixels of the shorter side.
        size: usize,
        /// The filter.
        filter: Filter,
    },
    /// The middle; black where the image is smaller.
    CentreCrop {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// A drawing or photograph of one digit: bright on black, centred by its mass.
    Digit {
        /// Longer side of the ink, in pixels.
        ink: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// Inverts an image whose border is bright.
    DarkBackground,
}

/// How an image becomes a network's input `[C, H, W]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// 1: grey; 3: red, green, blue.
    pub channels: usize,
    /// Changes of the image, in order.
    pub steps: Vec<Step>,
    /// Subtracted from each channel, whose values lie in [0, 1].
    pub mean: Vec<f32>,
    /// What each channel is divided by after that.
    pub std: Vec<f32>,
}

impl Preprocessing {
    /// Refuses what cannot be applied.
    ///
    /// # Errors
    /// If channels, mean and std do not fit each other, or a size is absurd.
    pub fn check(&self) -> Result<()> {
        let faulty = |what: &str| Err(Error::input(format!("preprocessing: {what}")));
        let fits = |list: &[f32]| list.len() == self.channels && list.iter().all(|x| x.is_finite());
        if !matches!(self.channels, 1 | 3) || !fits(&self.mean) || !fits(&self.std) {
            return faulty("channels is 1 or 3, with as many numbers in mean and std");
        }
        if self.std.contains(&0.0) {
            return faulty("std is not zero");
        }
        let sides = self.steps.iter().flat_map(|step| match step {
            Step::Resize { height, width, .. } | Step::CentreCrop { height, width } => vec![*height, *width],
            Step::ResizeShorter { size, .. } => vec![*size],
            Step::Digit { ink, height, width } => vec![*ink, *height, *width],
            Step::DarkBackground => vec![],
        });
        match sides.into_iter().all(|side| (1..=LARGEST_SIDE).contains(&side)) {
            true => Ok(()),
            false => faulty("sizes lie between 1 and 16384"),
        }
    }

    /// The image after all steps, still in bytes.
    pub fn image(&self, image: &Image) -> Image {
        let start = if self.channels == 1 { image.to_grey() } else { image.to_rgb() };
        self.steps.iter().fold(start, |image, step| apply(step, &image))
    }

    /// The network's input, `[C, H, W]`, with its height and width.
    pub fn apply(&self, image: &Image) -> ([usize; 3], Vec<f32>) {
        let image = self.image(image);
        let area = image.width() * image.height();
        let mut values = vec![0.0; self.channels * area];
        for (index, byte) in image.pixels().iter().enumerate() {
            let (channel, place) = (index % self.channels, index / self.channels);
            values[channel * area + place] = self.value(channel, *byte);
        }
        ([self.channels, image.height(), image.width()], values)
    }

    /// What a byte of `channel` becomes.
    pub fn value(&self, channel: usize, byte: u8) -> f32 {
        (f32::from(byte) / 255.0 - self.mean[channel]) / self.std[channel]
    }
}

fn apply(step: &Step, image: &Image) -> Image {
    match *step {
        Step::Resize { height, width, filter } => resize(image, width, height, filter),
        Step::ResizeShorter { size, filter } => {
            let (w, h) = (image.width(), image.height());
            let longer = |side: usize, shorter: usize| (size * side / shorter).clamp(1, LARGEST_SIDE * 4);
            let (w, h) = if w <= h { (size, longer(h, w)) } else { (longer(w, h), size) };
            resize(image, w, h, filter)
        }
        Step::CentreCrop { height, width } => image.centred(width, height, 0),
        Step::Digit { ink, height, width } => {
            let digit = centre_digit(image, ink, width, height);
            if image.channels() == 3 { digit.to_rgb() } else { digit }
        }
        Step::DarkBackground => {
            let (w, h) = (image.width(), image.height());
            let corners = [(0, 0), (w - 1, 0), (0, h - 1), (w - 1, h - 1)];
            let bright = corners.iter().filter(|(x, y)| image.pixel(*x, *y)[0] > 127).count();
            if bright > 2 { image.inverted() } else { image.clone() }
        }
    }
}
