//! Matrix product C = A·B (+ bias, activation).
//!
//! `packed` copies A and B into panels and keeps tiles of C in registers; `rows` handles products with so few
//! rows that packing would cost more than the product.

mod pack;
mod packed;
mod rows;
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
    if desc.m <= FEW_ROWS && desc.b[0] == 1 && desc.a[1] == 1 {
        return Box::new(rows::Rows { desc: desc.clone(), isa });
    }
    Box::new(packed::Packed::new(desc, isa))
}

/// The largest number of rows that is multiplied without packing.
const FEW_ROWS: usize = 4;
/// Floats in a cache line.
const LINE: usize = 16;
