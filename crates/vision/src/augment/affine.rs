//! Random rotations and affine maps.

use serde::{Deserialize, Serialize};
use striate_tensor::Result;
use striate_tensor::random::Random;

use super::Operation;
use super::parameters::{Fill, Interpolation, Range, check_pair, require, uniform};
use super::warp::{AffineMap, rotate};
use crate::Image;

/// Rotates by a random angle about the center, and keeps the size; torchvision's `RandomRotation`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomRotation {
    /// Degrees counterclockwise: the largest angle in either direction, or a range.
    pub degrees: Range,
    /// How pixels are interpolated.
    #[serde(default)]
    pub interpolation: Interpolation,
    /// The color of pixels from outside the image.
    #[serde(default)]
    pub fill: Fill,
}

/// The angles that are permitted, in degrees.
const DEGREES: [f64; 2] = [-360.0, 360.0];

impl Operation for RandomRotation {
    fn check(&self) -> Result<()> {
        self.degrees.check(0.0, DEGREES, "RandomRotation", "degrees")
    }

    fn apply(&self, image: Image, random: &mut Random) -> Result<Image> {
        let angle = uniform(random, self.degrees.ends(0.0));
        Ok(rotate(&image, angle, self.interpolation, self.fill.color()))
    }
}

/// Rotates, shifts, scales and shears at random about the center, and keeps the size; the distortions of LeCun et al.,
/// "Gradient-based learning applied to document recognition", 1998, section III C; torchvision's `RandomAffine`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomAffine {
    /// Degrees clockwise: the largest angle in either direction, or a range.
    pub degrees: Range,
    /// Largest shift in either direction, as shares of width and height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translate: Option<[f64; 2]>,
    /// Least and greatest factor of the size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<[f64; 2]>,
    /// Degrees of the shear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shear: Option<Shear>,
    /// How pixels are interpolated.
    #[serde(default)]
    pub interpolation: Interpolation,
    /// The color of pixels from outside the image.
    #[serde(default)]
    pub fill: Fill,
}

/// Degrees of a shear: the largest one along x in either direction, a range of it, or ranges along x and along y,
/// `[low, high, low, high]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number or a list of 2 or 4")]
pub enum Shear {
    /// Along x.
    Across(Range),
    /// Along x and along y.
    Both([f64; 4]),
}

impl Shear {
    /// Returns both ends along x and along y.
    fn ends(self) -> [[f64; 2]; 2] {
        match self {
            Shear::Across(range) => [range.ends(0.0), [0.0; 2]],
            Shear::Both([a, b, c, d]) => [[a, b], [c, d]],
        }
    }
}

impl RandomAffine {
    /// Draws the map of an image of `width` × `height` pixels. Shifts are whole pixels.
    pub fn draw(&self, width: usize, height: usize, random: &mut Random) -> AffineMap {
        let angle = uniform(random, self.degrees.ends(0.0));
        let [across, down] = self.translate.unwrap_or_default();
        let shift = |share: f64, side: usize, random: &mut Random| {
            let most = share * side as f64;
            uniform(random, [-most, most]).round_ties_even()
        };
        let translate = [shift(across, width, random), shift(down, height, random)];
        let scale = uniform(random, self.scale.unwrap_or([1.0; 2]));
        let shear = self.shear.unwrap_or(Shear::Both([0.0; 4])).ends().map(|ends| uniform(random, ends));
        AffineMap { angle, translate, scale, shear, center: None }
    }
}

impl Operation for RandomAffine {
    fn check(&self) -> Result<()> {
        let name = "RandomAffine";
        self.degrees.check(0.0, DEGREES, name, "degrees")?;
        let shares = self.translate.unwrap_or_default();
        let are_shares = shares.iter().all(|share| (0.0..=1.0).contains(share));
        require(are_shares, name, "translate must be shares of width and height from 0 to 1")?;
        check_pair(self.scale.unwrap_or([1.0; 2]), [0.01, 100.0], name, "scale")?;
        // At 90 degrees, a shear maps the whole image to a line.
        const SHEAR: [f64; 2] = [-89.0, 89.0];
        match self.shear {
            None => Ok(()),
            Some(Shear::Across(range)) => range.check(0.0, SHEAR, name, "shear"),
            Some(shear) => {
                shear.ends().into_iter().try_for_each(|ends| check_pair(ends, SHEAR, name, "shear"))
            }
        }
    }

    fn apply(&self, image: Image, random: &mut Random) -> Result<Image> {
        let map = self.draw(image.width(), image.height(), random);
        Ok(map.apply(&image, self.interpolation, self.fill.color()))
    }
}
