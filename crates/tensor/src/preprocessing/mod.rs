//! Preprocessing from an image to the input of a network: plain data, which model files store and `striate-vision`
//! applies.

mod features;
mod words;

pub use features::{BlockNorm, DESCRIPTOR, DenseSift, Features, Field, Hog};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Largest side in pixels; more is taken for a mistake.
const LARGEST_SIDE: usize = 1 << 14;
/// Largest number of steps; more are taken for a mistake.
const MOST_STEPS: usize = 32;

/// A resampling filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// The pixel at the center of the covered area.
    Nearest,
    /// The mean over the covered area.
    Box,
    /// A triangle.
    Bilinear,
    /// Keys' cubic with a = −1/2.
    Bicubic,
}

/// The point of a digit that is placed in the center of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Center {
    /// The ink's center of mass, as in MNIST.
    #[default]
    Mass,
    /// The box around the ink, as in the digits of 8×8 pixels.
    Box,
}

/// One step of preprocessing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Resizes to this size, ignoring the aspect ratio.
    Resize {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// The filter.
        filter: Filter,
    },
    /// Resizes the shorter side to this length, keeping the aspect ratio.
    ResizeShorter {
        /// Pixels of the shorter side.
        size: usize,
        /// The filter.
        filter: Filter,
    },
    /// Resizes to fit into this size, keeping the aspect ratio, centered on black.
    Fit {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// The filter.
        filter: Filter,
    },
    /// Crops the center; black where the image is smaller.
    #[serde(alias = "centre_crop")]
    CenterCrop {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// Pads the centered image with `value`, or crops it where it is larger.
    Pad {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// The byte of the border, in every channel.
        value: u8,
    },
    /// Trims the edges that have the color of the upper left pixel.
    Trim {
        /// Largest difference from that color, in each channel.
        tolerance: u8,
        /// Images with no side above this are left unchanged.
        above: usize,
    },
    /// Converts a drawing or photograph of one digit to the form of MNIST: bright on black, scaled and centered. An
    /// image that already has this form is left unchanged.
    Digit {
        /// Longer side of the ink, in pixels.
        ink: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// The point that is placed in the center.
        #[serde(default, alias = "centre")]
        center: Center,
    },
    /// Inverts an image of which three corners are bright.
    DarkBackground,
    /// Exchanges red and blue, for networks that take blue, green, red; mean and std then follow that order.
    SwapRedBlue,
}

/// Preprocessing of an image to the input `[C, H, W]` of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Number of channels: 1 (gray) or 3 (red, green, blue).
    pub channels: usize,
    /// Steps applied to the image, in order.
    pub steps: Vec<Step>,
    /// Mean of each channel, subtracted from values in [0, 1].
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, by which values are then divided.
    pub std: Vec<f32>,
    /// Features that take the place of the pixels, computed after the steps; mean and std are then 0 and 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Features>,
}

impl Preprocessing {
    /// Checks that the preprocessing can be applied.
    ///
    /// # Errors
    /// If channels, mean and std do not match, a size is out of range, or features do not fit the images.
    pub fn check(&self) -> Result<()> {
        let invalid = |what: &str| Err(Error::input(format!("preprocessing: {what}")));
        let fits = |list: &[f32]| list.len() == self.channels && list.iter().all(|x| x.is_finite());
        if !matches!(self.channels, 1 | 3) || !fits(&self.mean) || !fits(&self.std) {
            return invalid("channels must be 1 or 3, with one number for each in mean and std");
        }
        if !self.std.iter().all(|x| *x > 0.0 && x.recip().is_finite()) {
            return invalid("std must be above zero");
        }
        if self.steps.len() > MOST_STEPS {
            return invalid("at most 32 steps are allowed");
        }
        let sides = self.steps.iter().flat_map(|step| match *step {
            Step::Resize { height, width, .. }
            | Step::Fit { height, width, .. }
            | Step::CenterCrop { height, width }
            | Step::Pad { height, width, .. } => vec![height, width],
            Step::ResizeShorter { size, .. } => vec![size],
            Step::Digit { ink, height, width, .. } => vec![ink, height, width],
            Step::Trim { .. } | Step::DarkBackground | Step::SwapRedBlue => vec![],
        });
        if !sides.into_iter().all(|side| (1..=LARGEST_SIDE).contains(&side)) {
            return invalid("sizes must be from 1 to 16384");
        }
        self.features.as_ref().map_or(Ok(()), |features| self.check_features(features))
    }

    fn check_features(&self, features: &Features) -> Result<()> {
        if self.mean.iter().any(|mean| *mean != 0.0) || self.std.iter().any(|std| *std != 1.0) {
            let what = "preprocessing: features are computed from bytes, so mean must be 0 and std 1";
            return Err(Error::input(what));
        }
        features.check()?;
        self.image_shape().map_or(Ok(()), |[_, h, w]| features.output_shape([h, w]).map(|_| ()))
    }

    /// Returns channels, height and width of every result; `None` if they depend on the image.
    pub fn output_shape(&self) -> Option<[usize; 3]> {
        let [c, h, w] = self.image_shape()?;
        match &self.features {
            None => Some([c, h, w]),
            Some(features) => features.output_shape([h, w]).ok(),
        }
    }

