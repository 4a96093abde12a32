//! What the naive kernels share: the numbers that they compute with, and their form as implementations.
//!
//! Every operation has a module `reference` with its naive kernels: simple loops over `[N, C, H, W]`, for `f32` and
//! `f64`. They are the last entry of every list, so that every operation runs on every machine, and in `f64` the
//! reference for the tests.

mod real;

pub use real::Real;

use striate_tensor::DType;

use crate::{Format, Layout, Views};

use crate::isa::Isa;
use crate::{Context, Implementation, Kernel};

/// A cost above that of any other implementation, and small enough to be added.
pub(crate) const LAST_RESORT: f64 = 1e15;

/// A naive kernel as an implementation: supports every descriptor, and requires plain operands.
pub(crate) struct Reference<D> {
    pub name: &'static str,
    /// The element types of the operands, those read first.
    pub operands: fn(&D) -> Vec<DType>,
    pub run: fn(&D, &mut Views),
}

impl<D: Clone + Send + Sync + 'static> Implementation<D> for Reference<D> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn formats(&self, desc: &D, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        Some(plain((self.operands)(desc)))
    }

    fn cost(&self, _desc: &D, _isa: Isa) -> f64 {
        LAST_RESORT
    }

    fn prepare(&self, desc: &D, _isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound { desc: desc.clone(), run: self.run })
    }
}

/// The types of `count` operands in `f32`.
pub(crate) fn floats(count: usize) -> Vec<DType> {
    vec![DType::F32; count]
}

/// Operands of these types in plain order.
pub(crate) fn plain(dtypes: Vec<DType>) -> Vec<Format> {
    dtypes.into_iter().map(|dtype| Layout::Plain.of(dtype)).collect()
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
