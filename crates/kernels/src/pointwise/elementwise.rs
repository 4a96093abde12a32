//! Elementwise operations: activations, their gradients, sums.

use crate::{Format, Layout, Views};

use crate::activation::Activation;
use crate::function::Function;
use crate::isa::Isa;
use crate::layout::maps::{Maps, is_lanes};
use crate::reference::{Reference, floats};
use crate::simd::{self, Body, Simd, dispatch, streams};
use crate::{Context, Implementation, Kernel};

/// An elementwise operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Elementwise {
    /// y = f(x).
    Apply(Activation),
    /// dx = dy · f'(x), given y = f(x) and dy.
    Gradient(Activation),
    /// y = f(x).
    Function(Function),
    /// dx = dy · f'(x), from x and dy.
    FunctionGradient(Function),
    /// y = factor · x.
    MultiplyBy(f32),
    /// y = a + b.
    Add,
}

/// An elementwise operation on values of the same shape. Reads one or two operands, writes one.
#[derive(Debug, Clone, PartialEq)]
pub struct ElementwiseDesc {
    /// `[N, C, H, W]`.
    pub shape: [usize; 4],
    /// The operation.
    pub op: Elementwise,
}

impl ElementwiseDesc {
    fn reads(&self) -> usize {
        match self.op {
            Elementwise::Apply(_) | Elementwise::Function(_) | Elementwise::MultiplyBy(_) => 1,
            _ => 2,
        }
    }
}

/// The implementations, best first.
pub fn list() -> &'static [&'static dyn Implementation<ElementwiseDesc>] {
    &[
        &Vector,
        &Reference::<ElementwiseDesc> {
            name: "elementwise_reference",
            operands: |desc| floats(desc.reads() + 1),
            run: |desc, views| {
                let b = (desc.reads() == 2).then(|| views.read::<f32>(1));
                reference::elementwise(desc.op, views.read(0), b, views.write(0));
            },
        },
    ]
}

/// Floats of a plain value in one item of the grid.
const PIECE: usize = 8192;

struct Vector;

impl Implementation<ElementwiseDesc> for Vector {
    fn name(&self) -> &'static str {
        "elementwise_f32"
    }

    fn formats(&self, desc: &ElementwiseDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        let is_vectorized = match desc.op {
            Elementwise::Function(function) | Elementwise::FunctionGradient(function) => {
                function.is_vectorized()
            }
            _ => true,
        };
        let fits = is_vectorized && (first == Layout::Plain || is_lanes(first, isa.block()));
        fits.then(|| vec![first.f32(); desc.reads() + 1])
    }

    fn prepare(&self, desc: &ElementwiseDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        // Without padding lanes and halos, a value can be treated as one row.
        if layouts[0] == Layout::Plain || layouts[0].is_images() {
            return Box::new(Plain { op: desc.op, isa });
        }
        let maps: Vec<Maps> = layouts.iter().map(|layout| Maps::new(desc.shape, *layout)).collect();
        let second = maps[desc.reads() - 1];
        Box::new(Blocked { op: desc.op, isa, a: maps[0], b: second, y: maps[desc.reads()] })
    }
}

struct Plain {
    op: Elementwise,
    isa: Isa,
}

impl Kernel for Plain {
    fn run(&self, context: &Context, views: &mut Views) {
        let (a, y) = (views.read::<f32>(0), views.write::<f32>(0));
        let b = views.read::<f32>(views.reads() - 1);
        let streams = streams(y, self.isa.lanes());
        context.thread_pool.pieces(y, PIECE, |index, y| {
            let first = index * PIECE;
            let (a, b) = (&a[first..][..y.len()], &b[first..][..y.len()]);
            dispatch(self.isa, Row { op: self.op, a, b, y, lanes: None, streams });
        });
    }
}

struct Blocked {
    op: Elementwise,
    isa: Isa,
    a: Maps,
    b: Maps,
    y: Maps,
}

impl Kernel for Blocked {
    fn run(&self, context: &Context, views: &mut Views) {
        let (a, y) = (views.read::<f32>(0), views.write::<f32>(0));
        let b = views.read::<f32>(views.reads() - 1);
        let streams = streams(y, self.y.block);
        self.y.each(context.thread_pool, y, |map, y| {
            let (a, b) = (self.a.map(a, map), self.b.map(b, map));
            self.y.clear_halo(y);
            let channels = self.y.channels(map);
            let lanes = (channels < self.y.block).then_some(channels);
            let [rows, columns] = self.y.size;
            let length = columns * self.y.block;
            for row in 0..rows {
                let (a, b) = (&a[self.a.row(row)..][..length], &b[self.b.row(row)..][..length]);
                let y = &mut y[self.y.row(row)..][..length];
                dispatch(self.isa, Row { op: self.op, a, b, y, lanes, streams });
            }
        });
    }
}

