//! Test utilities: an f64 interpreter for graphs, small networks that use every operation, gradient checks by
//! finite differences, formulas shared with reference scripts, work on several items at a time, reported skips, an
//! HTTP server, a browser, writers of protocol buffers, ONNX messages and WAV files.

pub mod allocation;
pub mod browser;
mod emulator;
pub mod fingerprint;
pub mod formula;
pub mod gradients;
pub mod html;
mod interpreter;
pub mod lenet;
pub mod networks;
pub mod onnx;
pub mod protobuf;
pub mod server;
mod side_by_side;
mod skip;
mod wav;

pub use emulator::Emulator;
pub use interpreter::{Interpreter, Values};
pub use side_by_side::each_of;
pub use skip::{missing_data, skipped};
pub use wav::wav;
