//! Mirroring.

use serde::{Deserialize, Serialize};
use striate_tensor::Result;
use striate_tensor::random::Random;

use super::Operation;
use super::parameters::{check_probability, happens};
use crate::Image;

/// Mirrors left to right; Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", NIPS
/// 2012, section 4.1; torchvision's `RandomHorizontalFlip`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomHorizontalFlip {
    /// The probability.
    pub p: f64,
}

impl Default for RandomHorizontalFlip {
    fn default() -> Self {
        RandomHorizontalFlip { p: 0.5 }
    }
}

impl Operation for RandomHorizontalFlip {
    fn check(&self) -> Result<()> {
        check_probability(self.p, "RandomHorizontalFlip")
    }

    fn apply(&self, mut image: Image, random: &mut Random) -> Result<Image> {
        if happens(random, self.p) {
            image.mirror();
        }
        Ok(image)
    }
}

/// Turns upside down; torchvision's `RandomVerticalFlip`. For images without a natural top, such as aerial photographs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomVerticalFlip {
    /// The probability.
    pub p: f64,
}

impl Default for RandomVerticalFlip {
    fn default() -> Self {
        RandomVerticalFlip { p: 0.5 }
    }
}

impl Operation for RandomVerticalFlip {
    fn check(&self) -> Result<()> {
        check_probability(self.p, "RandomVerticalFlip")
    }

    fn apply(&self, mut image: Image, random: &mut Random) -> Result<Image> {
        if happens(random, self.p) {
            image.flip();
        }
        Ok(image)
    }
}
