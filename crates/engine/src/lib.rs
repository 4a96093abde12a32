//! Compiles graphs to plans and runs them.
//!
//! ```text
//! Graph ── neutral passes ── backend passes ── layouts and algorithms ── memory plan ── Plan
//! ```
//!
//! [`Inference`] runs a network with fixed weights, [`Training`] a training step; both compile a
//! [`Plan`] for each input shape they encounter and keep it. All shapes are known when a plan is compiled,
//! so its peak memory, the position of every buffer and all kernels are known before it runs, and running
//! it allocates nothing.
//!
//! This crate opens no files, and reads clocks only through [`Clock`].

#![forbid(unsafe_code)]

mod backend;
mod clock;
pub mod cpu;
mod inference;
mod loss;
pub mod passes;
mod plan;
mod report;
mod training;

pub use backend::{Backend, Placements};
pub use clock::Clock;
pub use cpu::Cpu;
pub use inference::Inference;
pub use loss::mean_loss;
pub use plan::{Plan, Step};
pub use report::{PlanReport, StepReport};
pub use striate_kernels::isa::Isa;
pub use training::{Training, VariableInfo};

use std::collections::BTreeMap;

use striate_tensor::Shape;

/// The values of a graph's variables by name, with their shapes, in plain row-major order (`[O, I, KH, KW]`).
/// Besides a model's weights (its parameters and buffers), the variables of a training graph include gradients and
/// the optimizer's state.
pub type Variables = BTreeMap<String, (Shape, Vec<f32>)>;
