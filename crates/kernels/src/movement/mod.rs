//! Operations that move elements without computing.

pub mod concat;
pub mod gather;
pub mod pad_channels;
pub mod scatter;
pub mod strided;
