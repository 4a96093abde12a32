//! Parameters that several transforms share, written in a recipe as for torchvision.

use serde::{Deserialize, Serialize};
use striate_tensor::random::Random;
use striate_tensor::{Error, Result};

/// Largest side in pixels; more is taken for a mistake.
pub(super) const LARGEST_SIDE: usize = 1 << 14;
/// Largest number of pixels of a result.
pub(super) const MOST_PIXELS: usize = 1 << 26;

/// A size in pixels: one number, or `[height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number of pixels or [height, width]")]
pub enum Size {
    /// The side of a square; with [`Resize`](super::Resize) the shorter side.
    Side(usize),
    /// Height and width.
    Sides([usize; 2]),
}

impl Size {
    /// Returns height and width, where one number means a square.
    pub fn sides(self) -> [usize; 2] {
        match self {
            Size::Side(side) => [side; 2],
            Size::Sides(sides) => sides,
        }
    }

    pub(super) fn check(self, name: &str) -> Result<()> {
        let [height, width] = self.sides();
        let is_side = |side: usize| (1..=LARGEST_SIDE).contains(&side);
        require(is_side(height) && is_side(width), name, "size must be from 1 to 16384 pixels")?;
        require(height * width <= MOST_PIXELS, name, "size must be at most 67108864 pixels in all")
    }
}

/// A range of random numbers: `[low, high]`, or one number, the greatest distance from the neutral value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number or [low, high]")]
pub enum Range {
    /// Up to this far from the neutral value.
    Around(f64),
    /// From the first number to the second.
    Between([f64; 2]),
}

impl Range {
    /// Returns both ends of the range around `neutral`.
    pub fn ends(self, neutral: f64) -> [f64; 2] {
        match self {
            Range::Around(distance) => [neutral - distance, neutral + distance],
            Range::Between(ends) => ends,
        }
    }

    /// Requires a range within `limits` around `neutral`; a distance must not be negative.
    pub(super) fn check(self, neutral: f64, limits: [f64; 2], name: &str, field: &str) -> Result<()> {
        if let Range::Around(distance) = self {
            require(distance >= 0.0, name, &format!("{field} must not be negative"))?;
        }
        check_pair(self.ends(neutral), limits, name, field)
    }
}

/// Requires `pair` to be in order and within `limits`.
pub(super) fn check_pair(pair: [f64; 2], limits: [f64; 2], name: &str, field: &str) -> Result<()> {
    let [least, most] = limits;
    let holds = least <= pair[0] && pair[0] <= pair[1] && pair[1] <= most;
    require(holds, name, &format!("{field} must be a range within [{least}, {most}], the lower end first"))
}

/// The color of pixels from outside an image, in bytes: one number for every channel, or `[red, green, blue]`, of
/// which gray images take the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number from 0 to 255 or [red, green, blue]")]
pub enum Fill {
    /// The same in every channel.
    Gray(u8),
    /// Red, green, blue.
    Color([u8; 3]),
}

impl Fill {
    /// Returns red, green and blue.
    pub fn color(self) -> [u8; 3] {
        match self {
            Fill::Gray(byte) => [byte; 3],
            Fill::Color(color) => color,
        }
    }
}

impl Default for Fill {
    fn default() -> Self {
        Fill::Gray(0)
    }
}

/// How pixels between those of an image are computed where it is distorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The nearest pixel.
    #[default]
    Nearest,
    /// Linear in both directions, between four pixels.
    Bilinear,
}

/// Returns an input error that begins with the name of the transform unless `holds`.
pub(super) fn require(holds: bool, name: &str, rule: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::input(format!("{name}: {rule}"))) }
}

/// Requires the probability `p` to be from 0 to 1.
pub(super) fn check_probability(p: f64, name: &str) -> Result<()> {
    require((0.0..=1.0).contains(&p), name, "p must be from 0 to 1")
}

/// Draws a uniform number in [low, high).
pub(super) fn uniform(random: &mut Random, [low, high]: [f64; 2]) -> f64 {
    low + (high - low) * f64::from(random.uniform())
}

/// Draws whether something of probability `p` happens.
pub(super) fn happens(random: &mut Random, p: f64) -> bool {
    f64::from(random.uniform()) < p
}
