//! The samples of a component, of the blocks that a region of the image needs.

use std::ops::Range;

use super::header::Frame;
use crate::Region;

/// Samples of the blocks of a component that are needed.
pub(super) struct Plane {
    samples: Vec<u8>,
    /// The blocks.
    columns: Range<usize>,
    rows: Range<usize>,
    /// Pixels per sample.
    pub across: usize,
    pub down: usize,
    /// Samples per row, and rows, of the whole component.
    pub width: usize,
    pub height: usize,
}

/// Returns the planes of all components, without samples yet.
pub(super) fn planes(frame: &Frame, region: Region) -> Vec<Plane> {
    let plane = |component: &super::header::Component| {
        let (across, down) = (frame.across / component.across, frame.down / component.down);
        let columns = blocks(region.left, region.width, across, component.width);
        let rows = blocks(region.top, region.height, down, component.height);
        Plane {
            samples: vec![0; columns.len() * rows.len() * 64],
            columns,
            rows,
            across,
            down,
            width: component.width,
            height: component.height,
        }
    };
    frame.components.iter().map(plane).collect()
}

/// Returns the blocks for `count` pixels of a row or column from `first` on, where a sample is `scale` pixels wide.
/// Upsampling reads a neighbor on each side.
fn blocks(first: usize, count: usize, scale: usize, samples: usize) -> Range<usize> {
    let reach = usize::from(scale > 1);
    let start = (first / scale).saturating_sub(reach);
    let end = ((first + count - 1) / scale + 1 + reach).min(samples);
    start / 8..end.div_ceil(8)
}

impl Plane {
    /// The rows of blocks that are needed.
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// The columns of blocks that are needed.
    pub fn columns(&self) -> Range<usize> {
        self.columns.clone()
    }

    /// Returns whether a block is needed.
    #[inline(always)]
    pub fn needs(&self, column: usize, row: usize) -> bool {
        self.columns.contains(&column) && self.rows.contains(&row)
    }

    /// Writes a block that is needed.
    #[inline(always)]
    pub fn put(&mut self, column: usize, row: usize, block: &[[u8; 8]; 8]) {
        let stride = self.columns.len() * 8;
        let start = (row - self.rows.start) * 8 * stride + (column - self.columns.start) * 8;
        let lines = self.samples[start..].chunks_mut(stride);
        lines.zip(block).for_each(|(line, block)| line[..8].copy_from_slice(block));
    }

    /// Returns the samples of `row`, from column [`Plane::left`] on.
    pub fn line(&self, row: usize) -> &[u8] {
        let stride = self.columns.len() * 8;
        let columns = (self.width - self.left()).min(stride);
        &self.samples[(row - self.rows.start * 8) * stride..][..columns]
    }

    /// The column of the first sample of a line.
    pub fn left(&self) -> usize {
        self.columns.start * 8
    }
}
