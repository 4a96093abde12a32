//! Walking over maps in blocks of channels: where a map starts, where its rows are, how its halo is
//! made zero.

use striate_tensor::{Halo, Layout};

/// The geometry of a value in [`Layout::Channels`], or in [`Layout::Images`], whose maps have as many
/// images as the others have channels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Maps {
    pub block: usize,
    /// Maps of `block` lanes in the batch: images times blocks.
    pub count: usize,
    /// Blocks of an image.
    pub blocks: usize,
    /// Channels of the last block that are real.
    pub last_channels: usize,
    /// Rows and columns without the halo.
    pub size: [usize; 2],
    pub halo: Halo,
}

impl Maps {
    /// The geometry of a value of `shape` `[N, C, H, W]`.
    ///
    /// # Panics
    /// If the layout is another one.
    pub fn new(shape: [usize; 4], layout: Layout) -> Maps {
        let [n, c, h, w] = shape;
        let (block, halo) = match layout {
            Layout::Channels { block, halo } => (block, halo),
            Layout::Images { block } => {
                let count = n / block * c;
                return Maps {
                    block,
                    count,
                    blocks: 1,
                    last_channels: block,
                    size: [h, w],
                    halo: Halo::NONE,
                };
            }
            other => panic!("{other} has no maps of lanes"),
        };
        let blocks = c.div_ceil(block);
        let last_channels = c - (blocks - 1) * block;
        Maps { block, count: n * blocks, blocks, last_channels, size: [h, w], halo }
    }

    /// Floats of a row, halo included.
    pub fn row_len(&self) -> usize {
        (self.halo.left + self.size[1] + self.halo.right) * self.block
    }

    /// Floats of a map, halo included.
    pub fn map_len(&self) -> usize {
        (self.halo.top + self.size[0] + self.halo.bottom) * self.row_len()
    }

    /// Where the first real float of row `row` lies within its map.
    pub fn row(&self, row: usize) -> usize {
        (self.halo.top + row) * self.row_len() + self.halo.left * self.block
    }

    /// Real channels of map number `map`.
    pub fn channels(&self, map: usize) -> usize {
        if map % self.blocks == self.blocks - 1 { self.last_channels } else { self.block }
    }

    /// Makes the halo beside row `row` of `map` zero, and that above the first and below the last row.
    ///
    /// # Safety
    /// `map` is valid for writing a whole map.
    pub unsafe fn clear_halo_of_row(&self, map: *mut f32, row: usize) {
        let Halo { top, left, bottom, right } = self.halo;
        let length = self.row_len();
        // SAFETY: the ranges are those of the halo within the map.
        unsafe {
            let start = map.add((top + row) * length);
            start.write_bytes(0, left * self.block);
            start.add(length - right * self.block).write_bytes(0, right * self.block);
            if row == 0 {
                map.write_bytes(0, top * length);
            }
            if row + 1 == self.size[0] {
                start.add(length).write_bytes(0, bottom * length);
            }
        }
    }

    /// Makes the halo of `map` zero.
    pub fn clear_halo(&self, map: &mut [f32]) {
        let Halo { top, left, bottom, right } = self.halo;
        let row = self.row_len();
        map[..top * row].fill(0.0);
        let end = map.len() - bottom * row;
        map[end..].fill(0.0);
        if left + right > 0 {
            for line in map[top * row..end].chunks_exact_mut(row) {
                line[..left * self.block].fill(0.0);
                line[row - right * self.block..].fill(0.0);
            }
        }
    }
}

/// The block of a layout that the vector kernels of `lanes` lanes work on.
pub(crate) fn is_blocked(layout: Layout, lanes: usize) -> bool {
    matches!(layout, Layout::Channels { block, .. } if block == lanes)
}

/// Whether a layout has maps of whole vectors, be their lanes channels or images.
pub(crate) fn is_lanes(layout: Layout, lanes: usize) -> bool {
    is_blocked(layout, lanes) || layout == Layout::Images { block: lanes }
}
