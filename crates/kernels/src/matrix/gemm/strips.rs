//! Products with few rows where the rows of B are contiguous: each row of B is read once, without packing.
//!
//! An item of the grid is a strip of columns. For a block of rows of B, it adds their products to its part of C, tile
//! by tile; the tile of B stays in the L1 cache while all rows of A are multiplied by it.

use std::ops::Range;

use crate::Views;

use super::GemmDesc;
use crate::isa::Isa;
use crate::simd::{Body, Simd, dispatch};
use crate::threads::Pointer;
use crate::{Context, Kernel};

/// Vectors in a strip.
const STRIP: usize = 24;
/// Rows of B in a block.
const BLOCK: usize = 64;
/// The most vectors in a tile.
const WIDE: usize = 3;

/// The product of a few rows of A, with any strides, with contiguous rows of B, without bias and activation.
pub(super) struct Strips {
    pub desc: GemmDesc,
    pub isa: Isa,
}

impl Kernel for Strips {
    fn run(&self, context: &Context, views: &mut Views) {
        let d = &self.desc;
        let (a, b) = (views.read::<f32>(d.first), views.read::<f32>(1 - d.first));
        let c = views.write::<f32>(0);
        let last = |lines: usize, stride: usize| lines.saturating_sub(1) * stride;
        assert!(
            c.len() == d.m * d.n
                && a.len() > last(d.m, d.a[0]) + last(d.k, d.a[1])
                && b.len() >= last(d.k, d.b[0]) + d.n
                && d.n.is_multiple_of(self.isa.block()),
            "the sizes of the operands must match the descriptor"
        );
        let (c, width) = (Pointer(c.as_mut_ptr()), STRIP * self.isa.block());
        context.thread_pool.run(d.n.div_ceil(width), |item| {
            let columns = item * width..((item + 1) * width).min(d.n);
            dispatch(self.isa, Item { desc: d, a, b, c: &c, columns });
        });
    }
}

struct Item<'a> {
    desc: &'a GemmDesc,
    a: &'a [f32],
    b: &'a [f32],
    c: &'a Pointer<f32>,
    columns: Range<usize>,
}

impl Body for Item<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let d = self.desc;
        let groups = d.m.div_ceil(S::ACCUMULATORS / WIDE);
        for start in (0..d.k).step_by(BLOCK) {
            let depth = BLOCK.min(d.k - start);
            for column in self.columns.clone().step_by(WIDE * S::LANES) {
                let vectors = (self.columns.end - column).div_ceil(S::LANES).min(WIDE);
                for group in 0..groups {
                    let [row, end] = [group, group + 1].map(|group| d.m * group / groups);
                    // SAFETY: rows and columns lie within the operands, as checked in `Strips::run`, and no other item
                    // writes these columns.
                    let block = unsafe {
                        Block {
                            a: self.a.as_ptr().add(row * d.a[0] + start * d.a[1]),
                            b: self.b.as_ptr().add(start * d.b[0] + column),
                            c: self.c.get().add(row * d.n + column),
                            a_strides: d.a,
                            b_stride: d.b[0],
                            c_stride: d.n,
                            depth,
                            add: start > 0,
                        }
                    };
                    block.run(s, end - row, vectors);
                }
            }
        }
    }
}

/// Some rows of A and a tile of B.
#[derive(Clone, Copy)]
struct Block {
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    a_strides: [usize; 2],
    b_stride: usize,
    c_stride: usize,
    /// Rows of B.
    depth: usize,
    /// Whether to add to C.
    add: bool,
}

impl Block {
    #[inline(always)]
    fn run<S: Simd>(self, s: S, rows: usize, vectors: usize) {
        macro_rules! tiles {
            ($($rows:literal)*) => {
                match (rows, vectors) {
                    $(
                        ($rows, 1) => s.outline(Tile::<$rows, 1>(self)),
                        ($rows, 2) => s.outline(Tile::<$rows, 2>(self)),
                        ($rows, _) => s.outline(Tile::<$rows, WIDE>(self)),
                    )*
                    _ => unreachable!("tiles have at most 9 rows"),
                }
            };
        }
        tiles!(1 2 3 4 5 6 7 8 9);
    }
}

/// A tile of R rows of V vectors of C.
struct Tile<const R: usize, const V: usize>(Block);

impl<const R: usize, const V: usize> Body for Tile<R, V> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if R * V > S::ACCUMULATORS {
            unreachable!("tiles are chosen to fit the registers");
        }
        let Block { mut a, mut b, c, a_strides, b_stride, c_stride, depth, add } = self.0;
        let mut acc = [[s.zero(); V]; R];
        // SAFETY: created by `Item::run`, which guarantees the addresses.
        unsafe {
            if add {
                for r in 0..R {
                    for v in 0..V {
                        acc[r][v] = s.load(c.add(r * c_stride + v * S::LANES));
                    }
                }
            }
            for _ in 0..depth {
                let mut of_b = [s.zero(); V];
                for v in 0..V {
                    of_b[v] = s.load(b.add(v * S::LANES));
                    s.prefetch(b.wrapping_add((V + v) * S::LANES));
                }
                for r in 0..R {
                    let of_a = s.splat(*a.add(r * a_strides[0]));
                    for v in 0..V {
                        acc[r][v] = s.fma(of_a, of_b[v], acc[r][v]);
                    }
                }
                a = a.add(a_strides[1]);
                b = b.add(b_stride);
            }
            for r in 0..R {
                for v in 0..V {
                    s.store(c.add(r * c_stride + v * S::LANES), acc[r][v]);
                }
            }
        }
    }
}
