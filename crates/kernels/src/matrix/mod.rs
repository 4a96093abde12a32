//! Products of matrices: fully connected layers, batched products, distances to prototypes.

pub mod gemm;
pub mod linear;
pub mod matmul;
pub mod rbf;
