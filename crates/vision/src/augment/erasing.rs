//! Random erasing.

use serde::{Deserialize, Serialize};
use striate_tensor::Result;
use striate_tensor::random::Random;

use super::Operation;
use super::parameters::{Fill, check_pair, check_probability, happens, require, uniform};
use crate::{Image, Region};

/// Overwrites a rectangle of random place, area and aspect ratio; Zhong et al., "Random erasing data augmentation",
/// arXiv 1708.04896, 2017; torchvision's `RandomErasing`, but on bytes. There, the value 0 after normalization is the
/// mean color; here, `value` is the color itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomErasing {
    /// The probability.
    pub p: f64,
    /// Least and greatest share of the image's area.
    pub scale: [f64; 2],
    /// Least and greatest ratio of height to width; its logarithm is uniform.
    pub ratio: [f64; 2],
    /// What is written.
    pub value: EraseValue,
}

/// What is written into a rectangle: a number from 0 to 255, `[red, green, blue]`, or `random`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number from 0 to 255, [red, green, blue] or \"random\"")]
pub enum EraseValue {
    /// One color.
    Color(Fill),
    /// A random byte for each channel of each pixel.
    Noise(Noise),
}

/// The word `random`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// Uniform noise, which is best in the paper.
    Random,
}

impl Default for RandomErasing {
    fn default() -> Self {
        let value = EraseValue::Color(Fill::default());
        RandomErasing { p: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3], value }
    }
}

/// Attempts to find a rectangle that is smaller than the image.
const ATTEMPTS: usize = 10;

impl RandomErasing {
    /// Draws the rectangle in an image of `width` × `height` pixels; `None` if the image is not to be changed, or if
    /// no attempt fits into it.
    pub fn draw(&self, width: usize, height: usize, random: &mut Random) -> Option<Region> {
        if !happens(random, self.p) {
            return None;
        }
        let area = (width * height) as f64;
        let logarithms = self.ratio.map(f64::ln);
        for _ in 0..ATTEMPTS {
            let part = area * uniform(random, self.scale);
            let ratio = uniform(random, logarithms).exp();
            let side = |square: f64| square.sqrt().round_ties_even() as usize;
            let (rows, columns) = (side(part * ratio), side(part / ratio));
            if rows < height && columns < width {
                let top = random.below(height - rows + 1);
                let left = random.below(width - columns + 1);
                return Some(Region { left, top, width: columns, height: rows });
            }
        }
        None
    }
}

impl Operation for RandomErasing {
    fn check(&self) -> Result<()> {
        check_probability(self.p, "RandomErasing")?;
        check_pair(self.scale, [0.0, 1.0], "RandomErasing", "scale")?;
        require(self.scale[1] > 0.0, "RandomErasing", "scale must end above 0")?;
        check_pair(self.ratio, [0.01, 100.0], "RandomErasing", "ratio")
    }

    fn apply(&self, mut image: Image, random: &mut Random) -> Result<Image> {
        let Some(region) = self.draw(image.width(), image.height(), random) else { return Ok(image) };
        let (channels, line) = (image.channels(), image.width() * image.channels());
        let rows = image.pixels_mut().chunks_exact_mut(line).skip(region.top).take(region.height);
        for row in rows {
            let row = &mut row[region.left * channels..][..region.width * channels];
            match self.value {
                EraseValue::Color(fill) => {
                    let color = fill.color();
                    row.chunks_exact_mut(channels).for_each(|to| to.copy_from_slice(&color[..channels]));
                }
                EraseValue::Noise(Noise::Random) => {
                    for bytes in row.chunks_mut(4) {
                        bytes.copy_from_slice(&random.word().to_le_bytes()[..bytes.len()]);
                    }
                }
            }
        }
        Ok(image)
    }
}
