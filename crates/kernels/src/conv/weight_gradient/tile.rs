//! Tiles that stay in registers: values × blocks of outputs, summed over pixels.

use super::division::Values;
use crate::simd::{Body, Simd};

/// Rows of pixels of some images.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pixels {
    pub images: usize,
    pub rows: usize,
    pub columns: usize,
    pub x: Distances,
    pub dy: Distances,
}

/// Distances between images, rows and columns of pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Distances {
    pub image: usize,
    pub row: usize,
    pub column: usize,
}

/// Pixels whose addresses are prefetched, in rows as those of the tile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ahead {
    pub at: *const f32,
    pub distances: Distances,
    /// An address is prefetched each time that so many pixels of a row have been multiplied.
    pub every: usize,
}

/// The products of some values and the same pixels of some blocks of dy.
pub(super) struct Tile {
    pub values: Values,
    pub blocks: usize,
    /// The first value of the first pixel.
    pub x: *const f32,
    pub dy: *const f32,
    pub dw: *mut f32,
    /// Distances between blocks of outputs.
    pub dy_block: usize,
    pub dw_block: usize,
    pub pixels: Pixels,
    pub ahead: Ahead,
}

impl Tile {
    /// Adds the sum over all pixels to the weights.
    ///
    /// # Safety
    /// All values that are read and all weights must belong to valid operands, and nothing else may access these
    /// weights.
    #[inline(always)]
    pub unsafe fn sum<S: Simd>(&self, s: S) {
        let Values { rows, count, .. } = self.values;
        macro_rules! tiles {
            ($([$rows:literal $blocks:literal: $($count:literal)*])*) => {
                match (rows, count, self.blocks) {
                    $($(($rows, $count, $blocks) if const { $rows * $count * $blocks <= S::ACCUMULATORS } => {
                        s.outline(RegisterTile::<$rows, $count, $blocks>(self))
                    })*)*
                    _ => unreachable!("no tile has {rows} rows of {count} values × {} blocks", self.blocks),
                }
            };
        }
        tiles!([1 1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14] [1 2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14] [1 3: 1 2 3 4 5 6 7 8 9]
               [2 1: 3 4 5 6 7] [2 2: 3 4 5 6 7] [2 3: 3 4] [3 1: 3] [3 2: 3] [3 3: 3]);
    }
}

/// A tile of R rows of I values × O blocks of outputs. Created only by [`Tile::sum`], whose caller guarantees the
/// pointers.
struct RegisterTile<'a, const R: usize, const I: usize, const O: usize>(&'a Tile);

impl<const R: usize, const I: usize, const O: usize> Body for RegisterTile<'_, R, I, O> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Tile { values, x, dy, dw, dw_block, pixels, ahead, .. } = self.0;
        let mut acc = [[[s.zero(); O]; I]; R];
        // SAFETY: the caller of `Tile::sum` guarantees that all these addresses are valid.
        unsafe {
            for image in 0..pixels.images {
                // Without divisions, which would take longer than the products of a short row.
                let distances = [pixels.x, pixels.dy, ahead.distances];
                let [mut x_at, mut dy_at, mut ahead_at] = distances.map(|distances| image * distances.image);
                for _ in 0..pixels.rows {
                    self.add_row(s, x.add(x_at), dy.add(dy_at), ahead.at.wrapping_add(ahead_at), &mut acc);
                    x_at += pixels.x.row;
                    dy_at += pixels.dy.row;
                    ahead_at += ahead.distances.row;
                }
            }
            for r in 0..R {
                for i in 0..I {
                    for o in 0..O {
                        let dw = dw.add(r * values.w_row + i * S::LANES + o * dw_block);
                        s.store(dw, s.add(s.load(dw), acc[r][i][o]));
                    }
                }
            }
        }
    }
}

impl<const R: usize, const I: usize, const O: usize> RegisterTile<'_, R, I, O> {
    /// Adds the products of a row of pixels, whose first values are at `x` and whose first vector is at `dy`, and
    /// prefetches pixels from `at` on. Tiles that use [`Simd::add_all_products`] prefetch nothing.
    ///
    /// # Safety
    /// The pixels must belong to valid operands.
    #[inline(always)]
    unsafe fn add_row<S: Simd>(
        &self,
        s: S,
        mut x: *const f32,
        mut dy: *const f32,
        mut at: *const f32,
        acc: &mut [[[S::F; O]; I]; R],
    ) {
        let Tile { values, dy_block, pixels, ahead, .. } = self.0;
        if const { S::HAS_PRODUCTS && R == 1 && O == 3 } {
            // SAFETY: guaranteed by the caller.
            unsafe {
                let (x, dy) =
                    (std::array::from_fn(|i| x.add(i)), std::array::from_fn(|o| dy.add(o * dy_block)));
                s.add_all_products::<I, O>(x, pixels.x.column, dy, pixels.columns, &mut acc[0]);
            }
            return;
        }
        let mut wait = ahead.every;
        for _ in 0..pixels.columns {
            wait -= 1;
            if wait == 0 {
                s.prefetch(at);
                at = at.wrapping_add(ahead.distances.column);
                wait = ahead.every;
            }
            // SAFETY: guaranteed by the caller.
            unsafe {
                let gradients: [S::F; O] = std::array::from_fn(|o| s.load(dy.add(o * dy_block)));
                for r in 0..R {
                    for i in 0..I {
                        let value = s.splat(*x.add(r * values.x_row + i));
                        for o in 0..O {
                            acc[r][i][o] = s.fma(value, gradients[o], acc[r][i][o]);
                        }
                    }
                }
            }
            // After the last pixel, x may lie past the operand.
            x = x.wrapping_add(pixels.x.column);
            dy = dy.wrapping_add(S::LANES);
        }
    }
}
