//! The data types that all crates share: element types, shapes, layouts, aligned memory, `.npy` files,
//! counter-based random numbers and the error type.
//!
//! Nothing here computes on tensors; that is the job of `striate-kernels`.

mod available;
mod buffer;
pub mod csv;
mod dtype;
mod error;
pub mod file;
mod layout;
mod memory;
pub mod names;
pub mod npy;
pub mod random;
mod shape;
pub mod text;

pub use buffer::{ALIGNMENT, Buffer, check_memory, with_capacity, zeroed};
pub use dtype::{DType, Element};
pub use error::{Error, Result, nearest};
pub use layout::{Halo, Layout};
pub use memory::{Access, Memory, Place, Region, Views};
pub use shape::Shape;
