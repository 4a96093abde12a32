//! The data gradient: a matrix product yields columns, which are accumulated where they overlap.

use crate::{Format, Layout, Views};

use super::Conv3dDesc;
use super::columns::{Columns, Products, product};
use crate::isa::Isa;
use crate::{Context, Implementation, Kernel};

pub(super) struct DataGradient;

impl Implementation<Conv3dDesc> for DataGradient {
    fn name(&self) -> &'static str {
        "conv3d_data_gradient_columns_f32"
    }

    fn formats(&self, _d: &Conv3dDesc, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        Some(vec![Layout::Plain.f32(); 3])
    }

    fn prepare(&self, d: &Conv3dDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        let columns = Columns::new(d);
        let (o, k) = (columns.outputs(), columns.taps());
        // The weights of a group [O, K] are read as [K, O].
        let products = Products::new(&columns, isa, |p| product([k, p, o], [1, k], [p, 1]));
        Box::new(Bound { columns, products })
    }
}

struct Bound {
    columns: Columns,
    products: Products,
}

impl Kernel for Bound {
    fn scratch_bytes(&self, threads: usize) -> usize {
        size_of::<f32>() * self.columns.scratch().iter().sum::<usize>() + self.products.scratch_bytes(threads)
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let (dy, w) = (views.read::<f32>(0), views.read::<f32>(1));
        let (dx, scratch) = (views.write::<f32>(0), views.write::<f32>(1));
        let [multiplied, gathered] = self.columns.scratch();
        let (columns, scratch) = scratch.split_at_mut(multiplied);
        let (outputs, scratch) = scratch.split_at_mut(gathered);
        let (o, k) = (self.columns.outputs(), self.columns.taps());
        dx.fill(0.0);
        for chunk in self.columns.chunks() {
            for group in 0..self.columns.d.groups {
                let columns = &mut columns[..k * chunk.len()];
                let outputs = &mut outputs[..o * chunk.len()];
                self.columns.gather_outputs(context.thread_pool, dy, group, &chunk, outputs);
                let w = &w[group * o * k..][..o * k];
                self.products.run(context, chunk.len(), w, outputs, columns, scratch);
                self.columns.scatter(context.thread_pool, columns, group, &chunk, dx);
            }
        }
    }
}
