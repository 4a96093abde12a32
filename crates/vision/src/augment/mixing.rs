//! Mixtures of two samples of a batch: mixup and cutmix, on images of `f32` and on soft targets.

use serde::{Deserialize, Serialize};
use striate_tensor::Result;
use striate_tensor::random::Random;

use super::beta::symmetric_beta;
use super::parameters::require;
use crate::Region;

/// How the samples of a batch are mixed, as a recipe names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", deny_unknown_fields)]
pub enum Mixing {
    /// A weighted mean of two images; Zhang et al., "mixup: beyond empirical risk minimization", arXiv 1710.09412,
    /// 2017; torchvision's `MixUp`.
    MixUp {
        /// Both parameters of the beta distribution of the first image's weight; 0.1 to 0.4 for ImageNet in the paper,
        /// 1 for CIFAR.
        #[serde(default = "one")]
        alpha: f64,
    },
    /// A rectangle of another image; Yun et al., "CutMix: regularization strategy to train strong classifiers with
    /// localizable features", ICCV 2019; torchvision's `CutMix`.
    CutMix {
        /// Both parameters of the beta distribution of the share of the first image; 1 in the paper.
        #[serde(default = "one")]
        alpha: f64,
    },
}

fn one() -> f64 {
    1.0
}

/// What is taken from another image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mix {
    /// All of it, with this weight of the first image, from 0 to 1.
    Mean(f32),
    /// A rectangle, which may be empty.
    Cut(Region),
}

impl Mixing {
    /// Checks that alpha is in range.
    ///
    /// # Errors
    /// If it is not.
    pub fn check(&self) -> Result<()> {
        let (name, alpha) = match *self {
            Mixing::MixUp { alpha } => ("MixUp", alpha),
            Mixing::CutMix { alpha } => ("CutMix", alpha),
        };
        require((1e-3..=1e3).contains(&alpha), name, "alpha must be from 0.001 to 1000")
    }

    /// Draws the mixture of two images of `height` × `width` pixels. In both papers, it is the same for all pairs of a
    /// batch.
    pub fn draw(&self, height: usize, width: usize, random: &mut Random) -> Mix {
        match *self {
            Mixing::MixUp { alpha } => Mix::Mean(symmetric_beta(random, alpha) as f32),
            Mixing::CutMix { alpha } => {
                let share = symmetric_beta(random, alpha);
                let center = [random.below(width), random.below(height)];
                Mix::Cut(rectangle(share, center, [width, height]))
            }
        }
    }
}

/// Returns the rectangle around `center` that leaves the `share` of an image of these sides to the first image; it is
/// cut off at the border.
pub(super) fn rectangle(share: f64, center: [usize; 2], sides: [usize; 2]) -> Region {
    let half = 0.5 * (1.0 - share).sqrt();
    let [(left, width), (top, height)] = [0, 1].map(|axis| {
        let reach = (half * sides[axis] as f64) as usize;
        let first = center[axis].saturating_sub(reach);
        (first, (center[axis] + reach).min(sides[axis]) - first)
    });
    Region { left, top, width, height }
}

impl Mix {
    /// Returns the weight of the first image's target in a mixture of images of `height` × `width` pixels.
    pub fn weight(&self, height: usize, width: usize) -> f32 {
        match self {
            Mix::Mean(weight) => *weight,
            Mix::Cut(region) => {
                (1.0 - (region.width * region.height) as f64 / (width * height) as f64) as f32
            }
        }
    }

    /// Mixes `other` into `image`, both of the shape `[C, H, W]`.
    ///
    /// # Panics
    /// If an image does not have this shape, or a rectangle extends beyond it.
    pub fn apply(&self, [channels, height, width]: [usize; 3], image: &mut [f32], other: &[f32]) {
        let size = channels * height * width;
        assert!(image.len() == size && other.len() == size, "the images must have the given shape");
        match *self {
            Mix::Mean(weight) => mix(weight, image, other),
            Mix::Cut(Region { left, top, width: columns, height: rows }) => {
                assert!(left + columns <= width && top + rows <= height, "the rectangle must fit");
                for channel in 0..channels {
                    for row in top..top + rows {
                        let start = (channel * height + row) * width + left;
                        let range = start..start + columns;
                        image[range.clone()].copy_from_slice(&other[range]);
                    }
                }
            }
        }
    }
}

/// Mixes `other` into `values`, which keep the share `weight`: the mean of two soft targets, or of two images.
pub fn mix(weight: f32, values: &mut [f32], other: &[f32]) {
    let rest = (1.0 - f64::from(weight)) as f32;
    values.iter_mut().zip(other).for_each(|(value, other)| *value = rest * other + weight * *value);
}

/// Draws for each of `count` samples of a batch the one that is mixed into it: a random permutation, in which a sample
/// may keep its own place.
pub fn partners(count: usize, random: &mut Random) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    random.shuffle(&mut order);
    order
}
