//! What the naive kernels share: the numbers that they compute with, and their form as implementations.
//!
//! Every operation has a module `reference` with its naive kernels: simple loops over `[N, C, H, W]`, for `f32` and
//! `f64`. They are the last entry of every list, so that every operation runs on every machine, and in `f64` the
//! reference for the tests.

mod real;

pub use real::Real;

use crate::{Layout, Views};

use crate::isa::Isa;
use crate::{Context, Implementation, Kernel};

/// A cost above that of any other implementation, and small enough to be added.
const LAST_RESORT: f64 = 1e15;

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

    fn cost(&self, _desc: &D, _isa: Isa) -> f64 {
        LAST_RESORT
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
