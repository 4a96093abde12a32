//! Operations drawn from a table: TrivialAugment and RandAugment, with torchvision's tables.

use serde::{Deserialize, Serialize};
use striate_tensor::Result;
use striate_tensor::random::Random;

use super::Operation;
use super::enhance::{adjust_brightness, adjust_contrast, adjust_saturation, adjust_sharpness};
use super::parameters::{Fill, Interpolation, require};
use super::tone::{autocontrast, equalize, posterize, solarize};
use super::warp::{AffineMap, rotate};
use crate::Image;

/// Applies one random operation with random strength; Müller and Hutter, "TrivialAugment: tuning-free yet
/// state-of-the-art data augmentation", ICCV 2021, in its wide form; torchvision's `TrivialAugmentWide`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrivialAugmentWide {
    /// Number of strengths.
    pub num_magnitude_bins: usize,
    /// How pixels are interpolated where the image is distorted.
    pub interpolation: Interpolation,
    /// The color of pixels from outside the image.
    pub fill: Fill,
}

/// Applies several random operations of one strength; Cubuk et al., "RandAugment: practical automated data augmentation
/// with a reduced search space", arXiv 1909.13719, 2019; torchvision's `RandAugment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandAugment {
    /// Number of operations.
    pub num_ops: usize,
    /// The strength: one of `num_magnitude_bins`, from 0 on.
    pub magnitude: usize,
    /// Number of strengths.
    pub num_magnitude_bins: usize,
    /// How pixels are interpolated where the image is distorted.
    pub interpolation: Interpolation,
    /// The color of pixels from outside the image.
    pub fill: Fill,
}

impl Default for TrivialAugmentWide {
    fn default() -> Self {
        let (interpolation, fill) = (Interpolation::default(), Fill::default());
        TrivialAugmentWide { num_magnitude_bins: 31, interpolation, fill }
    }
}

impl Default for RandAugment {
    fn default() -> Self {
        let (interpolation, fill) = (Interpolation::default(), Fill::default());
        RandAugment { num_ops: 2, magnitude: 9, num_magnitude_bins: 31, interpolation, fill }
    }
}

/// An operation of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Nothing.
    Identity,
    /// Shear along x about the upper left corner; pixels per pixel.
    ShearX,
    /// Shear along y.
    ShearY,
    /// Shift to the right; whole pixels.
    TranslateX,
    /// Shift down.
    TranslateY,
    /// Rotation counterclockwise; degrees.
    Rotate,
    /// Brightness; the factor minus 1, as for the next three.
    Brightness,
    /// Saturation.
    Color,
    /// Contrast.
    Contrast,
    /// Sharpness.
    Sharpness,
    /// Bits that are kept of every byte.
    Posterize,
    /// The least byte that is inverted.
    Solarize,
    /// Stretched contrast.
    AutoContrast,
    /// A flat histogram.
    Equalize,
}

/// The operations of both tables.
pub const OPS: [Op; 14] = [
    Op::Identity,
    Op::ShearX,
    Op::ShearY,
    Op::TranslateX,
    Op::TranslateY,
    Op::Rotate,
    Op::Brightness,
    Op::Color,
    Op::Contrast,
    Op::Sharpness,
    Op::Posterize,
    Op::Solarize,
    Op::AutoContrast,
    Op::Equalize,
];

/// The greatest strengths of a table.
struct Limits {
    shear: f32,
    /// Pixels along x and along y.
    translate: [f32; 2],
    degrees: f32,
    factor: f32,
    /// Bits that the strongest [`Op::Posterize`] takes away.
    bits: f32,
}

impl Limits {
    /// Returns the magnitude of strength `bin` of `bins`, computed in single precision as in torchvision. `None` if
    /// the operation has none.
    fn magnitude(&self, op: Op, bin: usize, bins: usize) -> Option<f64> {
        let (last, bin) = ((bins - 1) as f32, bin as f32);
        // Evenly spaced from both ends, as by PyTorch's `linspace`, which rounds only the sum.
        let spaced = |start: f32, end: f32| {
            let step = f64::from((end - start) / last);
            let from_start = f64::from(start) + step * f64::from(bin);
            let from_end = f64::from(end) - step * f64::from(last - bin);
            let is_in_first_half = bin < (bins / 2) as f32;
            Some(f64::from(if is_in_first_half { from_start as f32 } else { from_end as f32 }))
        };
        match op {
            Op::Identity | Op::AutoContrast | Op::Equalize => None,
            Op::ShearX | Op::ShearY => spaced(0.0, self.shear),
            Op::TranslateX => spaced(0.0, self.translate[0]),
            Op::TranslateY => spaced(0.0, self.translate[1]),
            Op::Rotate => spaced(0.0, self.degrees),
            Op::Brightness | Op::Color | Op::Contrast | Op::Sharpness => spaced(0.0, self.factor),
            Op::Posterize => Some(f64::from(8.0 - (bin / (last / self.bits)).round_ties_even())),
            Op::Solarize => spaced(255.0, 0.0),
        }
    }
}

