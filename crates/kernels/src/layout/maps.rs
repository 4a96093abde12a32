//! The geometry of maps in blocks of channels: offsets of maps and rows, and clearing of halos.

use striate_tensor::Element;

use crate::threads::{Pointer, ThreadPool};
use crate::{Halo, Layout};

/// The geometry of a value in [`Layout::Channels`] or [`Layout::Part`], or in [`Layout::Images`], where the lanes of a
/// map are images instead of channels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Maps {
    pub block: usize,
    /// Number of maps of `block` lanes in the batch: images × blocks.
    pub count: usize,
    /// Blocks per image.
    pub blocks: usize,
    /// Channels in the last block, not counting padding.
    pub last_channels: usize,
    /// Rows and columns, without the halo.
    pub size: [usize; 2],
    pub halo: Halo,
    /// Elements from one image to the next, more than its maps have if the value is part of a wider one.
    pub image_len: usize,
}

impl Maps {
    /// The geometry of a value of `shape` `[N, C, H, W]`.
    ///
    /// # Panics
    /// If the layout is none of the three.
    pub fn new(shape: [usize; 4], layout: Layout) -> Maps {
        let [n, c, h, w] = shape;
        let (block, halo, whole) = match layout {
            Layout::Channels { block, halo } => (block, halo, c.div_ceil(block)),
            Layout::Part { block, halo, blocks } => (block, halo, blocks),
            Layout::Images { block } => {
                return Maps {
                    block,
                    count: n / block * c,
                    blocks: 1,
                    last_channels: block,
                    size: [h, w],
                    halo: Halo::NONE,
                    image_len: h * w * block,
                };
            }
            other => panic!("layout {other} does not consist of maps of vectors"),
        };
        let blocks = c.div_ceil(block);
        let last_channels = c - (blocks - 1) * block;
        let mut maps =
            Maps { block, count: n * blocks, blocks, last_channels, size: [h, w], halo, image_len: 0 };
        maps.image_len = whole * maps.map_len();
        maps
    }

    /// The same value, counted in pairs of channels.
    pub fn pairs(self) -> Maps {
        Maps {
            block: self.block / 2,
            last_channels: self.last_channels.div_ceil(2),
            image_len: self.image_len / 2,
            ..self
        }
    }

    /// Elements in a row, including the halo.
    pub fn row_len(&self) -> usize {
        (self.halo.left + self.size[1] + self.halo.right) * self.block
    }

    /// Elements from the start of the value to its end.
    pub fn len(&self) -> usize {
        self.at(self.count - 1) + self.map_len()
    }

    /// Elements in a map, including the halo.
    pub fn map_len(&self) -> usize {
        (self.halo.top + self.size[0] + self.halo.bottom) * self.row_len()
    }

    /// The offset of map number `map`.
    #[inline(always)]
    pub fn at(&self, map: usize) -> usize {
        map / self.blocks * self.image_len + map % self.blocks * self.map_len()
    }

    /// The values of map number `map`.
    pub fn map<'a, T>(&self, values: &'a [T], map: usize) -> &'a [T] {
        &values[self.at(map)..][..self.map_len()]
    }

    /// Calls `work` with the number and the values of every map, on all threads.
    pub fn each<T: Element>(
        &self,
        thread_pool: &ThreadPool,
        values: &mut [T],
        work: impl Fn(usize, &mut [T]) + Sync,
    ) {
        assert!(values.len() >= self.len(), "operand lengths must match the layouts");
        let start = Pointer(values.as_mut_ptr());
        thread_pool.run(self.count, |map| {
            // SAFETY: maps do not overlap and lie within `values`; each is taken once.
            work(map, unsafe {
                std::slice::from_raw_parts_mut(start.get().add(self.at(map)), self.map_len())
            });
        });
    }

    /// The offset in its map of the first element of row `row` after the halo.
    pub fn row(&self, row: usize) -> usize {
        (self.halo.top + row) * self.row_len() + self.halo.left * self.block
    }

    /// The number of channels in map number `map`, not counting padding.
    pub fn channels(&self, map: usize) -> usize {
        if map % self.blocks == self.blocks - 1 { self.last_channels } else { self.block }
    }

    /// Clears the halo to the left and right of row `row` of `map`, and for the first and last row also that
    /// above and below.
    ///
    /// # Safety
    /// `map` must be valid for writes of a whole map.
    pub unsafe fn clear_halo_of_row(&self, map: *mut f32, row: usize) {
        let Halo { top, left, bottom, right } = self.halo;
        let length = self.row_len();
        // SAFETY: the ranges lie within the map, where they form the halo.
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

    /// Clears the halo of `map`.
    pub fn clear_halo<T: Element>(&self, map: &mut [T]) {
        let Halo { top, left, bottom, right } = self.halo;
        let row = self.row_len();
        map[..top * row].fill(T::zeroed());
        let end = map.len() - bottom * row;
        map[end..].fill(T::zeroed());
        if left + right > 0 {
            for line in map[top * row..end].chunks_exact_mut(row) {
                line[..left * self.block].fill(T::zeroed());
                line[row - right * self.block..].fill(T::zeroed());
            }
        }
    }
}

/// Whether a layout consists of blocks of `size` channels.
pub(crate) fn is_blocked(layout: Layout, size: usize) -> bool {
    matches!(layout, Layout::Channels { block, .. } if block == size)
}

/// Whether a layout consists of maps of vectors: of blocks of `block` channels or images.
pub(crate) fn is_lanes(layout: Layout, block: usize) -> bool {
    is_blocked(layout, block) || layout == Layout::Images { block }
}
