//! Augmentation of training images, as pure functions of an image and of random numbers.
//!
//! A recipe lists [`Transform`]s under torchvision's names and with its parameters; [`Compose`] applies them in order.
//! They work on [`Image`](crate::Image)s of bytes, gray or color, until the image is normalized. Each has
//! three parts: parameters that a recipe contains and [`Operation::check`] validates; what is drawn at random, often a
//! function `draw` of its own; and a function without randomness that computes the pixels. The last agree with
//! torchvision on Pillow's images: byte by byte, but for [`displace`], which may differ by one level.
//! `scripts/reference/augment_torchvision.py` computes the figures of the tests.
//!
//! The random numbers of a sample come from its own [`Random`](striate_tensor::random::Random), so the same seed gives
//! the same pixels on every thread. What is drawn is not what torchvision would draw from the same seed.
//!
//! | file | what |
//! |---|---|
//! | `transform` | the list of a recipe |
//! | `parameters` | parameters that several transforms share |
//! | `sizes`, `crops`, `flip` | where and how large the image is |
//! | `jitter`; `enhance`, `hue`, `tone` | colors; by fixed amounts |
//! | `affine`, `elastic`; `warp` | shapes; by a fixed affine map |
//! | `erasing` | rectangles that are overwritten |
//! | `automatic` | operations drawn from a table |
//! | `mixing`, `beta` | mixtures of two samples of a batch; their weights |
//! | `planar` | shifts, flips and affine maps of images of `f32`, `[C, H, W]` |

mod affine;
mod automatic;
mod beta;
mod crops;
mod elastic;
mod enhance;
mod erasing;
mod flip;
mod hue;
mod jitter;
mod mixing;
mod parameters;
mod planar;
mod sizes;
#[cfg(test)]
mod tests;
mod tone;
mod transform;
mod warp;

pub use affine::{RandomAffine, RandomRotation, Shear};
pub use automatic::{OPS, Op, RandAugment, TrivialAugmentWide};
pub use beta::{log_gamma_variate, symmetric_beta};
pub use crops::{CenterCrop, Padding, RandomCrop, RandomResizedCrop};
pub use elastic::{ElasticTransform, blur, displace};
pub use enhance::{adjust_brightness, adjust_contrast, adjust_saturation, adjust_sharpness};
pub use erasing::{EraseValue, Noise, RandomErasing};
pub use flip::{RandomHorizontalFlip, RandomVerticalFlip};
pub use hue::adjust_hue;
pub use jitter::{ColorJitter, PcaNoise};
pub use mixing::{Mix, Mixing, mix, partners};
pub use parameters::{Fill, Interpolation, Range, Size};
pub use planar::{Affine, affine, flip, shift, shift_flip};
pub use sizes::{RandomResize, Resize};
pub use tone::{autocontrast, equalize, posterize, solarize};
pub use transform::{Compose, Operation, Transform};
pub use warp::{AffineMap, rotate};