impl Op {
    /// Whether the magnitude is negated every second time.
    fn is_signed(self) -> bool {
        !matches!(self, Op::Identity | Op::Posterize | Op::Solarize | Op::AutoContrast | Op::Equalize)
    }

    /// Applies the operation with this magnitude, whose meaning and unit are those of the operation.
    pub fn apply(
        self,
        mut image: Image,
        magnitude: f64,
        interpolation: Interpolation,
        fill: [u8; 3],
    ) -> Image {
        let corner = AffineMap { center: Some([0.0; 2]), ..AffineMap::default() };
        let degrees = magnitude.atan().to_degrees();
        let map = match self {
            Op::ShearX => AffineMap { shear: [degrees, 0.0], ..corner },
            Op::ShearY => AffineMap { shear: [0.0, degrees], ..corner },
            Op::TranslateX => AffineMap { translate: [magnitude.trunc(), 0.0], ..AffineMap::default() },
            Op::TranslateY => AffineMap { translate: [0.0, magnitude.trunc()], ..AffineMap::default() },
            Op::Rotate => return rotate(&image, magnitude, interpolation, fill),
            _ => {
                self.change_colors(&mut image, magnitude);
                return image;
            }
        };
        map.apply(&image, interpolation, fill)
    }

    fn change_colors(self, image: &mut Image, magnitude: f64) {
        match self {
            Op::Brightness => adjust_brightness(image, 1.0 + magnitude),
            Op::Color => adjust_saturation(image, 1.0 + magnitude),
            Op::Contrast => adjust_contrast(image, 1.0 + magnitude),
            Op::Sharpness => adjust_sharpness(image, 1.0 + magnitude),
            Op::Posterize => posterize(image, magnitude as u32),
            Op::Solarize => solarize(image, magnitude),
            Op::AutoContrast => autocontrast(image),
            Op::Equalize => equalize(image),
            Op::Identity | Op::ShearX | Op::ShearY | Op::TranslateX | Op::TranslateY | Op::Rotate => {}
        }
    }
}

/// Draws the sign of a magnitude.
fn signed(op: Op, magnitude: Option<f64>, random: &mut Random) -> f64 {
    let magnitude = magnitude.unwrap_or(0.0);
    if op.is_signed() && random.below(2) == 1 { -magnitude } else { magnitude }
}

fn check_bins(bins: usize, name: &str) -> Result<()> {
    require((2..=1 << 16).contains(&bins), name, "num_magnitude_bins must be from 2 to 65536")
}

impl TrivialAugmentWide {
    /// Returns the magnitude of `op` for strength `bin`, below `num_magnitude_bins`; `None` if it has none.
    pub fn magnitude(&self, op: Op, bin: usize) -> Option<f64> {
        let limits = Limits { shear: 0.99, translate: [32.0; 2], degrees: 135.0, factor: 0.99, bits: 6.0 };
        limits.magnitude(op, bin, self.num_magnitude_bins)
    }
}

impl Operation for TrivialAugmentWide {
    fn check(&self) -> Result<()> {
        check_bins(self.num_magnitude_bins, "TrivialAugmentWide")
    }

    fn apply(&self, image: Image, random: &mut Random) -> Result<Image> {
        let op = OPS[random.below(OPS.len())];
        let magnitude = self.magnitude(op, random.below(self.num_magnitude_bins));
        let magnitude = signed(op, magnitude, random);
        Ok(op.apply(image, magnitude, self.interpolation, self.fill.color()))
    }
}

impl RandAugment {
    /// Returns the magnitude of `op` for an image of `width` × `height` pixels; `None` if it has none.
    pub fn magnitude(&self, op: Op, width: usize, height: usize) -> Option<f64> {
        // The table is for images of 331 pixels.
        let translate = [width, height].map(|side| (150.0 / 331.0 * side as f64) as f32);
        let limits = Limits { shear: 0.3, translate, degrees: 30.0, factor: 0.9, bits: 4.0 };
        limits.magnitude(op, self.magnitude, self.num_magnitude_bins)
    }
}

impl Operation for RandAugment {
    fn check(&self) -> Result<()> {
        let name = "RandAugment";
        check_bins(self.num_magnitude_bins, name)?;
        require(
            self.magnitude < self.num_magnitude_bins,
            name,
            "magnitude must be below num_magnitude_bins",
        )?;
        require(self.num_ops <= 16, name, "num_ops must be from 0 to 16")
    }

    fn apply(&self, image: Image, random: &mut Random) -> Result<Image> {
        let step = |image: Image, _| {
            let op = OPS[random.below(OPS.len())];
            let magnitude = signed(op, self.magnitude(op, image.width(), image.height()), random);
            op.apply(image, magnitude, self.interpolation, self.fill.color())
        };
        Ok((0..self.num_ops).fold(image, step))
    }
}
