//! Arithmetic on two plain values with broadcasting: extents of 1 are repeated to match.
//!
//! Adjacent axes along which both operands have uniform strides are collapsed into one. In the innermost
//! remaining axis, a row, each operand is either contiguous or a single number.

pub mod extremum;
pub mod reference;
pub mod sum_to;

use crate::{Format, Layout, Views};

use crate::isa::Isa;
use crate::reference::{Reference, floats};
use crate::simd::{Body, Simd, dispatch};
use crate::{Context, Implementation, Kernel};

/// An arithmetic operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// a + b
    Add,
    /// a − b
    Sub,
    /// a · b
    Mul,
    /// a / b
    Div,
    /// max(a, b); NaN if either is
    Max,
    /// min(a, b); NaN if either is
    Min,
}

/// Arithmetic on a and b. Reads a and b, writes y.
#[derive(Debug, Clone, PartialEq)]
pub struct BroadcastDesc {
    /// The operation.
    pub op: Arithmetic,
    /// Extents of y.
    pub shape: Vec<usize>,
    /// Strides of a and of b along each axis; 0 along broadcast axes.
    pub strides: [Vec<usize>; 2],
}

impl BroadcastDesc {
    /// Describes arithmetic on values with extents `a` and `b`, which must be compatible.
    pub fn new(op: Arithmetic, a: &[usize], b: &[usize]) -> BroadcastDesc {
        let rank = a.len().max(b.len());
        let aligned = |shape: &[usize]| [&vec![1; rank - shape.len()], shape].concat();
        let [a, b] = [aligned(a), aligned(b)];
        let shape: Vec<usize> = a.iter().zip(&b).map(|(a, b)| *a.max(b)).collect();
        let strides = [&a, &b].map(|operand| {
            let mut strides = vec![0; rank];
            let mut step = 1;
            for axis in (0..rank).rev() {
                if operand[axis] > 1 {
                    strides[axis] = step;
                }
                step *= operand[axis];
            }
            strides
        });
        BroadcastDesc { op, shape, strides }
    }

    /// Returns the same operation with as few axes as possible, but at least one.
    fn collapsed(&self) -> BroadcastDesc {
        let mut shape = vec![1];
        let mut strides = [vec![0], vec![0]];
        for axis in (0..self.shape.len()).filter(|axis| self.shape[*axis] > 1) {
            let extent = self.shape[axis];
            let last = shape.len() - 1;
            let uniform = |operand: usize| strides[operand][last] == self.strides[operand][axis] * extent;
            if shape[last] == 1 || (uniform(0) && uniform(1)) {
                shape[last] *= extent;
                (0..2).for_each(|operand| strides[operand][last] = self.strides[operand][axis]);
            } else {
                shape.push(extent);
                (0..2).for_each(|operand| strides[operand].push(self.strides[operand][axis]));
            }
        }
        BroadcastDesc { op: self.op, shape, strides }
    }
}

/// The implementations, best first.
pub fn list() -> &'static [&'static dyn Implementation<BroadcastDesc>] {
    &[
        &Vector,
        &Reference::<BroadcastDesc> {
            name: "broadcast_reference",
            operands: |_| floats(3),
            run: |desc, views| {
                reference::forward(desc, views.read::<f32>(0), views.read(1), views.write(0));
            },
        },
    ]
}

/// Floats in one item of the grid.
const PIECE: usize = 8192;

struct Vector;

impl Implementation<BroadcastDesc> for Vector {
    fn name(&self) -> &'static str {
        "broadcast_f32"
    }

    fn formats(&self, _desc: &BroadcastDesc, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        Some(vec![Layout::Plain.f32(); 3])
    }

    fn prepare(&self, desc: &BroadcastDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Rows { desc: desc.collapsed(), isa })
    }
}

struct Rows {
    /// With collapsed axes.
    desc: BroadcastDesc,
    isa: Isa,
}

impl Rows {
    /// The offset of row number `row` of y in an operand.
    fn start(&self, operand: usize, mut row: usize) -> usize {
        let outer = self.desc.shape.len() - 1;
        let mut start = 0;
        for axis in (0..outer).rev() {
            start += row % self.desc.shape[axis] * self.desc.strides[operand][axis];
            row /= self.desc.shape[axis];
        }
        start
    }

