//! Elements in another order: transposition, slices, borders, and their gradients. One copy between two
//! places that go on in steps of their own along each axis.

use crate::Implementation;
use crate::reference::{self, Reference};

/// Where element [i₀, i₁, …] lies: at offset + Σ iₐ · stepₐ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps {
    /// Where the first element lies.
    pub offset: usize,
    /// How far apart neighbors along each axis lie.
    pub steps: Vec<isize>,
}

impl Steps {
    /// Where elements of a plain value of these extents lie.
    pub fn plain(shape: &[usize]) -> Steps {
        let mut steps = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            steps[axis - 1] = steps[axis] * shape[axis] as isize;
        }
        Steps { offset: 0, steps }
    }

    /// Where element `index` lies.
    pub(crate) fn place(&self, index: usize, shape: &[usize]) -> usize {
        let (mut rest, mut place) = (index, self.offset as isize);
        for (extent, step) in shape.iter().zip(&self.steps).rev() {
            place += (rest % extent) as isize * step;
            rest /= extent;
        }
        place as usize
    }
}

/// A copy of elements. Reads x, writes y, both plain.
#[derive(Debug, Clone, PartialEq)]
pub struct StridedDesc {
    /// Extents of what is copied.
    pub shape: Vec<usize>,
    /// Where it comes from.
    pub from: Steps,
    /// Where it goes to.
    pub to: Steps,
    /// What the elements of y hold that nothing is copied to; `None` if there are none.
    pub rest: Option<f32>,
}

/// The implementations, best first.
pub fn list() -> &'static [&'static dyn Implementation<StridedDesc>] {
    &[&Reference::<StridedDesc> {
        name: "strided_reference",
        operands: |_| 2,
        run: |desc, views| reference::strided::copy(desc, views.read::<f32>(0), views.write(0)),
    }]
}
