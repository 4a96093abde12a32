//! Shapes: the extents of a tensor, outermost first.

use std::fmt;
use std::ops::Deref;

use crate::{Error, Result};

/// The extents of a tensor, outermost first; images are `[N, C, H, W]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// Creates a shape with the given extents.
    pub fn new(extents: impl Into<Vec<usize>>) -> Self {
        Shape(extents.into())
    }

    /// The number of elements.
    ///
    /// # Panics
    /// If the number does not fit `usize`; use [`Shape::checked_len`] for extents from a file.
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

    /// Returns the extents as `[n, c, h, w]`, where missing ones are 1: `[c]` becomes `[1, c, 1, 1]`, `[n, c]`
    /// becomes `[n, c, 1, 1]`, and a signal `[n, c, w]` becomes a map with one row, `[n, c, 1, w]`. All extents
    /// after `h` are multiplied into `w`.
    pub fn nchw(&self) -> [usize; 4] {
        match *self.0.as_slice() {
            [] => [1, 1, 1, 1],
            [c] => [1, c, 1, 1],
            [n, c] => [n, c, 1, 1],
            [n, c, w] => [n, c, 1, w],
            [n, c, h, ref inner @ ..] => [n, c, h, inner.iter().product()],
        }
    }

    /// Returns the extents as `[n, c, d, h, w]`: a map `[n, c, h, w]` has depth 1, a signal `[n, c, w]` depth and
    /// height 1.
    ///
    /// # Panics
    /// If there are fewer than three extents or more than five.
    pub fn ncdhw(&self) -> [usize; 5] {
        match *self.0.as_slice() {
            [n, c, w] => [n, c, 1, 1, w],
            [n, c, h, w] => [n, c, 1, h, w],
            [n, c, d, h, w] => [n, c, d, h, w],
            _ => panic!("{self} is not the shape of signals, maps or volumes"),
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
