//! Crops: of the center, at random, and at random in place, size and shape.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use striate_tensor::random::Random;
use striate_tensor::{Error, Result};

use super::Operation;
use super::parameters::{Fill, LARGEST_SIDE, Size, check_pair, require, uniform};
use super::sizes::bilinear;
use crate::{Filter, Image, LazyImage, Region, resize, resize_region};

/// Cuts out the center, with black where the image is smaller; torchvision's `CenterCrop`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CenterCrop {
    /// Height and width of the result.
    pub size: Size,
}

impl Operation for CenterCrop {
    fn check(&self) -> Result<()> {
        self.size.check("CenterCrop")
    }

    fn apply(&self, image: Image, _: &mut Random) -> Result<Image> {
        let [height, width] = self.size.sides();
        Ok(image.centered(width, height, 0))
    }

    fn output_size(&self, _: Option<[usize; 2]>) -> Option<[usize; 2]> {
        Some(self.size.sides())
    }
}

/// Pads the image and cuts out a part at a random place; torchvision's `RandomCrop`. With 4 pixels of padding and
/// images of 32 × 32, the augmentation of CIFAR-10 by He et al., "Deep residual learning for image recognition", CVPR
/// 2016, section 4.2; without padding, that of Krizhevsky et al., NIPS 2012, section 4.1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomCrop {
    /// Height and width of the result.
    pub size: Size,
    /// Pixels added on every side.
    #[serde(default)]
    pub padding: Padding,
    /// Whether an image that is still smaller than the crop is padded on both sides by what is missing. If not, it is
    /// refused.
    #[serde(default)]
    pub pad_if_needed: bool,
    /// The color of the padding.
    #[serde(default)]
    pub fill: Fill,
}

/// Widths of padding in pixels: one for all sides, `[left and right, top and bottom]`, or
/// `[left, top, right, bottom]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number of pixels or a list of 2 or 4")]
pub enum Padding {
    /// The same on every side.
    Same(usize),
    /// Left and right; top and bottom.
    Pairs([usize; 2]),
    /// Left, top, right, bottom.
    Sides([usize; 4]),
}

impl Default for Padding {
    fn default() -> Self {
        Padding::Same(0)
    }
}

impl Padding {
    fn sides(self) -> [usize; 4] {
        match self {
            Padding::Same(width) => [width; 4],
            Padding::Pairs([across, down]) => [across, down, across, down],
            Padding::Sides(sides) => sides,
        }
    }
}

impl RandomCrop {
    /// Draws the place of the crop in an image of `width` × `height` pixels: its left and top, which are negative in
    /// the padding.
    ///
    /// # Errors
    /// If the image is smaller than the crop.
    pub fn draw(&self, width: usize, height: usize, random: &mut Random) -> Result<[isize; 2]> {
        let [rows, columns] = self.size.sides();
        let [mut left, mut top, right, bottom] = self.padding.sides();
        let (mut whole_width, mut whole_height) = (width + left + right, height + top + bottom);
        if self.pad_if_needed {
            let missing = [columns.saturating_sub(whole_width), rows.saturating_sub(whole_height)];
            (left, top) = (left + missing[0], top + missing[1]);
            (whole_width, whole_height) = (whole_width + 2 * missing[0], whole_height + 2 * missing[1]);
        }
        if whole_width < columns || whole_height < rows {
            let padded = if self.padding.sides() == [0; 4] { "" } else { " with its padding" };
            return Err(Error::input(format!(
                "RandomCrop: the image has {whole_width}x{whole_height} pixels{padded}, less than the size \
                 {columns}x{rows}; resize it before, or set pad_if_needed"
            )));
        }
        let y = random.below(whole_height - rows + 1);
        let x = random.below(whole_width - columns + 1);
        Ok([x as isize - left as isize, y as isize - top as isize])
    }
}

/// Returns what of `count` pixels from `first` on is inside of `side` pixels.
fn inside(first: isize, count: usize, side: usize) -> Range<usize> {
    let within = |at: isize| at.clamp(0, side as isize) as usize;
    within(first)..within(first + count as isize)
}

impl Operation for RandomCrop {
    fn check(&self) -> Result<()> {
        self.size.check("RandomCrop")?;
        let is_narrow = self.padding.sides().iter().all(|width| *width <= LARGEST_SIDE);
        require(is_narrow, "RandomCrop", "padding must be from 0 to 16384 pixels")
    }