    /// The `length` elements of an operand that start at `column` of `row`.
    fn part<'a>(
        &self,
        operand: usize,
        values: &'a [f32],
        row: usize,
        column: usize,
        length: usize,
    ) -> Part<'a> {
        let start = self.start(operand, row);
        match self.desc.strides[operand].last() {
            Some(0) => Part::One(values[start]),
            _ => Part::Run(&values[start + column..][..length]),
        }
    }
}

impl Kernel for Rows {
    fn run(&self, context: &Context, views: &mut Views) {
        let (a, b, y) = (views.read::<f32>(0), views.read::<f32>(1), views.write::<f32>(0));
        let inner = *self.desc.shape.last().expect("at least one axis remains");
        context.thread_pool.pieces(y, PIECE, |index, piece| {
            let mut rest = piece;
            let mut at = index * PIECE;
            while !rest.is_empty() {
                let (row, column) = (at / inner, at % inner);
                let length = rest.len().min(inner - column);
                let (y, others) = rest.split_at_mut(length);
                let a = self.part(0, a, row, column, length);
                let b = self.part(1, b, row, column, length);
                dispatch(self.isa, Row { op: self.desc.op, a, b, y });
                (rest, at) = (others, at + length);
            }
        });
    }
}

/// An operand within a row: one element for each of the row, or a single one for all.
#[derive(Clone, Copy)]
enum Part<'a> {
    Run(&'a [f32]),
    One(f32),
}

struct Row<'a> {
    op: Arithmetic,
    a: Part<'a>,
    b: Part<'a>,
    y: &'a mut [f32],
}

impl Body for Row<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let whole = self.y.len() / S::LANES * S::LANES;
        for at in (0..whole).step_by(S::LANES) {
            let value = self.at(s, at, S::LANES);
            // SAFETY: `at + LANES` is at most the length of the slice.
            unsafe { s.store(self.y[at..].as_mut_ptr(), value) }
        }
        let rest = self.y.len() - whole;
        if rest > 0 {
            let mut last = [0.0f32; 16];
            // SAFETY: vectors have at most 16 lanes.
            unsafe { s.store(last.as_mut_ptr(), self.at(s, whole, rest)) }
            self.y[whole..].copy_from_slice(&last[..rest]);
        }
    }
}

impl Row<'_> {
    /// The `count` results that start at `at`.
    #[inline(always)]
    fn at<S: Simd>(&self, s: S, at: usize, count: usize) -> S::F {
        self.op.vector(s, self.a.vector(s, at, count), self.b.vector(s, at, count))
    }
}

impl Arithmetic {
    #[inline(always)]
    fn vector<S: Simd>(self, s: S, a: S::F, b: S::F) -> S::F {
        match self {
            Arithmetic::Add => s.add(a, b),
            Arithmetic::Sub => s.sub(a, b),
            Arithmetic::Mul => s.mul(a, b),
            Arithmetic::Div => s.div(a, b),
            Arithmetic::Max => s.max_or_nan(a, b),
            Arithmetic::Min => {
                let [a, b] = [s.sub(s.zero(), a), s.sub(s.zero(), b)];
                s.sub(s.zero(), s.max_or_nan(a, b))
            }
        }
    }
}

impl Part<'_> {
    /// The `count` elements that start at `at`.
    #[inline(always)]
    fn vector<S: Simd>(&self, s: S, at: usize, count: usize) -> S::F {
        match self {
            Part::Run(values) => load(s, values, at, count),
            Part::One(value) => s.splat(*value),
        }
    }
}

/// Loads the `count` elements that start at `at`; the other lanes are zero.
#[inline(always)]
fn load<S: Simd>(s: S, values: &[f32], at: usize, count: usize) -> S::F {
    let values = &values[at..][..count];
    if count == S::LANES {
        // SAFETY: the slice has as many elements as the vector has lanes.
        return unsafe { s.load(values.as_ptr()) };
    }
    let mut padded = [0.0f32; 16];
    padded[..count].copy_from_slice(values);
    // SAFETY: vectors have at most 16 lanes.
    unsafe { s.load(padded.as_ptr()) }
}
