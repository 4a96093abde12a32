//! Computation on slices: instruction sets, the thread pool, and the kernels of every operation.
//!
//! Kernels are independent of graphs. A kernel gets a descriptor (sizes, strides, padding), the layouts of
//! its operands, and views of memory. Each operation is one module: its descriptor, an **ordered list of
//! implementations** for each direction, their vector kernels, and the naive `reference`. Each implementation says
//! which descriptors it supports, and in which [`Format`]s it wants its operands; the reference comes last and supports
//! everything. Adding one line to a list enables a kernel in production, in the tests and in the benchmark.
//!
//! Operations are grouped by duty in private modules and exported here by name, such as [`linear`] and [`pooling`].
//!
//! Invariants: kernels never allocate while they run; the work is divided into a grid that depends only on
//! the descriptor, so results do not depend on the number of threads; lanes beyond the channel count and the
//! halo of every written value are zero.

// Register tiles are indexed by constants, so that loops over them unroll.
#![allow(clippy::needless_range_loop)]

pub mod conv;
mod implementation;
mod layout;
mod loss;
mod matrix;
mod memory;
mod movement;
mod normalization;
pub mod optimizer;
mod pointwise;
pub mod pooling;
pub mod reference;
mod simd;
pub mod threads;

pub use conv::{conv3d, locally_connected};
pub use implementation::{Context, Implementation, Kernel, choose};
pub use layout::reorder;
pub use layout::{Format, Halo, Layout, Packed, Packing};
pub use loss::*;
pub use matrix::*;
pub use memory::{Access, Memory, Operand, Place, Region, Views};
pub use movement::*;
pub use normalization::*;
pub use pointwise::*;
pub use pooling::pooling3d;
pub use simd::{isa, peak};
