//! The data types that all crates share: element types, shapes, aligned memory, `.npy` files, the preprocessing of
//! images, the encoding of sounds and texts, counter-based random numbers and the error type.
//!
//! Nothing here computes on tensors; that is the job of `striate-kernels`.

mod allocator;
mod available;
mod buffer;
pub mod csv;
mod dtype;
pub mod encoding;
mod error;
pub mod file;
pub mod names;
pub mod npy;
pub mod preprocessing;
pub mod random;
mod shape;
pub mod text;
mod vectorized;

pub use allocator::HugePages;
pub use buffer::{ALIGNMENT, Buffer, check_memory, with_capacity, zeroed};
pub use dtype::{DType, Element};
pub use error::{Error, Result, nearest};
pub use half::bf16;
pub use shape::Shape;
pub use vectorized::{Vectorize, vectorized};
