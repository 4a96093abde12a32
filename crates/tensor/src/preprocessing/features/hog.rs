//! The parameters of histograms of oriented gradients, and the shape of what they give.

use serde::{Deserialize, Serialize};

use super::checked_shape;
use crate::{Error, Result};

/// Parameters of histograms of oriented gradients, named as in scikit-image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hog {
    /// Bins of a histogram over 180 degrees, 2 to 36.
    pub orientations: usize,
    /// Rows and columns of pixels of a cell, 1 to 256 each.
    pub pixels_per_cell: [usize; 2],
    /// Rows and columns of cells of a block, 1 to 16 each.
    pub cells_per_block: [usize; 2],
    /// How a block is normalized.
    pub block_norm: BlockNorm,
    /// Whether gradients are computed on the square roots of the pixels.
    pub transform_sqrt: bool,
}

/// How a block is normalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockNorm {
    /// By the sum of its values.
    L1,
    /// By the sum of its values, then the square root of each.
    #[serde(rename = "L1-sqrt")]
    L1Sqrt,
    /// By its Euclidean norm.
    L2,
    /// By its Euclidean norm, clipped at 0.2, and again by the norm.
    #[serde(rename = "L2-Hys")]
    L2Hys,
}

impl Default for Hog {
    fn default() -> Self {
        Hog {
            orientations: 9,
            pixels_per_cell: [8, 8],
            cells_per_block: [3, 3],
            block_norm: BlockNorm::L2Hys,
            transform_sqrt: false,
        }
    }
}

impl Hog {
    /// Checks the ranges of the parameters.
    ///
    /// # Errors
    /// If one is out of range.
    pub fn check(&self) -> Result<()> {
        let ranges = [
            ("orientations", [self.orientations; 2], 2..=36),
            ("pixels_per_cell", self.pixels_per_cell, 1..=256),
            ("cells_per_block", self.cells_per_block, 1..=16),
        ];
        for (name, values, range) in ranges {
            if !values.iter().all(|value| range.contains(value)) {
                let (least, most) = range.into_inner();
                return Err(Error::input(format!("hog: {name} must be from {least} to {most}")));
            }
        }
        Ok(())
    }

    /// Returns the shape of the features of an image of `[H, W]` pixels: `[cells per block × orientations, rows of
    /// blocks, columns of blocks]`. Pixels at the bottom and right that do not fill a cell are ignored.
    ///
    /// # Errors
    /// If a parameter is out of range, the image is smaller than a block, or there are more than 2^26 values.
    pub fn output_shape(&self, image: [usize; 2]) -> Result<[usize; 3]> {
        self.check()?;
        let cells = self.cells(image);
        let blocks = |axis: usize| (cells[axis] + 1).saturating_sub(self.cells_per_block[axis]);
        if blocks(0) == 0 || blocks(1) == 0 {
            let needed = |axis: usize| self.pixels_per_cell[axis] * self.cells_per_block[axis];
            return Err(Error::input(format!(
                "hog: an image of {}x{} pixels is smaller than a block of {}x{}; resize it or choose smaller cells",
                image[1],
                image[0],
                needed(1),
                needed(0)
            )));
        }
        checked_shape([self.block_values(), blocks(0), blocks(1)])
    }

    /// Returns the rows and columns of whole cells.
    pub fn cells(&self, image: [usize; 2]) -> [usize; 2] {
        [image[0] / self.pixels_per_cell[0], image[1] / self.pixels_per_cell[1]]
    }

    /// Returns the number of values of a block: the channels of the features.
    pub fn block_values(&self) -> usize {
        self.cells_per_block[0] * self.cells_per_block[1] * self.orientations
    }
}
