//! Computation on slices: instruction sets, the thread pool, and the kernels of every operation.
//!
//! Kernels are independent of graphs. A kernel gets a descriptor (sizes, strides, padding), the layouts of
//! its operands, and views of memory. Every operation has an **ordered list of implementations**; each accepts or
//! refuses a descriptor, and the reference implementation comes last and accepts everything.
//! Adding one line to a list enables a kernel in production, in the tests and in the benchmark.
//!
//! Invariants: kernels never allocate while they run; the work is divided into a grid that depends only on
//! the descriptor, so results do not depend on the number of threads; lanes beyond the channel count and the
//! halo of every written value are zero.

// Register tiles are indexed by constants, so that loops over them unroll.
#![allow(clippy::needless_range_loop)]

pub mod activation;
pub mod batch_norm;
mod batch_norm_plain;
pub mod broadcast;
pub mod class_loss;
pub mod clip;
pub mod concat;
pub mod conv;
pub mod conv3d;
pub mod cross_entropy;
pub mod dropout;
pub mod elementwise;
pub mod extremum;
pub mod fold;
pub mod function;
pub mod gather;
pub mod gemm;
mod implementation;
pub mod isa;
mod layout;
pub mod linear;
pub mod locally_connected;
pub mod lrn;
mod maps;
pub mod matmul;
mod memory;
pub mod optimizer;
mod packing;
pub mod pad_channels;
pub mod peak;
mod plain_channels;

pub mod pooling;
pub mod pooling3d;
pub mod rbf;
pub mod reduce;
pub mod reference;
pub mod reorder;
pub mod scale;
pub mod scatter;
pub mod simd;
pub mod softmax;
pub mod strided;
pub mod sum_to;
mod taps;
pub mod threads;

pub use implementation::{Context, Implementation, Kernel, choose};
pub use layout::{Halo, Layout};
pub use memory::{Access, Memory, Place, Region, Views};
pub use packing::{Packed, Packing};
