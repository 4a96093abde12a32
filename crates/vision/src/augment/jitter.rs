//! Random changes of color: jitter of brightness, contrast, saturation and hue; noise along principal components.

use serde::{Deserialize, Serialize};
use striate_tensor::Result;
use striate_tensor::random::Random;

use super::Operation;
use super::enhance::{adjust_brightness, adjust_contrast, adjust_saturation};
use super::hue::adjust_hue;
use super::parameters::{Range, require, uniform};
use crate::Image;

/// Changes brightness, contrast, saturation and hue by random factors, in random order; torchvision's `ColorJitter`.
/// The first three were proposed by Howard, "Some improvements on deep convolutional neural network based image
/// classification", arXiv 1312.5402, 2013, section 2.2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColorJitter {
    /// The factor of brightness: a range, or the greatest distance from 1; not below 0.
    pub brightness: Range,
    /// The factor of contrast.
    pub contrast: Range,
    /// The factor of saturation.
    pub saturation: Range,
    /// Turns of the hue within [−0.5, 0.5]: a range, or the greatest distance from 0.
    pub hue: Range,
}

impl Default for ColorJitter {
    fn default() -> Self {
        let none = Range::Around(0.0);
        ColorJitter { brightness: none, contrast: none, saturation: none, hue: none }
    }
}

/// Largest factor; from about 255 on, nothing changes anyway.
const LARGEST_FACTOR: f64 = 256.0;

impl Operation for ColorJitter {
    fn check(&self) -> Result<()> {
        let name = "ColorJitter";
        let fields =
            [(self.brightness, "brightness"), (self.contrast, "contrast"), (self.saturation, "saturation")];
        for (range, field) in fields {
            // A distance above 1 is cut off at the factor 0.
            let limits = match range {
                Range::Around(_) => [-LARGEST_FACTOR, LARGEST_FACTOR],
                Range::Between(_) => [0.0, LARGEST_FACTOR],
            };
            range.check(1.0, limits, name, field)?;
        }
        self.hue.check(0.0, [-0.5, 0.5], name, "hue")
    }

    fn apply(&self, mut image: Image, random: &mut Random) -> Result<Image> {
        let mut order = [0, 1, 2, 3];
        random.shuffle(&mut order);
        let changes = [(self.brightness, 1.0), (self.contrast, 1.0), (self.saturation, 1.0), (self.hue, 0.0)];
        let adjusts: [fn(&mut Image, f64); 4] =
            [adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue];
        let factors = changes.map(|(range, neutral)| {
            let [low, high] = range.ends(neutral);
            uniform(random, [low.max(neutral - 1.0), high])
        });
        for change in order {
            // Not even a neutral hue keeps every byte, so what is not asked for is left out.
            let (range, neutral) = changes[change];
            if range.ends(neutral) != [neutral; 2] {
                adjusts[change](&mut image, factors[change]);
            }
        }
        Ok(image)
    }
}

/// Adds noise along the principal components of the colors of ImageNet, which imitates changes of intensity and color
/// of the light: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", NIPS 2012,
/// section 4.1. torchvision has none. A gray image is not changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PcaNoise {
    /// The standard deviation of each component's factor; 0.1 in the paper.
    pub std: f64,
}

impl Default for PcaNoise {
    fn default() -> Self {
        PcaNoise { std: 0.1 }
    }
}

/// The components' lengths, for colors in [0, 1], as published with Facebook's ResNet in Torch, 2016.
const LENGTHS: [f64; 3] = [0.2175, 0.0188, 0.0045];
/// The directions of the components: each row is red, green or blue.
const DIRECTIONS: [[f64; 3]; 3] =
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]];

impl PcaNoise {
    /// Draws what is added to red, green and blue, in bytes.
    pub fn draw(&self, random: &mut Random) -> [f64; 3] {
        let factors = LENGTHS.map(|length| length * self.std * f64::from(random.normal()));
        let added = |direction: [f64; 3]| -> f64 { direction.iter().zip(factors).map(|(x, y)| x * y).sum() };
        DIRECTIONS.map(|direction| 255.0 * added(direction))
    }
}

impl Operation for PcaNoise {
    fn check(&self) -> Result<()> {
        require((0.0..=10.0).contains(&self.std), "PcaNoise", "std must be from 0 to 10")
    }

    fn apply(&self, mut image: Image, random: &mut Random) -> Result<Image> {
        let added = self.draw(random);
        if image.channels() == 3 {
            let tables: [[u8; 256]; 3] =
                added.map(|added| std::array::from_fn(|byte| (byte as f64 + added + 0.5) as u8));
            for pixel in image.pixels_mut().as_chunks_mut::<3>().0 {
                for (byte, table) in pixel.iter_mut().zip(&tables) {
                    *byte = table[usize::from(*byte)];
                }
            }
        }
        Ok(image)
    }
}
