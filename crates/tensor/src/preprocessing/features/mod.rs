//! Hand-made features in place of pixels: plain data, which `striate-vision` computes.

mod dense_sift;
mod hog;

pub use dense_sift::{DESCRIPTOR, DenseSift};
pub use hog::{BlockNorm, Hog};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Most values of the features of an image; more are taken for a mistake.
const MOST_VALUES: usize = 1 << 26;

/// Features of an image of bytes, as maps `[C, H, W]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Features {
    /// Histograms of oriented gradients.
    Hog(Hog),
    /// SIFT descriptors on a grid.
    DenseSift(DenseSift),
}

/// The pixels that an element of a map is computed from, along rows and columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    /// The first pixel of the first element; negative beyond the edge of the image.
    pub start: [i64; 2],
    /// Number of pixels.
    pub extent: [u64; 2],
    /// Pixels from one element to the next.
    pub step: [u64; 2],
}

impl Features {
    /// The values of `name` in the text form.
    pub const NAMES: [&str; 2] = ["hog", "dense_sift"];

    /// Checks the ranges of the parameters.
    ///
    /// # Errors
    /// If one is out of range.
    pub fn check(&self) -> Result<()> {
        match self {
            Features::Hog(hog) => hog.check(),
            Features::DenseSift(dense) => dense.check(),
        }
    }

    /// Returns the number of channels.
    pub fn channels(&self) -> usize {
        match self {
            Features::Hog(hog) => hog.block_values(),
            Features::DenseSift(dense) => DESCRIPTOR * dense.sizes.len(),
        }
    }

    /// Returns the shape of the features of an image of `[H, W]` pixels.
    ///
    /// # Errors
    /// If a parameter is out of range, or the image is too small or too large.
    pub fn output_shape(&self, image: [usize; 2]) -> Result<[usize; 3]> {
        match self {
            Features::Hog(hog) => hog.output_shape(image),
            Features::DenseSift(dense) => dense.output_shape(image),
        }
    }

    /// Returns which pixels of an image of `[H, W]` pixels each element of a map is computed from. The neighbors that
    /// gradients and blurs need are not counted.
    ///
    /// # Errors
    /// As [`Features::output_shape`].
    pub fn field(&self, image: [usize; 2]) -> Result<Field> {
        let [_, height, width] = self.output_shape(image)?;
        Ok(match self {
            Features::Hog(Hog { pixels_per_cell, cells_per_block, .. }) => Field {
                start: [0, 0],
                extent: [0, 1].map(|axis| (pixels_per_cell[axis] * cells_per_block[axis]) as u64),
                step: pixels_per_cell.map(|pixels| pixels as u64),
            },
            Features::DenseSift(DenseSift { step, sizes, .. }) => {
                // Four regions, of which each reaches its size to both sides of its center.
                let extent = (5.0 * sizes.iter().copied().fold(0.0, f32::max)).ceil() as usize;
                let start = |pixels: usize, centers: usize| {
                    (pixels - (centers - 1) * step) as i64 / 2 - (extent / 2) as i64
                };
                Field {
                    start: [start(image[0], height), start(image[1], width)],
                    extent: [extent as u64; 2],
                    step: [*step as u64; 2],
                }
            }
        })
    }
}

/// Returns `shape` if its number of values can be held.
///
/// # Errors
/// If there are more than 2^26.
fn checked_shape(shape: [usize; 3]) -> Result<[usize; 3]> {
    let values = shape.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent));
    match values {
        Some(values) if values <= MOST_VALUES => Ok(shape),
        _ => {
            let [channels, height, width] = shape;
            Err(Error::input(format!(
                "features of shape {channels}x{height}x{width} have more than 2^26 values; \
                 resize the image or choose larger cells or steps"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_the_pixels_of_a_block_and_of_a_window() {
        let hog = Features::Hog(Hog { pixels_per_cell: [4, 4], cells_per_block: [2, 2], ..Hog::default() });
        let field = hog.field([32, 32]).unwrap();
        assert_eq!((hog.output_shape([32, 32]).unwrap(), hog.channels()), ([36, 7, 7], 36));
        assert_eq!(field, Field { start: [0, 0], extent: [8, 8], step: [4, 4] });
        let dense = Features::DenseSift(DenseSift::default());
        assert_eq!((dense.output_shape([32, 32]).unwrap(), dense.channels()), ([128, 8, 8], 128));
        // The first center lies between the pixels 1 and 2.
        assert_eq!(dense.field([32, 32]).unwrap(), Field { start: [-8, -8], extent: [20, 20], step: [4, 4] });
        assert!(hog.field([4, 4]).unwrap_err().is_input());
    }
}
