//! Matrix product C = A·B (+ bias, activation) on packed panels.
//!
//! A is copied into panels of P rows, B into panels of O vectors of columns, both with the inner index
//! outermost; a tile of P×O vectors of C stays in registers while it runs down two panels. The inner
//! index is cut so that a panel of B stays in the first cache. With few rows, copying would cost more
//! than the product: then the rows of A go through B as it lies.
//!
//! Source: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34(3),
//! 2008.

use striate_tensor::Views;

use crate::activation::Activation;
use crate::isa::Isa;
use crate::pool::Pointer;
use crate::simd::{Body, Simd, activate, dispatch};
use crate::{Context, Kernel};

/// A matrix product: C `[m, n]` = A `[m, k]` · B `[k, n]`, with any strides of A and B; C is row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct GemmDesc {
    /// Rows of A and C.
    pub m: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Columns of A, rows of B.
    pub k: usize,
    /// Which of the two operands that are read is A; the other is B.
    pub first: usize,
    /// Floats between rows and between columns of A.
    pub a: [usize; 2],
    /// Floats between rows and between columns of B.
    pub b: [usize; 2],
    /// Whether a vector of n numbers is added to every row.
    pub bias: bool,
    /// Applied to the sum.
    pub activation: Activation,
}

/// The kernel for `desc`. Reads A and B (in the order that it says) and a bias if there is one; writes C.
pub fn kernel(desc: &GemmDesc, isa: Isa) -> Box<dyn Kernel> {
    if desc.m <= FEW_ROWS && desc.b[0] == 1 && desc.a[1] == 1 {
        return Box::new(Rows { desc: desc.clone(), isa });
    }
    let block = isa.block();
    Box::new(Packed { desc: desc.clone(), isa, rows: isa.sums() / 2, columns: 2 * block })
}

/// At most so many rows are multiplied without packing.
const FEW_ROWS: usize = 4;
/// Inner indices of a cut: on 16 columns a panel of B has 24 KiB.
const DEPTH: usize = 384;
/// Panels of A and of B in an item of the grid: those of A stay in the second cache.
const PANELS: [usize; 2] = [8, 8];

struct Packed {
    desc: GemmDesc,
    isa: Isa,
    /// Rows and columns of a tile.
    rows: usize,
    columns: usize,
}

impl Packed {
    fn panels(&self) -> [usize; 2] {
        [self.desc.m.div_ceil(self.rows), self.desc.n.div_ceil(self.columns)]
    }
}

impl Kernel for Packed {
    fn scratch_len(&self) -> usize {
        let [a, b] = self.panels();
        (a * self.rows + b * self.columns) * self.desc.k
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let d = &self.desc;
        let (a, b) = (views.read::<f32>(d.first), views.read::<f32>(1 - d.first));
        let bias = if d.bias { views.read::<f32>(2) } else { &[] };
        let (c, scratch) = (views.write::<f32>(0), views.write::<f32>(1));
        assert_eq!(c.len(), d.m * d.n, "C is as large as the descriptor says");
        let [panels_a, panels_b] = self.panels();
        let (packed_a, packed_b) = scratch.split_at_mut(panels_a * self.rows * d.k);
        let of_a = Source { from: a, strides: d.a, lines: d.m, width: self.rows, k: d.k };
        let of_b = Source { from: b, strides: [d.b[1], d.b[0]], lines: d.n, width: self.columns, k: d.k };
        of_a.pack_all(context, packed_a);
        of_b.pack_all(context, packed_b);
        let c = Pointer(c.as_mut_ptr());
        let grid = [panels_a.div_ceil(PANELS[0]), panels_b.div_ceil(PANELS[1])];
        context.pool.run(grid[0] * grid[1], |item| {
            let range = |at: usize, size: usize, all: usize| at * size..((at + 1) * size).min(all);
            let block = Block {
                gemm: self,
                a: packed_a,
                b: packed_b,
                bias,
                c: &c,
                panels: [
                    range(item / grid[1], PANELS[0], panels_a),
                    range(item % grid[1], PANELS[1], panels_b),
                ],
            };
            dispatch(self.isa, block);
        });
    }
}

/// A matrix as lines (rows of A, columns of B) that are packed into panels of `width` lines.
///
/// The panels of one cut of the inner index lie together, so that what a block works on is contiguous.
struct Source<'a> {
    from: &'a [f32],
    /// Floats between lines, and along them.
    strides: [usize; 2],
    lines: usize,
    width: usize,
    k: usize,
}

/// Where the cut of a panel that begins at inner index `start` lies, with its length.
fn cut(panels: usize, width: usize, k: usize, start: usize, panel: usize) -> std::ops::Range<usize> {
    let depth = DEPTH.min(k - start);
    let first = (start * panels + panel * depth) * width;
    first..first + depth * width
}

