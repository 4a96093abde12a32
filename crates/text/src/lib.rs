//! Texts: find them in the lines of files, count characters, choose an alphabet, encode as planes. Pure functions
//! without threads or file access.

#![forbid(unsafe_code)]

mod encode;
mod lines;
mod statistics;

pub use encode::{Encoder, lowercase, one_hot};
pub use lines::{Line, decode, labeled, lines};
pub use statistics::Statistics;
pub use striate_tensor::encoding::{MOST_CHARACTERS, TextEncoding};
