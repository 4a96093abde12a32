//! Products with few rows whose operands are contiguous along the inner dimension: dot products, without packing. B is
//! read once, as fast as memory allows.
//!
//! A tile of rows and columns keeps a vector of partial sums for each pair in registers, over a cut of the inner
//! dimension. The rows of A are first copied cut by cut, because a cut of rows that are a power of two apart would not
//! stay in the L1 cache. Between cuts, the sums of an item of the grid lie in memory.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::Views;

use super::GemmDesc;
use crate::isa::Isa;
use crate::simd::{Body, Simd, activate, dispatch};
use crate::threads::Pointer;
use crate::{Context, Kernel};

/// Columns in one item of the grid.
const COLUMNS: usize = 24;
/// The most rows of which sums are kept at once.
const ROWS: usize = 16;
/// Floats of A in a cut of the inner dimension.
const CUT: usize = 4096;
/// The largest prefetch distance along a column of B, in floats.
const AHEAD: usize = 512;
/// Floats in the largest vector.
const MOST_LANES: usize = 16;

/// The product of a few contiguous rows of A with contiguous columns of B.
pub(super) struct Dots {
    pub desc: GemmDesc,
    pub isa: Isa,
}

impl Dots {
    /// The number of inner indices in whole vectors.
    fn whole(&self) -> usize {
        self.desc.k / self.isa.block() * self.isa.block()
    }

    /// Inner indices in a cut. A single row is not cut, so that the columns of B are read from end to end.
    fn cut(&self) -> usize {
        match self.desc.m.div_ceil(self.passes()) {
            1 => self.whole().max(1),
            rows => (CUT / rows).next_multiple_of(self.isa.block()),
        }
    }

    /// The number of passes over B, each with some of the rows.
    fn passes(&self) -> usize {
        self.desc.m.div_ceil(ROWS)
    }

    /// Copies the rows of A, so that those of a cut follow one another.
    fn copy(&self, context: &Context, a: &[f32], to: &mut [f32]) {
        let (d, cut, whole) = (&self.desc, self.cut(), self.whole());
        context.thread_pool.pieces(&mut to[..d.m * whole], d.m * cut, |index, to| {
            let depth = to.len() / d.m;
            for (row, to) in to.chunks_exact_mut(depth).enumerate() {
                to.copy_from_slice(&a[row * d.a[0] + index * cut..][..depth]);
            }
        });
    }
}

impl Kernel for Dots {
    fn scratch_bytes(&self, _threads: usize) -> usize {
        size_of::<f32>() * (self.desc.m * self.whole())
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let d = &self.desc;
        let (a, b) = (views.read::<f32>(d.first), views.read::<f32>(1 - d.first));
        let bias = if d.bias { views.read::<f32>(2) } else { &[] };
        let copied = self.desc.m * self.whole();
        let (c, scratch) = (views.write::<f32>(0), if copied > 0 { views.write::<f32>(1) } else { &mut [] });
        let span = |lines: usize, stride: usize| lines.saturating_sub(1) * stride + d.k;
        assert!(
            c.len() == d.m * d.n
                && a.len() >= span(d.m, d.a[0])
                && b.len() >= span(d.n, d.b[1])
                && (!d.bias || bias.len() == d.n),
            "the sizes of the operands must match the descriptor"
        );
        self.copy(context, a, scratch);
        let (c, scratch) = (Pointer(c.as_mut_ptr()), &*scratch);
        context.thread_pool.run(d.n.div_ceil(COLUMNS), |item| {
            let columns = item * COLUMNS..((item + 1) * COLUMNS).min(d.n);
            dispatch(self.isa, Item { dots: self, a, scratch, b, bias, c: &c, columns });
        });
    }
}

struct Item<'a> {
    dots: &'a Dots,
    a: &'a [f32],
    /// The rows of A, cut by cut.
    scratch: &'a [f32],
    b: &'a [f32],
    bias: &'a [f32],
    c: &'a Pointer<f32>,
    columns: Range<usize>,
}

impl Body for Item<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (m, passes) = (self.dots.desc.m, self.dots.passes());
        (0..passes).for_each(|pass| self.pass(s, m * pass / passes..m * (pass + 1) / passes));
    }
}

