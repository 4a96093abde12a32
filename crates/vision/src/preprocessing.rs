//! Preprocessing from an image to the input of a network, as a list of steps that a model file can store.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result};

use crate::digit::{Center, Frame, center_digit};
use crate::resize::by_shorter_side;
use crate::{Filter, Image, resize};

/// Largest side in pixels; more is taken for a mistake.
const LARGEST_SIDE: usize = 1 << 14;
/// Most pixels that resizing by the shorter side may yield; the longer side of a longer image is squeezed.
const MOST_PIXELS: usize = 1 << 26;
/// Largest number of steps; more are taken for a mistake.
const MOST_STEPS: usize = 32;

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
}

impl Preprocessing {
    /// Checks that the preprocessing can be applied.
    ///
    /// # Errors
    /// If channels, mean and std do not match, or a size is out of range.
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
        match sides.into_iter().all(|side| (1..=LARGEST_SIDE).contains(&side)) {
            true => Ok(()),
            false => invalid("sizes must be from 1 to 16384"),
        }
    }

    /// Returns channels, height and width of every result; `None` if they depend on the image.
    pub fn output_shape(&self) -> Option<[usize; 3]> {
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

    /// Returns the image after all steps, still in bytes.
    pub fn image(&self, image: &Image) -> Image {
        let start = if self.channels == 1 { image.to_gray() } else { image.to_rgb() };
        self.steps.iter().fold(start, |image, step| apply(step, &image))
    }

    /// Returns the input of the network, `[C, H, W]`, with its shape. Call [`Preprocessing::check`] first.
    ///
    /// # Panics
    /// If `check` refuses this preprocessing.
    pub fn apply(&self, image: &Image) -> ([usize; 3], Vec<f32>) {
        let image = self.image(image);
        let mut values = Vec::with_capacity(image.pixels().len());
        for channel in 0..self.channels {
            let bytes = image.pixels().iter().skip(channel).step_by(self.channels);
            values.extend(bytes.map(|byte| self.value(channel, *byte)));
        }
        ([self.channels, image.height(), image.width()], values)
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
}

fn apply(step: &Step, image: &Image) -> Image {
    let (w, h) = (image.width(), image.height());
    match *step {
        Step::Resize { height, width, filter } => resize(image, width, height, filter),
        Step::ResizeShorter { size, filter } => {
            let (w, h) = by_shorter_side(w, h, size, MOST_PIXELS);
            resize(image, w, h, filter)
        }
        Step::Fit { height, width, filter } => {
            let scale = (width as f64 / w as f64).min(height as f64 / h as f64);
            let side = |length: usize, most: usize| ((length as f64 * scale).round() as usize).clamp(1, most);
            resize(image, side(w, width), side(h, height), filter).centered(width, height, 0)
        }
        Step::CenterCrop { height, width } => image.centered(width, height, 0),
        Step::Pad { height, width, value } => image.centered(width, height, value),
        Step::Trim { above, .. } if w.max(h) <= above => image.clone(),
        Step::Trim { tolerance, .. } => trimmed(image, tolerance),
        Step::Digit { ink, height, width, center } => {
            let digit = center_digit(image, Frame { ink, width, height, center });
            if image.channels() == 3 { digit.to_rgb() } else { digit }
        }
        Step::DarkBackground => {
            let corners = [(0, 0), (w - 1, 0), (0, h - 1), (w - 1, h - 1)];
            let gray = |(x, y): (usize, usize)| {
                let pixel = image.pixel(x, y);
                pixel.iter().map(|byte| usize::from(*byte)).sum::<usize>() / pixel.len()
            };
            let bright = corners.into_iter().filter(|corner| gray(*corner) > 127).count();
            if bright > 2 { image.inverted() } else { image.clone() }
        }
        Step::SwapRedBlue => {
            let mut swapped = image.clone();
            if swapped.channels() == 3 {
                swapped.pixels_mut().chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
            }
            swapped
        }
    }
}

/// Trims the edges that have the color of the upper left pixel; an image of one color is left unchanged.
fn trimmed(image: &Image, tolerance: u8) -> Image {
    let corner = image.pixel(0, 0);
    let differs =
        |x: usize, y: usize| image.pixel(x, y).iter().zip(corner).any(|(a, b)| a.abs_diff(*b) > tolerance);
    let (w, h) = (image.width(), image.height());
    let row = |y: &usize| (0..w).any(|x| differs(x, *y));
    let column = |x: &usize| (0..h).any(|y| differs(*x, y));
    let edges = ((0..h).find(row), (0..h).rev().find(row), (0..w).find(column), (0..w).rev().find(column));
    let (Some(top), Some(bottom), Some(left), Some(right)) = edges else { return image.clone() };
    image.window(left as isize, top as isize, right + 1 - left, bottom + 1 - top, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(steps: Vec<Step>) -> Preprocessing {
        Preprocessing { channels: 1, steps, mean: vec![0.5], std: vec![0.25] }
    }

    fn all_steps() -> Vec<Step> {
        vec![
            Step::DarkBackground,
            Step::Trim { tolerance: 12, above: 28 },
            Step::ResizeShorter { size: 21, filter: Filter::Bilinear },
            Step::CenterCrop { height: 19, width: 20 },
            Step::Fit { height: 30, width: 20, filter: Filter::Nearest },
            Step::Resize { height: 9, width: 40, filter: Filter::Box },
            Step::Digit { ink: 20, height: 28, width: 28, center: Center::Box },
            Step::Pad { height: 32, width: 33, value: 3 },
            Step::SwapRedBlue,
        ]
    }

    #[test]
    fn json_round_trip_keeps_steps_and_output_shape_holds() {
        for count in 0..=all_steps().len() {
            let form = form(all_steps()[..count].to_vec());
            form.check().unwrap();
            let text = serde_json::to_string(&form).unwrap();
            assert_eq!(serde_json::from_str::<Preprocessing>(&text).unwrap(), form);
            for image in [Image::filled(50, 35, [250, 240, 0]), Image::filled(1, 90, [9; 3])] {
                let (shape, values) = form.apply(&image);
                assert_eq!(values.len(), shape.iter().product::<usize>());
                assert!(form.output_shape().is_none_or(|expected| expected == shape), "{text}");
            }
            assert_eq!(form.output_shape().is_some(), count >= 4);
        }
    }

    #[test]
    fn bytes_are_normalized_per_channel() {
        let form = Preprocessing { channels: 3, steps: vec![], mean: vec![0.0, 0.5, 1.0], std: vec![1.0; 3] };
        let image = Image::new(2, 1, 3, vec![255, 255, 255, 51, 0, 0]).unwrap();
        assert_eq!(form.apply(&image), ([3, 1, 2], vec![1.0, 0.2, 0.5, -0.5, 0.0, -1.0]));
        assert_eq!(form.apply(&image.to_gray()).0, [3, 1, 2]);
    }

    #[test]
    fn mean_and_std_follow_the_swapped_channels() {
        let mean = [103.939f32, 116.779, 123.68].map(|mean| mean / 255.0).to_vec();
        let form =
            Preprocessing { channels: 3, steps: vec![Step::SwapRedBlue], mean, std: vec![1.0 / 255.0; 3] };
        form.check().unwrap();
        let (_, values) = form.apply(&Image::new(1, 1, 3, vec![200, 100, 50]).unwrap());
        for (value, expected) in values.iter().zip([50.0 - 103.939, 100.0 - 116.779, 200.0 - 123.68]) {
            assert!((value - expected).abs() < 1e-4, "{value} instead of {expected}");
        }
    }

    #[test]
    fn resizing_by_shorter_side_matches_torchvision() {
        let step = Step::ResizeShorter { size: 256, filter: Filter::Bilinear };
        for ((w, h), expected) in [((500, 375), (341, 256)), ((375, 500), (256, 341)), ((90, 90), (256, 256))]
        {
            let image = form(vec![step.clone()]).image(&Image::filled(w, h, [1; 3]));
            assert_eq!((image.width(), image.height()), expected);
        }
        let long = form(vec![step]).image(&Image::filled(1, 60_000, [1; 3]));
        assert!(long.width() == 256 && long.height() <= MOST_PIXELS / 256);
    }

    #[test]
    fn image_is_trimmed_and_fitted() {
        let mut image = Image::filled(60, 40, [255; 3]).to_gray();
        for y in 10..20 {
            image.pixels_mut()[y * 60 + 5..y * 60 + 45].fill(0);
        }
        let steps = vec![
            Step::DarkBackground,
            Step::Trim { tolerance: 12, above: 28 },
            Step::Fit { height: 28, width: 28, filter: Filter::Bilinear },
        ];
        let image = form(steps).image(&image);
        let bright = |y: usize| image.pixels()[y * 28..][..28].iter().all(|x| *x == 255);
        assert_eq!((0..28).filter(|y| bright(*y)).collect::<Vec<_>>(), (10..17).collect::<Vec<_>>());
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
        let unknown = r#"{"channels":1,"steps":[{"step":"digit","ink":1,"height":1,"width":1,"x":1}],"mean":[0],"std":[1]}"#;
        assert!(serde_json::from_str::<Preprocessing>(unknown).is_err());
    }

    /// Model files of early versions have the British spelling.
    #[test]
    fn former_spelling_is_read() {
        let text = r#"{"channels":1,"steps":[{"step":"centre_crop","height":3,"width":4},{"step":"digit","ink":1,"height":3,"width":4,"centre":"mass"}],"mean":[0],"std":[1]}"#;
        let form: Preprocessing = serde_json::from_str(text).unwrap();
        assert_eq!(form.steps[0], Step::CenterCrop { height: 3, width: 4 });
        assert_eq!(form.steps[1], Step::Digit { ink: 1, height: 3, width: 4, center: Center::Mass });
        assert!(serde_json::to_string(&form).unwrap().contains(r#""center":"mass""#));
    }
}
