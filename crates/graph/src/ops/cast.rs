//! Conversion to another element type, which compilers insert where a device computes in fewer bits.

use striate_tensor::DType;

/// Converts every element to the nearest one of `dtype`, of two equally near ones to the one whose last bit is zero.
/// Operand: x; output: y.
#[derive(Debug, Clone, PartialEq)]
pub struct Cast {
    /// The element type of y.
    pub dtype: DType,
}