impl Source<'_> {
    fn pack_all(&self, context: &Context, to: &mut [f32]) {
        let panels = self.lines.div_ceil(self.width);
        assert_eq!(to.len(), panels * self.width * self.k, "there is room for all panels");
        let to = Pointer(to.as_mut_ptr());
        context.pool.run(panels * self.k.div_ceil(DEPTH), |item| {
            let (start, panel) = (item / panels * DEPTH, item % panels);
            let range = cut(panels, self.width, self.k, start, panel);
            // SAFETY: cuts of different panels do not overlap and lie within `to`.
            let to = unsafe { std::slice::from_raw_parts_mut(to.get().add(range.start), range.len()) };
            self.pack(to, panel * self.width, start);
        });
    }

    /// Copies the lines from `first` on (zeros beyond the last) from inner index `start` on, so that their
    /// numbers of the same inner index lie side by side.
    fn pack(&self, to: &mut [f32], first: usize, start: usize) {
        let (width, [line, along]) = (self.width, self.strides);
        let real = width.min(self.lines - first);
        let from = &self.from[first * line + start * along..];
        if real == width && (line == 1 || along == 1) {
            match width {
                6 if along == 1 => return interleave::<6>(to, from, line),
                8 if along == 1 => return interleave::<8>(to, from, line),
                14 if along == 1 => return interleave::<14>(to, from, line),
                16 if along == 1 => return interleave::<16>(to, from, line),
                32 if along == 1 => return interleave::<32>(to, from, line),
                6 => return stack::<6>(to, from, along),
                14 => return stack::<14>(to, from, along),
                16 => return stack::<16>(to, from, along),
                32 => return stack::<32>(to, from, along),
                _ => {}
            }
        }
        if real < width {
            to.fill(0.0);
        }
        for index in 0..real {
            let from = from[index * line..].iter().step_by(along);
            to[index..].iter_mut().step_by(width).zip(from).for_each(|(to, x)| *to = *x);
        }
    }
}

/// Copies N numbers that lie side by side, again and again `stride` further.
fn stack<const N: usize>(to: &mut [f32], from: &[f32], stride: usize) {
    for (index, to) in to.chunks_exact_mut(N).enumerate() {
        to.copy_from_slice(&from[index * stride..][..N]);
    }
}

/// Copies N contiguous lines that begin `stride` apart, all at the same pace.
fn interleave<const N: usize>(to: &mut [f32], from: &[f32], stride: usize) {
    let k = to.len() / N;
    let lines: [&[f32]; N] = std::array::from_fn(|line| &from[line * stride..][..k]);
    for (index, to) in to.chunks_exact_mut(N).enumerate() {
        to.iter_mut().zip(lines).for_each(|(to, line)| *to = line[index]);
    }
}

/// Some panels of A times some panels of B.
struct Block<'a> {
    gemm: &'a Packed,
    a: &'a [f32],
    b: &'a [f32],
    bias: &'a [f32],
    c: &'a Pointer<f32>,
    panels: [std::ops::Range<usize>; 2],
}

impl Body for Block<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match S::SUMS / 2 {
            14 => self.tiles::<S, 14>(s),
            6 => self.tiles::<S, 6>(s),
            _ => self.tiles::<S, 4>(s),
        }
    }
}

