//! Compiles graphs to plans and runs them.
//!
//! ```text
//! Graph ── neutral passes ── Device: its passes, formats, algorithms, memory plan ── program
//! ```
//!
//! [`Inference`] runs a network with fixed weights, [`Training`] a training step. Both know only the interface of a
//! [`Device`]; they compile a program for each input shape they encounter and keep it. All shapes are known when a
//! program is compiled, so its peak memory, the position of every buffer and all kernels are known before it runs, and
//! running it allocates nothing.
//!
//! [`Cpu`] is the device for use, [`Reference`] one of naive kernels for tests.
//!
//! This crate opens no files, and reads clocks only through [`Clock`].

#![forbid(unsafe_code)]

mod clock;
pub mod cpu;
pub mod device;
mod inference;
mod loss;
pub mod memory;
pub mod passes;
mod programs;
mod reference;
mod report;
mod sensitivity;
mod strided;
mod targets;
mod training;

pub use clock::Clock;
pub use cpu::Cpu;
pub use device::{Data, Deployment, Device, FixedWeights, Precision, Profile, Program, ReadAgain, Session};
pub use inference::{Inference, KEPT_PROGRAMS};
pub use loss::mean_loss;
pub use reference::Reference;
pub use report::{PlanReport, StepReport, TimeShares};
pub use sensitivity::{Sensitive, Sensitivity};
pub use striate_kernels::isa::Isa;
pub use strided::strided_copy;
pub use targets::Targets;
pub use training::{Part, Training, VariableInfo};

use std::collections::BTreeMap;

use striate_tensor::Shape;

/// The values of a graph's variables by name, with their shapes, in plain row-major order (`[O, I, KH, KW]`).
/// Besides a model's weights (its parameters and buffers), the variables of a training graph include gradients and
/// the optimizer's state.
pub type Variables = BTreeMap<String, (Shape, Vec<f32>)>;
