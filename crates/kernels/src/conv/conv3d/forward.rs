//! The forward direction: columns, a matrix product, and an epilogue for bias, residual and activation.

use crate::{Format, Layout, Views};

use super::Conv3dDesc;
use super::columns::{Chunk, Columns, Products, product, volume};
use crate::isa::Isa;
use crate::simd::{Body, Simd, activate, dispatch};
use crate::{Context, Implementation, Kernel};

pub(super) struct Forward;

impl Implementation<Conv3dDesc> for Forward {
    fn name(&self) -> &'static str {
        "conv3d_columns_f32"
    }

    fn formats(&self, d: &Conv3dDesc, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        Some(vec![Layout::Plain.f32(); 3 + usize::from(d.bias) + usize::from(d.residual)])
    }

    fn prepare(&self, d: &Conv3dDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        let columns = Columns::new(d);
        let (o, k) = (columns.outputs(), columns.taps());
        let products = Products::new(&columns, isa, |p| product([o, p, k], [k, 1], [p, 1]));
        Box::new(Bound { columns, products, isa })
    }
}

struct Bound {
    columns: Columns,
    products: Products,
    isa: Isa,
}

impl Kernel for Bound {
    fn scratch_bytes(&self, threads: usize) -> usize {
        size_of::<f32>() * self.columns.scratch().iter().sum::<usize>() + self.products.scratch_bytes(threads)
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let d = &self.columns.d;
        let (x, w) = (views.read::<f32>(0), views.read::<f32>(1));
        let bias = d.bias.then(|| views.read::<f32>(2));
        let residual = d.residual.then(|| views.read::<f32>(views.reads() - 1));
        let (y, scratch) = (views.write::<f32>(0), views.write::<f32>(1));
        let [gathered, multiplied] = self.columns.scratch();
        let (columns, scratch) = scratch.split_at_mut(gathered);
        let (sums, scratch) = scratch.split_at_mut(multiplied);
        let (o, k) = (self.columns.outputs(), self.columns.taps());
        for chunk in self.columns.chunks() {
            for group in 0..d.groups {
                let columns = &mut columns[..k * chunk.len()];
                let sums = &mut sums[..o * chunk.len()];
                self.columns.gather(context.thread_pool, x, group, &chunk, columns);
                let w = &w[group * o * k..][..o * k];
                self.products.run(context, chunk.len(), w, columns, sums, scratch);
                let operands = Operands { sums, bias, residual };
                self.finish(context, group, &chunk, operands, y);
            }
        }
    }
}

struct Operands<'a> {
    sums: &'a [f32],
    bias: Option<&'a [f32]>,
    residual: Option<&'a [f32]>,
}

impl Bound {
    /// y = activation(sums + bias + residual), for one group and chunk.
    fn finish(&self, context: &Context, group: usize, chunk: &Chunk, from: Operands, y: &mut [f32]) {
        let (d, o, size) = (&self.columns.d, self.columns.outputs(), volume(self.columns.d.output));
        self.columns.each_map(context.thread_pool, y, d.out_channels, group, chunk, |image, channel, map| {
            let places = self.columns.places_in(chunk, image);
            let sums = &from.sums[channel * chunk.len() + places.start - chunk.start..][..places.len()];
            let channel = group * o + channel;
            let part = places.start - image * size..places.end - image * size;
            let residual = from.residual.map(|residual| {
                let start = (image * d.out_channels + channel) * size;
                &residual[start..][part.clone()]
            });
            let bias = from.bias.map_or(0.0, |bias| bias[channel]);
            let y = &mut map[part];
            dispatch(self.isa, Finish { sums, bias, residual, activation: d.activation, y });
        });
    }
}

/// The positions of one channel.
struct Finish<'a> {
    sums: &'a [f32],
    bias: f32,
    residual: Option<&'a [f32]>,
    activation: crate::activation::Activation,
    y: &'a mut [f32],
}

impl Body for Finish<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Finish { sums, bias, residual, activation, y } = self;
        match residual {
            Some(residual) => {
                for ((y, sum), residual) in y.iter_mut().zip(sums).zip(residual) {
                    *y = sum + bias + residual;
                }
            }
            None => y.iter_mut().zip(sums).for_each(|(y, sum)| *y = sum + bias),
        }
        let whole = y.len() / S::LANES * S::LANES;
        let (vectors, rest) = y.split_at_mut(whole);
        for vector in vectors.chunks_exact_mut(S::LANES) {
            // SAFETY: the chunk has the length of a vector.
            unsafe { s.store(vector.as_mut_ptr(), activate(s, activation, s.load(vector.as_ptr()))) }
        }
        let mut lanes = [0.0f32; 16];
        lanes[..rest.len()].copy_from_slice(rest);
        // SAFETY: vectors have at most 16 lanes.
        unsafe { s.store(lanes.as_mut_ptr(), activate(s, activation, s.load(lanes.as_ptr()))) }
        rest.copy_from_slice(&lanes[..rest.len()]);
    }
}
