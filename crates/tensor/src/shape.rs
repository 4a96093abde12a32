//! Shapes: the extents of a tensor, outermost first.

use std::fmt;
use std::ops::Deref;

use crate::{Error, Result};

/// The extents of a tensor, outermost first; images are `[N, C, H, W]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// A shape of the given extents.
    pub fn new(extents: impl Into<Vec<usize>>) -> Self {
        Shape(extents.into())
    }

    /// The number of elements.
    ///
    /// # Panics
    /// If the number does not fit `usize`; for extents that come from a file use
    /// [`Shape::checked_len`].
    pub fn numel(&self) -> usize {
        self.checked_len().expect("the number of elements fits usize")
    }

    /// The number of elements, or an error if it overflows.
    pub fn checked_len(&self) -> Result<usize> {
        self.0
            .iter()
            .try_fold(1usize, |product, extent| product.checked_mul(*extent))
            .ok_or_else(|| Error::input(format!("shape {self} has more elements than memory can hold")))
    }

    /// As `[n, c, h, w]`, with missing inner extents one; `[n, c]` becomes `[n, c, 1, 1]`
    /// `[c]` becomes `[1, c, 1, 1]` and a signal `[n, c, w]` one row, `[n, c, 1, w]`. Of more than four extents the inner ones count as one row.
    pub fn nchw(&self) -> [usize; 4] {
        match *self.0.as_slice() {
            [] => [1, 1, 1, 1],
            [c] => [1, c, 1, 1],
            [n, c] => [n, c, 1, 1],
            [n, c, w] => [n, c, 1, w],
            [n, c, h, ref inner @ ..] => [n, c, h, inner.iter().product()],
        }
    }

    /// As `[n, c, d, h, w]`: maps `[n, c, h, w]` are volumes of one map, signals `[n, c, w]` of one row.
    ///
    /// # Panics
    /// If it is the shape of none of these.
    pub fn ncdhw(&self) -> [usize; 5] {
        match *self.0.as_slice() {
            [n, c, w] => [n, c, 1, 1, w],
            [n, c, h, w] => [n, c, 1, h, w],
            [n, c, d, h, w] => [n, c, d, h, w],
            _ => panic!("{self} is the shape of no signals, maps or volumes"),
        }
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(extents: [usize; N]) -> Self {
        Shape(extents.to_vec())
    }
}

impl From<&[usize]> for Shape {
    fn from(extents: &[usize]) -> Self {
        Shape(extents.to_vec())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