    fn apply(&self, image: Image, random: &mut Random) -> Result<Image> {
        let [left, top] = self.draw(image.width(), image.height(), random)?;
        let [height, width] = self.size.sides();
        if (left, top, width, height) == (0, 0, image.width(), image.height()) {
            return Ok(image);
        }
        Ok(image.window_on(left, top, width, height, self.fill.color()))
    }

    fn apply_lazily(&self, image: LazyImage, random: &mut Random) -> Result<Image> {
        let [left, top] = self.draw(image.width(), image.height(), random)?;
        let [height, width] = self.size.sides();
        let (columns, rows) = (inside(left, width, image.width()), inside(top, height, image.height()));
        let region =
            Region { left: columns.start, top: rows.start, width: columns.len(), height: rows.len() };
        if columns.is_empty() || rows.is_empty() {
            return Ok(image.decode()?.window_on(left, top, width, height, self.fill.color()));
        }
        let part = image.region(region)?;
        if (part.width(), part.height()) == (width, height) {
            return Ok(part);
        }
        let (left, top) = (left - region.left as isize, top - region.top as isize);
        Ok(part.window_on(left, top, width, height, self.fill.color()))
    }

    fn output_size(&self, _: Option<[usize; 2]>) -> Option<[usize; 2]> {
        Some(self.size.sides())
    }
}

/// Cuts out a part of random place, area and aspect ratio, and resizes it; Szegedy et al., "Going deeper with
/// convolutions", CVPR 2015, section 6; torchvision's `RandomResizedCrop`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomResizedCrop {
    /// Height and width of the result.
    pub size: Size,
    /// Least and greatest share of the image's area.
    #[serde(default = "inception_scale")]
    pub scale: [f64; 2],
    /// Least and greatest ratio of width to height; its logarithm is uniform.
    #[serde(default = "inception_ratio")]
    pub ratio: [f64; 2],
    /// The filter.
    #[serde(default = "bilinear")]
    pub interpolation: Filter,
}

fn inception_scale() -> [f64; 2] {
    [0.08, 1.0]
}

fn inception_ratio() -> [f64; 2] {
    [3.0 / 4.0, 4.0 / 3.0]
}

/// Attempts to find a part that fits into the image.
const ATTEMPTS: usize = 10;

impl RandomResizedCrop {
    /// Draws the part of an image of `width` × `height` pixels. Where no attempt fits into the image, it is the
    /// largest one in the center with a permitted ratio.
    pub fn draw(&self, width: usize, height: usize, random: &mut Random) -> Region {
        let area = (width * height) as f64;
        let logarithms = self.ratio.map(f64::ln);
        for _ in 0..ATTEMPTS {
            let part = area * uniform(random, self.scale);
            let ratio = uniform(random, logarithms).exp();
            let side = |square: f64| square.sqrt().round_ties_even() as usize;
            let (columns, rows) = (side(part * ratio), side(part / ratio));
            if (1..=width).contains(&columns) && (1..=height).contains(&rows) {
                let top = random.below(height - rows + 1);
                let left = random.below(width - columns + 1);
                return Region { left, top, width: columns, height: rows };
            }
        }
        let ratio = (width as f64 / height as f64).clamp(self.ratio[0], self.ratio[1]);
        let shortened = |side: f64, whole: usize| (side.round_ties_even() as usize).clamp(1, whole);
        let rows = shortened(width as f64 / ratio, height);
        let columns = shortened(height as f64 * ratio, width);
        Region { left: (width - columns) / 2, top: (height - rows) / 2, width: columns, height: rows }
    }
}

impl Operation for RandomResizedCrop {
    fn check(&self) -> Result<()> {
        self.size.check("RandomResizedCrop")?;
        check_pair(self.scale, [0.0, 1.0], "RandomResizedCrop", "scale")?;
        require(self.scale[1] > 0.0, "RandomResizedCrop", "scale must end above 0")?;
        check_pair(self.ratio, [0.01, 100.0], "RandomResizedCrop", "ratio")
    }

    fn apply(&self, image: Image, random: &mut Random) -> Result<Image> {
        let region = self.draw(image.width(), image.height(), random);
        let [height, width] = self.size.sides();
        Ok(resize_region(&image, region, width, height, self.interpolation))
    }

    fn apply_lazily(&self, image: LazyImage, random: &mut Random) -> Result<Image> {
        let region = self.draw(image.width(), image.height(), random);
        let [height, width] = self.size.sides();
        Ok(resize(&image.region(region)?, width, height, self.interpolation))
    }

    fn output_size(&self, _: Option<[usize; 2]>) -> Option<[usize; 2]> {
        Some(self.size.sides())
    }
}
