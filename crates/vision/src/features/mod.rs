//! Hand-made features: from an image of bytes to maps `[C, H, W]`, as an alternative to normalized pixels.

mod hog;
mod sift;

pub use hog::{BlockNorm, Hog};
pub use sift::{DESCRIPTOR, DenseSift, KeyPoint, Sift};

use striate_tensor::{Error, Result};

/// Most values of the features of an image; more are taken for a mistake.
const MOST_VALUES: usize = 1 << 26;

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
