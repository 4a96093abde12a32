//! Naive kernels: simple loops over `[N, C, H, W]`, for `f32` and `f64`.
//!
//! They are the last entry of every list, so that every operation runs on every machine, and in `f64` the
//! reference for the tests.

pub mod batch_norm;
pub mod broadcast;
pub mod class_loss;
pub mod clip;
pub mod concat;
pub mod conv;
pub mod conv3d;
pub mod cross_entropy;
pub mod dropout;
pub mod elementwise;
pub mod gather;
pub mod linear;
pub mod locally_connected;
pub mod lrn;
pub mod matmul;
pub mod optimizer;
pub mod pad_channels;
pub mod pooling;
pub mod pooling3d;
pub mod rbf;
mod real;
pub mod reduce;
pub mod scale;
pub mod softmax;
pub mod strided;

pub use real::Real;

use crate::{Layout, Views};

use crate::isa::Isa;
use crate::{Context, Implementation, Kernel};

/// A naive kernel as an implementation: accepts every descriptor, and requires plain operands.
pub(crate) struct Reference<D> {
    pub name: &'static str,
    /// The number of operands.
    pub operands: fn(&D) -> usize,
    pub run: fn(&D, &mut Views),
}

impl<D: Clone + Send + Sync + 'static> Implementation<D> for Reference<D> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn accepts(&self, desc: &D, _isa: Isa, _first: Layout) -> Option<Vec<Layout>> {
        Some(vec![Layout::Plain; (self.operands)(desc)])
    }

    fn prepare(&self, desc: &D, _isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound { desc: desc.clone(), run: self.run })
    }
}

struct Bound<D> {
    desc: D,
    run: fn(&D, &mut Views),
}

impl<D: Send + Sync> Kernel for Bound<D> {
    fn run(&self, _context: &Context, views: &mut Views) {
        (self.run)(&self.desc, views);
    }
}
