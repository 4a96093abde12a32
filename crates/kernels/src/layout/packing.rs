//! Weights in an order of one implementation's own.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::isa::Isa;
use crate::threads::ThreadPool;
use crate::{Layout, Views};

/// How an implementation stores a convolution's weights `[O, I, KH, KW]`, if it reads more or other numbers than the
/// weights themselves, such as transforms of them.
pub trait Packing: Send + Sync {
    /// The name, which no other packing has.
    fn name(&self) -> &'static str;

    /// The number of elements for weights of `shape` in `groups`.
    fn len(&self, groups: usize, shape: [usize; 4]) -> usize;

    /// The layout in which weights are trained, a permutation of them; packing is then a step of every run.
    fn home(&self) -> Layout {
        Layout::Plain
    }

    /// The time of packing weights of `shape` in `groups`, in multiply-adds at the peak.
    fn cost(&self, groups: usize, shape: [usize; 4]) -> f64;

    /// Packs weights of `shape` in `groups` from the layout `from` with the instruction set `isa`, for whose kernels
    /// the packing is. Reads the weights, writes the packed ones, of the same element type.
    fn pack(
        &self,
        isa: Isa,
        groups: usize,
        shape: [usize; 4],
        from: Layout,
        views: &mut Views,
        thread_pool: &ThreadPool,
    );
}

/// A packing as part of a [`Layout`].
#[derive(Clone, Copy)]
pub struct Packed {
    /// The packing.
    pub packing: &'static dyn Packing,
    /// The groups of the convolution.
    pub groups: usize,
}

impl PartialEq for Packed {
    fn eq(&self, other: &Packed) -> bool {
        (self.packing.name(), self.groups) == (other.packing.name(), other.groups)
    }
}

impl Eq for Packed {}

impl Hash for Packed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.packing.name(), self.groups).hash(state);
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.packing.name())
    }
}
