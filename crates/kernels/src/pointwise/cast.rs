//! Conversion between `f32` and `bf16`.

use striate_tensor::{DType, bf16};

use crate::isa::Isa;
use crate::layout::maps::Maps;
use crate::reference::Reference;
use crate::simd::{Body, Simd, dispatch};
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

/// Conversion of a value of `shape`. Reads x, writes y.
#[derive(Debug, Clone, PartialEq)]
pub struct CastDesc {
    /// `[N, C, H, W]`.
    pub shape: [usize; 4],
}

/// The implementations for every pair of types, best first.
pub fn list() -> &'static [&'static dyn Implementation<CastDesc>] {
    &[
        &Narrow,
        &Reference::<CastDesc> {
            name: "cast_f32_bf16_reference",
            operands: |_| vec![DType::F32, DType::BF16],
            run: |_, views| {
                let (x, y) = (views.read::<f32>(0), views.write::<bf16>(0));
                y.iter_mut().zip(x).for_each(|(y, x)| *y = bf16::from_f32(*x));
            },
        },
        &Reference::<CastDesc> {
            name: "cast_bf16_f32_reference",
            operands: |_| vec![DType::BF16, DType::F32],
            run: |_, views| {
                let (x, y) = (views.read::<bf16>(0), views.write::<f32>(0));
                y.iter_mut().zip(x).for_each(|(y, x)| *y = x.to_f32());
            },
        },
    ]
}

/// From `f32` to `bf16` in any layout of activations.
struct Narrow;

impl Implementation<CastDesc> for Narrow {
    fn name(&self) -> &'static str {
        "cast_f32_bf16"
    }

    fn formats(&self, _desc: &CastDesc, _isa: Isa, first: Layout) -> Option<Vec<Format>> {
        let is_activation = matches!(first, Layout::Plain | Layout::Channels { .. } | Layout::Images { .. });
        is_activation.then(|| vec![first.f32(), first.of(DType::BF16)])
    }

    fn prepare(&self, desc: &CastDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let [x, y] = [layouts[0], layouts[1]];
        match x {
            Layout::Channels { .. } | Layout::Part { .. } => {
                Box::new(NarrowMaps { isa, x: Maps::new(desc.shape, x), y: Maps::new(desc.shape, y) })
            }
            _ => Box::new(NarrowAll { isa }),
        }
    }
}

/// Elements in one item of the grid.
const PIECE: usize = 16384;

struct NarrowAll {
    isa: Isa,
}

impl Kernel for NarrowAll {
    fn run(&self, context: &Context, views: &mut Views) {
        let (x, y) = (views.read::<f32>(0), views.write::<bf16>(0));
        context.thread_pool.pieces(y, PIECE, |index, y| {
            dispatch(self.isa, Line { x: &x[index * PIECE..][..y.len()], y });
        });
    }
}

struct NarrowMaps {
    isa: Isa,
    x: Maps,
    y: Maps,
}

impl Kernel for NarrowMaps {
    fn run(&self, context: &Context, views: &mut Views) {
        let (x, y) = (views.read::<f32>(0), views.write::<bf16>(0));
        self.y.each(context.thread_pool, y, |map, y| {
            self.y.clear_halo(y);
            let x = self.x.map(x, map);
            let length = self.x.size[1] * self.x.block;
            for row in 0..self.x.size[0] {
                let line = &mut y[self.y.row(row)..][..length];
                dispatch(self.isa, Line { x: &x[self.x.row(row)..][..length], y: line });
            }
        });
    }
}

struct Line<'a> {
    x: &'a [f32],
    y: &'a mut [bf16],
}

impl Body for Line<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Line { x, y } = self;
        let whole = x.len() / S::LANES * S::LANES;
        for at in (0..whole).step_by(S::LANES) {
            // SAFETY: a whole vector of both lies within the slices, which have the same length.
            unsafe { s.store_bf16(y[at..].as_mut_ptr(), s.load(x[at..].as_ptr())) }
        }
        y[whole..].iter_mut().zip(&x[whole..]).for_each(|(y, x)| *y = bf16::from_f32(*x));
    }
}