impl Item<'_> {
    /// Computes these rows of C.
    #[inline(always)]
    fn pass<S: Simd>(&self, s: S, rows: Range<usize>) {
        let d = &self.dots.desc;
        let tile = largest_tile(S::ACCUMULATORS);
        let mut sums = [const { MaybeUninit::<f32>::uninit() }; ROWS * COLUMNS * MOST_LANES];
        let (whole, cut) = (self.dots.whole(), self.dots.cut());
        let groups = rows.len().div_ceil(tile[0]);
        let bound = |group: usize| rows.start + rows.len() * group / groups;
        for start in (0..whole).step_by(cut) {
            let depth = cut.min(whole - start);
            for column in self.columns.clone().step_by(tile[1]) {
                let columns = tile[1].min(self.columns.end - column);
                for group in 0..groups {
                    let rows_of_tile = bound(group)..bound(group + 1);
                    let place = (rows_of_tile.start - rows.start) * COLUMNS + column - self.columns.start;
                    // SAFETY: the rows and columns lie within the operands, as checked in `Dots::run`, and the sums
                    // have a vector for each of them.
                    let pair = unsafe {
                        Pair {
                            a: self.scratch.as_ptr().add(start * d.m + rows_of_tile.start * depth),
                            b: self.b.as_ptr().add(column * d.b[1] + start),
                            strides: [depth, d.b[1]],
                            steps: depth / S::LANES,
                            ahead: cut.min(AHEAD),
                            beyond: if depth == whole { (tile[1] * d.b[1]).saturating_sub(depth) } else { 0 },
                            sums: sums.as_mut_ptr().add(place * S::LANES).cast(),
                            starts: start == 0,
                        }
                    };
                    pair.run(s, rows_of_tile.len(), columns);
                }
            }
        }
        for row in rows.clone() {
            for column in self.columns.clone() {
                let place = (row - rows.start) * COLUMNS + column - self.columns.start;
                let mut sum = 0.0;
                if whole > 0 {
                    // SAFETY: the first cut has set a vector for each row and column.
                    sum = s.sum(unsafe { s.load(sums.as_ptr().add(place * S::LANES).cast()) });
                }
                let (a, b) = (&self.a[row * d.a[0]..][..d.k], &self.b[column * d.b[1]..][..d.k]);
                sum += a[whole..].iter().zip(&b[whole..]).map(|(a, b)| a * b).sum::<f32>();
                if d.bias {
                    sum += self.bias[column];
                }
                let mut lanes = [0.0f32; MOST_LANES];
                // SAFETY: vectors have at most 16 lanes; row and column lie within C, and no other item writes this
                // column.
                unsafe {
                    s.store(lanes.as_mut_ptr(), activate(s, d.activation, s.splat(sum)));
                    *self.c.get().add(row * d.n + column) = lanes[0];
                }
            }
        }
    }
}

/// Some rows of A and columns of B over a cut of the inner dimension.
#[derive(Clone, Copy)]
struct Pair {
    a: *const f32,
    b: *const f32,
    /// Floats between rows of A and between columns of B.
    strides: [usize; 2],
    /// Vectors in the cut.
    steps: usize,
    /// Floats to the part of B that is needed next.
    ahead: usize,
    /// Floats added to `ahead` in the last steps, which then reach the columns of the next tile.
    beyond: usize,
    /// Where the sums lie: `COLUMNS` vectors for each row.
    sums: *mut f32,
    /// Whether this is the first cut, whose products replace the sums.
    starts: bool,
}

impl Pair {
    #[inline(always)]
    fn run<S: Simd>(self, s: S, rows: usize, columns: usize) {
        macro_rules! tiles {
            ($($rows:literal)*) => {
                match (rows, columns) {
                    $(
                        ($rows, 1) => s.outline(Tile::<$rows, 1>(self)),
                        ($rows, 2) => s.outline(Tile::<$rows, 2>(self)),
                        ($rows, _) => s.outline(Tile::<$rows, 3>(self)),
                    )*
                    _ => unreachable!("tiles have at most 8 rows"),
                }
            };
        }
        tiles!(1 2 3 4 5 6 7 8);
    }
}

/// A tile of R rows and C columns.
struct Tile<const R: usize, const C: usize>(Pair);

/// The most rows and columns of a tile.
fn largest_tile(accumulators: usize) -> [usize; 2] {
    match accumulators {
        24.. => [8, 3],
        12.. => [4, 3],
        _ => [4, 2],
    }
}

impl<const R: usize, const C: usize> Body for Tile<R, C> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if R * C > S::ACCUMULATORS {
            unreachable!("tiles are chosen to fit the registers");
        }
        let Pair { mut a, mut b, strides, steps, ahead, beyond, sums, starts } = self.0;
        let last = steps.min(ahead / S::LANES);
        let mut acc = [[s.zero(); C]; R];
        // SAFETY: created by `Item::pass`, which guarantees the addresses.
        unsafe {
            if !starts {
                for r in 0..R {
                    for c in 0..C {
                        acc[r][c] = s.load(sums.add((r * COLUMNS + c) * S::LANES));
                    }
                }
            }
            for (steps, ahead) in [(steps - last, ahead), (last, ahead + beyond)] {
                for _ in 0..steps {
                    let mut of_b = [s.zero(); C];
                    for c in 0..C {
                        of_b[c] = s.load(b.add(c * strides[1]));
                        s.prefetch(b.wrapping_add(c * strides[1] + ahead));
                    }
                    for r in 0..R {
                        let of_a = s.load(a.add(r * strides[0]));
                        for c in 0..C {
                            acc[r][c] = s.fma(of_a, of_b[c], acc[r][c]);
                        }
                    }
                    a = a.add(S::LANES);
                    b = b.add(S::LANES);
                }
            }
            for r in 0..R {
                for c in 0..C {
                    s.store(sums.add((r * COLUMNS + c) * S::LANES), acc[r][c]);
                }
            }
        }
    }
}
