//! The weight gradient: matrix products of dy and columns, accumulated chunk by chunk.

use crate::{Format, Layout, Views};

use super::Conv3dDesc;
use super::columns::{Columns, Products, product};
use crate::isa::Isa;
use crate::{Context, Implementation, Kernel};

pub(super) struct WeightGradient;

impl Implementation<Conv3dDesc> for WeightGradient {
    fn name(&self) -> &'static str {
        "conv3d_weight_gradient_columns_f32"
    }

    fn formats(&self, _d: &Conv3dDesc, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        Some(vec![Layout::Plain.f32(); 3])
    }

    fn prepare(&self, d: &Conv3dDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        let columns = Columns::new(d);
        let (o, k) = (columns.outputs(), columns.taps());
        // The columns [K, P] are read as [P, K].
        let products = Products::new(&columns, isa, |p| product([o, k, p], [p, 1], [1, p]));
        Box::new(Bound { columns, products })
    }
}

struct Bound {
    columns: Columns,
    products: Products,
}

impl Kernel for Bound {
    fn scratch_bytes(&self, threads: usize) -> usize {
        let weights = self.columns.outputs() * self.columns.taps();
        size_of::<f32>() * (self.columns.scratch().iter().sum::<usize>() + weights)
            + self.products.scratch_bytes(threads)
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let (x, dy) = (views.read::<f32>(0), views.read::<f32>(1));
        let (dw, scratch) = (views.write::<f32>(0), views.write::<f32>(1));
        let [gathered, gathered_outputs] = self.columns.scratch();
        let (columns, scratch) = scratch.split_at_mut(gathered);
        let (outputs, scratch) = scratch.split_at_mut(gathered_outputs);
        let (o, k) = (self.columns.outputs(), self.columns.taps());
        let (sums, scratch) = scratch.split_at_mut(o * k);
        dw.fill(0.0);
        for chunk in self.columns.chunks() {
            for group in 0..self.columns.d.groups {
                let columns = &mut columns[..k * chunk.len()];
                let outputs = &mut outputs[..o * chunk.len()];
                self.columns.gather(context.thread_pool, x, group, &chunk, columns);
                self.columns.gather_outputs(context.thread_pool, dy, group, &chunk, outputs);
                self.products.run(context, chunk.len(), outputs, columns, sums, scratch);
                let dw = &mut dw[group * o * k..][..o * k];
                context.thread_pool.pieces(dw, k, |channel, piece| {
                    piece.iter_mut().zip(&sums[channel * k..]).for_each(|(total, sum)| *total += sum);
                });
            }
        }
    }
}