    /// Returns the number of channels of every result.
    pub fn output_channels(&self) -> usize {
        self.features.as_ref().map_or(self.channels, Features::channels)
    }

    /// Returns channels, height and width of every image after the steps, from which features are computed; `None` if
    /// they depend on the image.
    pub fn image_shape(&self) -> Option<[usize; 3]> {
        let sides = self.steps.iter().fold(None, |sides, step| match *step {
            Step::Resize { height, width, .. }
            | Step::Fit { height, width, .. }
            | Step::CenterCrop { height, width }
            | Step::Pad { height, width, .. }
            | Step::Digit { height, width, .. } => Some([height, width]),
            Step::ResizeShorter { .. } | Step::Trim { .. } => None,
            Step::DarkBackground | Step::SwapRedBlue => sides,
        });
        sides.map(|[height, width]| [self.channels, height, width])
    }

    /// For each channel, the normalized value of each byte.
    pub fn tables(&self) -> Vec<[f32; 256]> {
        let value = |channel| std::array::from_fn(|byte| self.value(channel, byte as u8));
        (0..self.channels).map(value).collect()
    }

    /// Returns the normalized value of a byte of `channel`.
    pub fn value(&self, channel: usize, byte: u8) -> f32 {
        (f32::from(byte) / 255.0 - self.mean[channel]) / self.std[channel]
    }

    /// Whether mean and std are numbers of bytes, divided by 255: std is one byte, as Caffe has it, or all are whole.
    pub fn is_in_bytes(&self) -> bool {
        let bytes = |numbers: &[f32]| numbers.iter().map(|number| number * 255.0).collect::<Vec<_>>();
        let (mean, std) = (bytes(&self.mean), bytes(&self.std));
        let is_whole = |number: &f32| (number - number.round()).abs() < 1e-3;
        let is_one = |number: &f32| (number - 1.0).abs() < 1e-3;
        let is_scaled = std.iter().any(|std| *std < 254.5);
        std.iter().all(is_one) || is_scaled && mean.iter().chain(&std).all(is_whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(steps: Vec<Step>) -> Preprocessing {
        Preprocessing { channels: 1, steps, mean: vec![0.5], std: vec![0.25], features: None }
    }

    #[test]
    fn invalid_preprocessing_is_refused() {
        let good = form(vec![]);
        for bad in [
            Preprocessing { channels: 2, ..good.clone() },
            Preprocessing { mean: vec![0.0; 3], ..good.clone() },
            Preprocessing { mean: vec![f32::NAN], ..good.clone() },
            Preprocessing { std: vec![0.0], ..good.clone() },
            Preprocessing { std: vec![1e-45], ..good.clone() },
            Preprocessing { steps: vec![Step::DarkBackground; 33], ..good.clone() },
            form(vec![Step::Resize { height: 0, width: 4, filter: Filter::Box }]),
            form(vec![Step::Pad { height: 4, width: usize::MAX, value: 0 }]),
            form(vec![Step::ResizeShorter { size: 1 << 20, filter: Filter::Box }]),
        ] {
            assert!(bad.check().unwrap_err().is_input(), "{bad:?}");
        }
    }

    #[test]
    fn features_decide_the_shape() {
        let plain = form(vec![Step::CenterCrop { height: 32, width: 24 }]);
        let hog = Features::Hog(Hog { pixels_per_cell: [4, 4], cells_per_block: [2, 2], ..Hog::default() });
        let with = |features| Preprocessing {
            mean: vec![0.0],
            std: vec![1.0],
            features: Some(features),
            ..plain.clone()
        };
        let form = with(hog.clone());
        form.check().unwrap();
        assert_eq!((form.output_shape(), form.image_shape()), (Some([36, 7, 5]), Some([1, 32, 24])));
        let line = "gray, center crop 32x24, histograms of 9 oriented gradients in cells of 4x4 pixels and blocks of 2x2 cells";
        assert_eq!(form.to_string(), line);
        for bad in [
            Preprocessing { mean: vec![0.5], ..form.clone() },
            with(Features::Hog(Hog { orientations: 1, ..Hog::default() })),
            with(Features::Hog(Hog { pixels_per_cell: [32, 32], ..Hog::default() })),
        ] {
            assert!(bad.check().unwrap_err().is_input(), "{bad:?}");
        }
    }

    #[test]
    fn scale_of_constants_is_recognized() {
        let scaled = |mean: f32, std: f32| Preprocessing { mean: vec![mean], std: vec![std], ..form(vec![]) };
        for (mean, std) in [(0.0, 1.0), (0.5, 0.5), (0.485, 0.229), (0.3098, 0.3492)] {
            assert!(!scaled(mean, std).is_in_bytes(), "{mean} {std}");
        }
        for (mean, std) in [(0.0, 1.0), (103.939, 1.0), (127.0, 128.0)].map(|(a, b)| (a / 255.0, b / 255.0)) {
            assert!(scaled(mean, std).is_in_bytes(), "{mean} {std}");
        }
    }
}
