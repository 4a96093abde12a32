//! Matrix product C = A·B (+ bias, activation).
//!
//! `packed` copies A and B into panels and keeps tiles of C in registers; `dots` and `strips` handle products with so
//! few rows that packing would cost more than the product.

mod dots;
mod pack;
mod packed;
mod strips;
mod tile;

use crate::Kernel;
use crate::activation::Activation;
use crate::isa::Isa;

/// A matrix product: C `[m, n]` = A `[m, k]` · B `[k, n]`. A and B may have any strides; C is row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct GemmDesc {
    /// Rows of A and C.
    pub m: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Columns of A, rows of B.
    pub k: usize,
    /// The index of A among the two operands that are read; the other is B.
    pub first: usize,
    /// Row and column strides of A, in floats.
    pub a: [usize; 2],
    /// Row and column strides of B, in floats.
    pub b: [usize; 2],
    /// Whether a vector of n numbers is added to every row.
    pub bias: bool,
    /// Applied to the result.
    pub activation: Activation,
}

/// Creates the kernel for `desc`. Reads A and B (in the order given by `first`) and the optional bias; writes C.
pub fn kernel(desc: &GemmDesc, isa: Isa) -> Box<dyn Kernel> {
    let d = desc.clone();
    if d.m <= FEW_ROWS && d.a[1] == 1 && d.b[0] == 1 {
        return Box::new(dots::Dots { desc: d, isa });
    }
    let finishes = d.bias || d.activation != Activation::None;
    if d.m <= FEW_ROWS && d.b[1] == 1 && d.n.is_multiple_of(isa.block()) && !finishes {
        return Box::new(strips::Strips { desc: d, isa });
    }
    Box::new(packed::Packed::new(desc, isa))
}

/// The largest number of rows that is multiplied without packing.
const FEW_ROWS: usize = 32;
/// Floats in a cache line.
const LINE: usize = 16;