impl Block<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const P: usize>(&self, s: S) {
        if P * 2 > S::SUMS {
            unreachable!("tiles are chosen to fit the registers");
        }
        let d = &self.gemm.desc;
        for start in (0..d.k).step_by(DEPTH) {
            let [panels_a, panels_b] = self.gemm.panels();
            for column in self.panels[1].clone() {
                let b = &self.b[cut(panels_b, 2 * S::LANES, d.k, start, column)];
                for row in self.panels[0].clone() {
                    let a = &self.a[cut(panels_a, P, d.k, start, row)];
                    let ends = [start == 0, start + DEPTH >= d.k];
                    // SAFETY: the slices have `depth` rows of P and 2 vectors.
                    unsafe { self.tile::<S, P>(s, a, b, [row * P, column * 2 * S::LANES], ends) }
                }
            }
        }
    }

    /// # Safety
    /// `a` has as many groups of P numbers as `b` has of two vectors.
    #[inline(always)]
    unsafe fn tile<S: Simd, const P: usize>(
        &self,
        s: S,
        a: &[f32],
        b: &[f32],
        at: [usize; 2],
        [begin, end]: [bool; 2],
    ) {
        let d = &self.gemm.desc;
        let (rows, columns) = (P.min(d.m - at[0]), (2 * S::LANES).min(d.n - at[1]));
        let mut sums = [[s.zero(); 2]; P];
        // SAFETY: as the caller promises; C has m rows of n numbers.
        unsafe {
            let c = self.c.get().add(at[0] * d.n + at[1]);
            let (mut pa, mut pb) = (a.as_ptr(), b.as_ptr());
            for _ in 0..a.len() / P {
                let (b0, b1) = (s.load(pb), s.load(pb.add(S::LANES)));
                for p in 0..P {
                    let value = s.splat(*pa.add(p));
                    sums[p][0] = s.fma(value, b0, sums[p][0]);
                    sums[p][1] = s.fma(value, b1, sums[p][1]);
                }
                pa = pa.add(P);
                pb = pb.add(2 * S::LANES);
            }
            if rows == P && columns == 2 * S::LANES {
                for (p, sums) in sums.iter().enumerate() {
                    for (half, sum) in sums.iter().enumerate() {
                        let c = c.add(p * d.n + half * S::LANES);
                        let mut sum = *sum;
                        if !begin {
                            sum = s.add(sum, s.load(c));
                        }
                        if end {
                            if d.bias {
                                sum = s.add(sum, s.load(self.bias.as_ptr().add(at[1] + half * S::LANES)));
                            }
                            sum = activate(s, d.activation, sum);
                        }
                        s.store(c, sum);
                    }
                }
                return;
            }
            for (p, sums) in sums.iter().enumerate().take(rows) {
                let c = std::slice::from_raw_parts_mut(c.add(p * d.n), columns);
                self.store_some(s, sums, c, at[1], [begin, end]);
            }
        }
    }

    /// Stores the first part of a row of a tile, as many numbers as `c` has.
    #[inline(always)]
    fn store_some<S: Simd>(
        &self,
        s: S,
        sums: &[S::F; 2],
        c: &mut [f32],
        column: usize,
        [begin, end]: [bool; 2],
    ) {
        let d = &self.gemm.desc;
        let mut line = [0.0f32; 16];
        for (half, sum) in sums.iter().enumerate() {
            let from = (half * S::LANES).min(c.len());
            let real = (c.len() - from).min(S::LANES);
            let mut padded = |values: &[f32]| {
                line[..real].copy_from_slice(&values[..real]);
                // SAFETY: no vector has more than 16 lanes.
                unsafe { s.load(line.as_ptr()) }
            };
            let mut sum = *sum;
            if !begin {
                sum = s.add(sum, padded(&c[from..]));
            }
            if end {
                if d.bias && real > 0 {
                    sum = s.add(sum, padded(&self.bias[column + from..]));
                }
                sum = activate(s, d.activation, sum);
            }
            // SAFETY: no vector has more than 16 lanes.
            unsafe { s.store(line.as_mut_ptr(), sum) }
            c[from..][..real].copy_from_slice(&line[..real]);
        }
    }
}

/// Few rows of A, contiguous, and columns of B, contiguous: dot products that read B once.
struct Rows {
    desc: GemmDesc,
    isa: Isa,
}

/// Columns of an item of the grid.
const COLUMNS: usize = 16;

impl Kernel for Rows {
    fn run(&self, context: &Context, views: &mut Views) {
        let d = &self.desc;
        let (a, b) = (views.read::<f32>(d.first), views.read::<f32>(1 - d.first));
        let bias = if d.bias { views.read::<f32>(2) } else { &[] };
        let c = views.write::<f32>(0);
        assert_eq!(c.len(), d.m * d.n, "C is as large as the descriptor says");
        let c = Pointer(c.as_mut_ptr());
        context.pool.run(d.n.div_ceil(COLUMNS), |item| {
            let columns = item * COLUMNS..((item + 1) * COLUMNS).min(d.n);
            dispatch(self.isa, Dots { desc: d, a, b, bias, c: &c, columns });
        });
    }
}

struct Dots<'a> {
    desc: &'a GemmDesc,
    a: &'a [f32],
    b: &'a [f32],
    bias: &'a [f32],
    c: &'a Pointer<f32>,
    columns: std::ops::Range<usize>,
}

impl Body for Dots<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let d = self.desc;
        for column in self.columns.clone() {
            let b = &self.b[column * d.b[1]..][..d.k];
            for row in 0..d.m {
                let mut sum = dot(s, &self.a[row * d.a[0]..][..d.k], b);
                if d.bias {
                    sum += self.bias[column];
                }
                let mut lanes = [0.0f32; 16];
                // SAFETY: no vector has more than 16 lanes; column and row lie within C, and no other
                // item has this column.
                unsafe {
                    s.store(lanes.as_mut_ptr(), activate(s, d.activation, s.splat(sum)));
                    *self.c.get().add(row * d.n + column) = lanes[0];
                }
            }
        }
    }
}

/// The sum of products, in four vectors of partial sums that are added in a fixed order.
#[inline(always)]
fn dot<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    let step = 4 * S::LANES;
    let whole = a.len() / step * step;
    let mut sums = [s.zero(); 4];
    for i in (0..whole).step_by(step) {
        for (j, sum) in sums.iter_mut().enumerate() {
            let at = i + j * S::LANES;
            // SAFETY: `at + LANES` is at most `whole`.
            *sum = unsafe { s.fma(s.load(a.as_ptr().add(at)), s.load(b.as_ptr().add(at)), *sum) };
        }
    }
    let total = s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]));
    let mut lanes = [0.0f32; 16];
    // SAFETY: no vector has more than 16 lanes.
    unsafe { s.store(lanes.as_mut_ptr(), total) }
    let vector: f32 = lanes[..S::LANES].iter().sum();
    vector + a[whole..].iter().zip(&b[whole..]).map(|(a, b)| a * b).sum::<f32>()
}
