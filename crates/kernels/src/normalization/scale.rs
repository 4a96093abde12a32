//! Multiplication by a coefficient for each channel, with an optional bias.

use crate::{Format, Layout, Views};

use crate::isa::Isa;
use crate::layout::maps::{Maps, is_lanes};
use crate::reference::{Reference, floats};
use crate::simd::{Body, Simd, dispatch};
use crate::{Context, Implementation, Kernel};

/// Reads x `[N, C, H, W]`, coefficients `[C]` and optional biases `[C]`; writes y.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaleDesc {
    /// `[N, C, H, W]`.
    pub shape: [usize; 4],
    /// Whether there is a bias.
    pub bias: bool,
}

/// The implementations, best first.
pub fn list() -> &'static [&'static dyn Implementation<ScaleDesc>] {
    &[
        &Lanes,
        &Reference::<ScaleDesc> {
            name: "scale_reference",
            operands: |desc| floats(3 + usize::from(desc.bias)),
            run: |desc, views| {
                let (x, w) = (views.read::<f32>(0), views.read(1));
                let bias = desc.bias.then(|| views.read(2));
                reference::scale(desc.shape, x, w, bias, views.write(0));
            },
        },
    ]
}

struct Lanes;

impl Implementation<ScaleDesc> for Lanes {
    fn name(&self) -> &'static str {
        "scale_f32"
    }

    fn formats(&self, desc: &ScaleDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        is_lanes(first, isa.block()).then(|| {
            let mut formats = vec![Layout::Plain.f32(); 3 + usize::from(desc.bias)];
            formats[0] = first.f32();
            *formats.last_mut().expect("y is an operand") = first.f32();
            formats
        })
    }

    fn prepare(&self, desc: &ScaleDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let maps = |layout: Layout| Maps::new(desc.shape, layout);
        let images = layouts[0].is_images();
        let (x, y) = (maps(layouts[0]), maps(layouts[layouts.len() - 1]));
        Box::new(Bound { isa, images, channels: desc.shape[1], bias: desc.bias, x, y })
    }
}

struct Bound {
    isa: Isa,
    /// Whether the lanes are images, so that each map is one channel.
    images: bool,
    channels: usize,
    bias: bool,
    x: Maps,
    y: Maps,
}

impl Bound {
    /// The elements of `all` for the lanes of map number `map`; zero beyond the channels.
    fn lanes(&self, all: &[f32], map: usize) -> [f32; 16] {
        if self.images {
            return [all[map % self.channels]; 16];
        }
        let mut lanes = [0.0; 16];
        let count = self.y.channels(map);
        lanes[..count].copy_from_slice(&all[map % self.y.blocks * self.y.block..][..count]);
        lanes
    }
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let (x, weights, y) = (views.read::<f32>(0), views.read::<f32>(1), views.write::<f32>(0));
        let biases = self.bias.then(|| views.read::<f32>(2));
        self.y.each(context.thread_pool, y, |map, y| {
            self.y.clear_halo(y);
            let x = self.x.map(x, map);
            let weights = self.lanes(weights, map);
            let biases = biases.map_or([0.0; 16], |biases| self.lanes(biases, map));
            dispatch(self.isa, Map { bound: self, x, y, weights, biases });
        });
    }
}

struct Map<'a> {
    bound: &'a Bound,
    x: &'a [f32],
    y: &'a mut [f32],
    weights: [f32; 16],
    biases: [f32; 16],
}

impl Body for Map<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (from, to) = (&self.bound.x, &self.bound.y);
        let [rows, columns] = to.size;
        // SAFETY: vectors have at most 16 lanes; rows have `columns` vectors.
        unsafe {
            let (weights, biases) = (s.load(self.weights.as_ptr()), s.load(self.biases.as_ptr()));
            for row in 0..rows {
                let x = self.x[from.row(row)..][..columns * S::LANES].as_ptr();
                let y = self.y[to.row(row)..][..columns * S::LANES].as_mut_ptr();
                for i in (0..columns * S::LANES).step_by(S::LANES) {
                    s.store(y.add(i), s.fma(weights, s.load(x.add(i)), biases));
                }
            }
        }
    }
}

pub mod reference {
    //! Multiplication by a coefficient for each channel, with an optional bias, by definition.

    use crate::reference::Real;

    /// y = w\[c\]·x + bias\[c\]; x `[N, C, H, W]`.
    pub fn scale<T: Real>(shape: [usize; 4], x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
        let [_, c, height, width] = shape;
        for (index, (x, y)) in x.iter().zip(y).enumerate() {
            let channel = index / (height * width) % c;
            *y = w[channel] * *x + bias.map_or(T::from_f64(0.0), |bias| bias[channel]);
        }
    }
}
