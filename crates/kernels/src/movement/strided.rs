//! Strided copies: transposition, slices, padding, and their gradients.

use crate::Implementation;
use crate::reference::{Reference, floats};

/// The positions of elements in memory: element [i₀, i₁, …] lies at offset + Σ iₐ · strideₐ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strides {
    /// The position of the first element.
    pub offset: usize,
    /// The distance between neighbors along each axis.
    pub strides: Vec<isize>,
}

impl Strides {
    /// The strides of a plain value with these extents.
    pub fn plain(shape: &[usize]) -> Strides {
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis] as isize;
        }
        Strides { offset: 0, strides }
    }

    /// The position of element number `index` of a value with extents `shape`.
    pub(crate) fn position(&self, index: usize, shape: &[usize]) -> usize {
        let (mut rest, mut position) = (index, self.offset as isize);
        for (extent, stride) in shape.iter().zip(&self.strides).rev() {
            position += (rest % extent) as isize * stride;
            rest /= extent;
        }
        position as usize
    }
}

/// A strided copy. Reads x, writes y, both plain.
#[derive(Debug, Clone, PartialEq)]
pub struct StridedDesc {
    /// Extents of the copied elements.
    pub shape: Vec<usize>,
    /// Their positions in x.
    pub from: Strides,
    /// Their positions in y.
    pub to: Strides,
    /// The value of all other elements of y; `None` if there are none.
    pub rest: Option<f32>,
}

/// The implementations, best first.
pub fn list() -> &'static [&'static dyn Implementation<StridedDesc>] {
    &[&Reference::<StridedDesc> {
        name: "strided_reference",
        operands: |_| floats(2),
        run: |desc, views| reference::copy(desc, views.read::<f32>(0), views.write(0)),
    }]
}

pub mod reference {
    //! Strided copies, by definition.

    use super::StridedDesc;
    use crate::reference::Real;

    /// Copies x to y.
    pub fn copy<T: Real>(d: &StridedDesc, x: &[T], y: &mut [T]) {
        if let Some(rest) = d.rest {
            y.fill(T::from_f64(f64::from(rest)));
        }
        let Some((inner, outer)) = d.shape.split_last() else {
            y[d.to.offset] = x[d.from.offset];
            return;
        };
        let [from_stride, to_stride] = [&d.from, &d.to].map(|side| side.strides[outer.len()]);
        for row in 0..outer.iter().product() {
            let [from, to] = [&d.from, &d.to].map(|side| side.position(row, outer));
            for i in 0..*inner as isize {
                y[(to as isize + i * to_stride) as usize] = x[(from as isize + i * from_stride) as usize];
            }
        }
    }
}
