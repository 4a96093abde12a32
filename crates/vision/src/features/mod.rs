//! Hand-made features: from an image of bytes to maps `[C, H, W]`, as an alternative to normalized pixels.

mod hog;
mod sift;

pub use sift::{KeyPoint, Sift};
pub use striate_tensor::preprocessing::{BlockNorm, DESCRIPTOR, DenseSift, Features, Hog};

use striate_tensor::Result;

use crate::Image;

/// Features that are computed from an image.
pub trait Extract {
    /// Returns the features of `image` with their shape, `[C, H, W]`.
    ///
    /// # Errors
    /// If a parameter is out of range, or the image is too small or too large.
    fn features(&self, image: &Image) -> Result<([usize; 3], Vec<f32>)>;
}

impl Extract for Features {
    fn features(&self, image: &Image) -> Result<([usize; 3], Vec<f32>)> {
        match self {
            Features::Hog(hog) => hog.features(image),
            Features::DenseSift(dense) => dense.features(image),
        }
    }
}
