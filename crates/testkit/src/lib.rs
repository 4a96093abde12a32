//! For tests only: an interpreter of graphs in f64, small networks that use every operation, checks of
//! gradients by finite differences, formulas that reference scripts share, counted skips, a server,
//! protocol buffers, ONNX's messages.

pub mod allocation;
pub mod fingerprint;
pub mod formula;
mod general;
pub mod gradients;
mod interpreter;
pub mod networks;
pub mod onnx;
pub mod protobuf;
pub mod server;
mod skip;
mod windows;

pub use interpreter::{Interpreter, Values};
pub use skip::missing_data;
