//! Matrix product C = A·B (+ bias, activation).
//!
//! `packed` copies A and B into panels and keeps tiles of C in registers; `rows` serves the few rows for
//! which copying would cost more than the product.

mod pack;
mod packed;
mod rows;
mod tile;

use crate::Kernel;
use crate::activation::Activation;
use crate::isa::Isa;

/// A matrix product: C `[m, n]` = A `[m, k]` · B `[k, n]`, with any strides of A and B; C is row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct GemmDesc {
    /// Rows of A and C.
    pub m: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Columns of A, rows of B.
    pub k: usize,
    /// Which of the two operands that are read is A; the other is B.
    pub first: usize,
    /// Floats between rows and between columns of A.
    pub a: [usize; 2],
    /// Floats between rows and between columns of B.
    pub b: [usize; 2],
    /// Whether a vector of n numbers is added to every row.
    pub bias: bool,
    /// Applied to the sum.
    pub activation: Activation,
}

/// The kernel for `desc`. Reads A and B (in the order that it says) and a bias if there is one; writes C.
pub fn kernel(desc: &GemmDesc, isa: Isa) -> Box<dyn Kernel> {
    if desc.m <= FEW_ROWS && desc.b[0] == 1 && desc.a[1] == 1 {
        return Box::new(rows::Rows { desc: desc.clone(), isa });
    }
    Box::new(packed::Packed::new(desc, isa))
}

/// At most so many rows are multiplied without packing.
const FEW_ROWS: usize = 4;
/// Floats of a cache line.
const LINE: usize = 16;
