//! Clipping of every element, and its gradient.

use crate::{Format, Layout, Views};

use crate::isa::Isa;
use crate::reference::{Reference, floats};
use crate::simd::{Body, Simd, dispatch};
use crate::{Context, Implementation, Kernel};

/// y = min(max(x, min), max) for `len` plain elements.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipDesc {
    /// Number of elements.
    pub len: usize,
    /// The lower bound.
    pub min: f32,
    /// The upper bound.
    pub max: f32,
}

/// Reads x, writes y.
pub fn forward() -> &'static [&'static dyn Implementation<ClipDesc>] {
    &[
        &Vector,
        &Reference::<ClipDesc> {
            name: "clip_reference",
            operands: |_| floats(2),
            run: |desc, views| reference::forward(desc, views.read::<f32>(0), views.write(0)),
        },
    ]
}

/// Reads x and dy, writes dx.
pub fn gradient() -> &'static [&'static dyn Implementation<ClipDesc>] {
    &[&Reference::<ClipDesc> {
        name: "clip_gradient_reference",
        operands: |_| floats(3),
        run: |desc, views| {
            reference::gradient(desc, views.read::<f32>(0), views.read(1), views.write(0));
        },
    }]
}

/// Floats in one item of the grid.
const PIECE: usize = 8192;

struct Vector;

impl Implementation<ClipDesc> for Vector {
    fn name(&self) -> &'static str {
        "clip_f32"
    }

    fn formats(&self, _desc: &ClipDesc, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        Some(vec![Layout::Plain.f32(); 2])
    }

    fn prepare(&self, desc: &ClipDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound { desc: desc.clone(), isa })
    }
}

struct Bound {
    desc: ClipDesc,
    isa: Isa,
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let (x, y) = (views.read::<f32>(0), views.write::<f32>(0));
        context.thread_pool.pieces(y, PIECE, |index, y| {
            let x = &x[index * PIECE..][..y.len()];
            dispatch(self.isa, Row { min: self.desc.min, max: self.desc.max, x, y });
        });
    }
}

struct Row<'a> {
    min: f32,
    max: f32,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Body for Row<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (min, max) = (s.splat(self.min), s.splat(self.max));
        let (x, x_rest) = self.x.split_at(self.x.len() / S::LANES * S::LANES);
        let (y, y_rest) = self.y.split_at_mut(x.len());
        for (x, y) in x.chunks_exact(S::LANES).zip(y.chunks_exact_mut(S::LANES)) {
            // SAFETY: both slices have as many elements as the vector has lanes.
            unsafe { s.store(y.as_mut_ptr(), s.min(max, s.max(min, s.load(x.as_ptr())))) }
        }
        for (x, y) in x_rest.iter().zip(y_rest) {
            *y = x.max(self.min).min(self.max);
        }
    }
}

pub mod reference {
    //! Clipping of every element, by definition.

    use super::ClipDesc;
    use crate::reference::Real;

    /// y = min(max(x, min), max).
    pub fn forward<T: Real>(d: &ClipDesc, x: &[T], y: &mut [T]) {
        let [min, max] = [d.min, d.max].map(|bound| T::from_f64(f64::from(bound)));
        x.iter().zip(y).for_each(|(x, y)| *y = max.minimum(min.maximum(*x)));
    }

    /// dx = dy where x is within the bounds, else 0.
    pub fn gradient<T: Real>(d: &ClipDesc, x: &[T], dy: &[T], dx: &mut [T]) {
        let [min, max] = [d.min, d.max].map(|bound| T::from_f64(f64::from(bound)));
        for ((x, dy), dx) in x.iter().zip(dy).zip(dx) {
            *dx = if min <= *x && *x <= max { *dy } else { T::from_f64(0.0) };
        }
    }
}