/// A run of elements. With `lanes`, only that many lanes of each vector hold channels; the others stay zero.
struct Row<'a> {
    op: Elementwise,
    a: &'a [f32],
    b: &'a [f32],
    y: &'a mut [f32],
    lanes: Option<usize>,
    /// Whether y, which is then aligned, is stored past the caches.
    streams: bool,
}

impl Body for Row<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Row { op, a, b, y, lanes, streams } = self;
        assert!(a.len() == y.len() && b.len() == y.len(), "operand lengths must match");
        let mask = s.first_lanes(lanes.unwrap_or(S::LANES));
        let whole = y.len() / S::LANES * S::LANES;
        // Sets all elements of y, the last few with a padded copy; a macro, because calls to closures are not always
        // compiled for the instruction set.
        macro_rules! each {
            (|$a:ident, $b:ident| $value:expr) => {
                each!(store | $a, $b | $value)
            };
            ($store:ident |$a:ident, $b:ident| $value:expr) => {{
                for i in (0..whole).step_by(S::LANES) {
                    // SAFETY: `i + LANES` is at most the length of all three slices.
                    unsafe {
                        let ($a, $b) = (s.load(a.as_ptr().add(i)), s.load(b.as_ptr().add(i)));
                        s.$store(y.as_mut_ptr().add(i), $value);
                    }
                }
                let rest = y.len() - whole;
                if rest > 0 {
                    let (mut pa, mut pb) = ([0.0f32; 16], [0.0f32; 16]);
                    pa[..rest].copy_from_slice(&a[whole..]);
                    pb[..rest].copy_from_slice(&b[whole..]);
                    // SAFETY: vectors have at most 16 lanes.
                    unsafe {
                        let ($a, $b) = (s.load(pa.as_ptr()), s.load(pb.as_ptr()));
                        s.store(pa.as_mut_ptr(), $value);
                    }
                    y[whole..].copy_from_slice(&pa[..rest]);
                }
            }};
        }
        match op {
            Elementwise::Apply(Activation::Sigmoid) => each!(|a, _b| s.mul(mask, simd::sigmoid(s, a))),
            Elementwise::Apply(activation) => each!(|a, _b| simd::activate(s, activation, a)),
            Elementwise::Gradient(Activation::Relu) if streams => {
                each!(stream | y, dy | s.select_greater(y, s.zero(), dy, s.zero()));
                s.fence();
            }
            Elementwise::Gradient(Activation::Relu) => {
                each!(|y, dy| s.select_greater(y, s.zero(), dy, s.zero()))
            }
            Elementwise::Gradient(activation) => {
                each!(|y, dy| simd::activation_gradient(s, activation, y, dy))
            }
            // Padding lanes hold zero, at which a function may be nonzero or even infinite.
            Elementwise::Function(function) => {
                each!(|a, _b| s.select_greater(mask, s.zero(), function.vector(s, a), s.zero()))
            }
            Elementwise::FunctionGradient(function) => {
                each!(|x, dy| s.select_greater(mask, s.zero(), function.vector_gradient(s, x, dy), s.zero()))
            }
            Elementwise::MultiplyBy(factor) => {
                let factor = s.splat(factor);
                each!(|a, _b| s.mul(factor, a))
            }
            Elementwise::Add if streams => {
                each!(stream | a, b | s.add(a, b));
                s.fence();
            }
            Elementwise::Add => each!(|a, b| s.add(a, b)),
        }
    }
}

pub mod reference {
    //! Elementwise operations, by definition.

    use super::Elementwise;
    use crate::reference::Real;

    /// y from a, and from b if there are two operands.
    pub fn elementwise<T: Real>(op: Elementwise, a: &[T], b: Option<&[T]>, y: &mut [T]) {
        for (index, out) in y.iter_mut().enumerate() {
            let (a, b) = (a[index], b.map_or(T::from_f64(0.0), |b| b[index]));
            *out = match op {
                Elementwise::Apply(activation) => activation.apply(a),
                Elementwise::Gradient(activation) => b * activation.derivative(a),
                Elementwise::Function(function) => function.apply(a),
                Elementwise::FunctionGradient(function) => b * function.derivative(a),
                Elementwise::MultiplyBy(factor) => T::from_f64(f64::from(factor)) * a,
                Elementwise::Add => a + b,
            };
        }
    }
}
