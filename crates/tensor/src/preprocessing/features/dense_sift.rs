//! The parameters of SIFT descriptors on a grid, and the shape of what they give.

use serde::{Deserialize, Serialize};

use super::checked_shape;
use crate::{Error, Result};

/// Values of a descriptor: 4×4 regions with 8 directions each.
pub const DESCRIPTOR: usize = 128;
/// Most pixels of an image, which limits the memory of a computation to 384 MiB.
const MOST_PIXELS: usize = 1 << 24;
/// Most sizes of windows.
const MOST_SIZES: usize = 8;

/// Parameters of descriptors on a grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DenseSift {
    /// Pixels from one center to the next, 1 to 256.
    pub step: usize,
    /// Sides in pixels of the regions of a window, which has 4×4; one to eight sizes, each from 1 to 64.
    pub sizes: Vec<f32>,
    /// The image is first blurred by a Gaussian of standard deviation size / smoothing: 3 matches key points; 0
    /// disables the blur.
    pub smoothing: f32,
    /// Whether values are replaced by the square roots of their shares in the sum (RootSIFT). Source: Arandjelović and
    /// Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012.
    pub root: bool,
}

impl Default for DenseSift {
    fn default() -> Self {
        DenseSift { step: 4, sizes: vec![4.0], smoothing: 6.0, root: true }
    }
}

impl DenseSift {
    /// Checks the ranges of the parameters.
    ///
    /// # Errors
    /// If one is out of range.
    pub fn check(&self) -> Result<()> {
        let invalid = |what: &str| Err(Error::input(format!("dense sift: {what}")));
        if !(1..=256).contains(&self.step) {
            return invalid("step must be from 1 to 256");
        }
        let are_sizes_in_range = self.sizes.iter().all(|size| (1.0..=64.0).contains(size));
        if !(1..=MOST_SIZES).contains(&self.sizes.len()) || !are_sizes_in_range {
            return invalid("sizes must be one to eight numbers from 1 to 64");
        }
        match self.smoothing == 0.0 || (1.0..=100.0).contains(&self.smoothing) {
            true => Ok(()),
            false => invalid("smoothing must be 0 or from 1 to 100"),
        }
    }

    /// Returns the shape of the features of an image of `[H, W]` pixels: `[128 × sizes, H / step, W / step]`, rounded
    /// down. The grid is centered in the image.
    ///
    /// # Errors
    /// If a parameter is out of range, the image is smaller than a step or has more than 2^24 pixels, or there are
    /// more than 2^26 values.
    pub fn output_shape(&self, [height, width]: [usize; 2]) -> Result<[usize; 3]> {
        self.check()?;
        let [rows, columns] = [height, width].map(|side| side / self.step);
        let is_large = height.checked_mul(width).is_none_or(|pixels| pixels > MOST_PIXELS);
        if rows == 0 || columns == 0 || is_large {
            let wrong = if is_large { "more than 2^24 pixels" } else { "less than a step of the grid" };
            return Err(Error::input(format!(
                "dense sift: an image of {width}x{height} pixels is {wrong}; resize it"
            )));
        }
        checked_shape([DESCRIPTOR * self.sizes.len(), rows, columns])
    }
}
