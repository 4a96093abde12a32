//! Sums over neighboring channels of values in blocks of channels.
//!
//! For a few pixels at a time, the squares of some blocks of channels and of their neighbors are stored
//! contiguously, so that the sum over neighboring channels is a sum of shifted vectors. The power is
//! computed with square roots, so only multiples of a quarter are supported.

use super::LrnDesc;
use crate::isa::Isa;
use crate::layout::maps::{Maps, is_blocked};
use crate::simd::Simd;
use crate::{Format, Layout};

/// Number of pixels, and of blocks of channels, processed at a time.
pub(super) const PIXELS: usize = 16;
pub(super) const BLOCKS: usize = 8;
/// Additional blocks of squares on either side; two, because the gradient sums over sums.
pub(super) const MARGIN: usize = 2;
/// Floats in the line of squares of a pixel.
pub(super) const LINE: usize = (BLOCKS + 2 * MARGIN) * 16;

/// The squares of a part, or products in the same places: a line for each pixel.
pub(super) type Buffer = [f32; PIXELS * LINE];

/// The formats of `operands` operands in the layout of the first, if it and the descriptor are supported.
pub(super) fn formats(desc: &LrnDesc, isa: Isa, first: Layout, operands: usize) -> Option<Vec<Format>> {
    // The sum must not extend past the neighboring blocks.
    let fits = is_blocked(first, isa.block()) && desc.size / 2 <= isa.block();
    (fits && desc.quarters().is_some()).then(|| vec![first.f32(); operands])
}

/// The descriptor in the form in which it is computed, and the geometries of x and of the result.
pub(super) struct Problem {
    pub images: usize,
    /// Channels on either side that are included in a sum.
    half: usize,
    share: f32,
    k: f32,
    quarters: usize,
    pub x: Maps,
    pub out: Maps,
}

impl Problem {
    pub fn new(desc: &LrnDesc, x: Layout, out: Layout) -> Problem {
        Problem {
            images: desc.shape[0],
            half: desc.size / 2,
            share: desc.share() as f32,
            k: desc.k,
            quarters: desc.quarters().expect("checked by `layouts`"),
            x: Maps::new(desc.shape, x),
            out: Maps::new(desc.shape, out),
        }
    }

    /// The parts of a row.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        let (all_blocks, columns) = (self.x.blocks, self.x.size[1]);
        (0..all_blocks).step_by(BLOCKS).flat_map(move |first| {
            let blocks = BLOCKS.min(all_blocks - first);
            let part = move |column| Part { first, blocks, column, pixels: PIXELS.min(columns - column) };
            (0..columns).step_by(PIXELS).map(part)
        })
    }

    /// The sum over the channels around each lane of the vector at `at`.
    ///
    /// # Safety
    /// There must be a block of channels on either side of `at`.
    #[inline(always)]
    pub unsafe fn sum<S: Simd>(&self, s: S, at: *const f32) -> S::F {
        // SAFETY: guaranteed by the caller; `half` is at most the size of a block.
        unsafe {
            let mut sum = s.load(at);
            for distance in 1..=self.half {
                sum = s.add(sum, s.add(s.load(at.sub(distance)), s.load(at.add(distance))));
            }
            sum
        }
    }

    /// d = k + share · Σ x²
    ///
    /// # Safety
    /// As [`Problem::sum`].
    #[inline(always)]
    pub unsafe fn denominator<S: Simd>(&self, s: S, squares: *const f32) -> S::F {
        // SAFETY: guaranteed by the caller.
        let sum = unsafe { self.sum(s, squares) };
        s.fma(s.splat(self.share), sum, s.splat(self.k))
    }

    /// d^-β
    #[inline(always)]
    pub fn power<S: Simd>(&self, s: S, d: S::F) -> S::F {
        let root = s.div(s.splat(1.0), s.sqrt(d));
        let mut power = if self.quarters % 2 == 1 { s.sqrt(root) } else { s.splat(1.0) };
        for _ in 0..self.quarters / 2 {
            power = s.mul(power, root);
        }
        power
    }
}

/// Some blocks of channels of some pixels of a row.
pub(super) struct Part {
    pub first: usize,
    pub blocks: usize,
    pub column: usize,
    pub pixels: usize,
}

impl Part {
    /// The offset in the lines of the vector of a pixel and block; `block` counts from `first − MARGIN`.
    #[inline(always)]
    pub fn line<S: Simd>(pixel: usize, block: usize) -> usize {
        pixel * LINE + block * S::LANES
    }
}

/// One row of one image.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub image: usize,
    pub row: usize,
}

impl Place {
    /// The offset of the vector of block `block` at pixel `column` of this row.
    #[inline(always)]
    pub fn offset(self, maps: &Maps, block: usize, column: usize) -> usize {
        self.image * maps.image_len + block * maps.map_len() + maps.row(self.row) + column * maps.block
    }
}

impl Problem {
    /// Clears the halo of a row of the result.
    ///
    /// # Safety
    /// `out` must point to the whole result, and only the caller may write this row and its halo.
    #[inline(always)]
    pub unsafe fn clear_halo_of_row(&self, out: *mut f32, place: Place) {
        for block in 0..self.out.blocks {
            let map = place.image * self.out.image_len + block * self.out.map_len();
            // SAFETY: guaranteed by the caller.
            unsafe { self.out.clear_halo_of_row(out.add(map), place.row) }
        }
    }

    /// The block at position `index` of the lines, if any.
    #[inline(always)]
    pub fn block_at(&self, part: &Part, index: usize) -> Option<usize> {
        (part.first + index).checked_sub(MARGIN).filter(|block| *block < self.x.blocks)
    }

    /// Computes the squares of the part's blocks and the margins.
    ///
    /// # Safety
    /// `x` must be the whole operand, and the part must lie within it.
    #[inline(always)]
    pub unsafe fn square<S: Simd>(&self, s: S, x: &[f32], place: Place, part: &Part, squares: &mut Buffer) {
        for index in 0..part.blocks + 2 * MARGIN {
            let block = self.block_at(part, index);
            for pixel in 0..part.pixels {
                // SAFETY: guaranteed by the caller.
                unsafe {
                    let square = block.map_or(s.zero(), |block| {
                        let at = place.offset(&self.x, block, part.column + pixel);
                        let x = s.load(x.as_ptr().add(at));
                        s.mul(x, x)
                    });
                    s.store(squares.as_mut_ptr().add(Part::line::<S>(pixel, index)), square);
                }
            }
        }
    }
}
