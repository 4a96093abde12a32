//! Augmentation of training images.
pub mod planar;
pub use planar::{Affine, affine, flip, shift, shift_flip};
