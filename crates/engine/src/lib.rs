//! From graph to plan to run.
//!
//! ```text
//! Graph ── neutral passes ── backend passes ── layouts and algorithms ── memory plan ── Plan
//! ```
//!
//! [`Inference`] runs a network with fixed weights, [`Training`] a training step; both compile a
//! [`Plan`] for each input shape that they meet and keep it. All shapes are known when a plan is made,
//! so its peak of memory, every buffer's place and every kernel are known before it runs, and running
//! it allocates nothing.
//!
//! No files, and clocks only through [`Clock`].

#![forbid(unsafe_code)]

mod backend;
mod clock;
pub mod cpu;
mod inference;
pub mod passes;
mod plan;
mod report;
mod training;

pub use backend::{Backend, Fixed};
pub use clock::Clock;
pub use cpu::Cpu;
pub use inference::Inference;
pub use plan::{Plan, Step};
pub use report::{PlanReport, StepReport};
pub use striate_kernels::isa::Isa;
pub use training::{Training, VariableInfo};

use std::collections::BTreeMap;

use striate_tensor::Shape;

/// Variables by name, in canonical order (`[O, I, KH, KW]`, row-major), with their shapes.
pub type Variables = BTreeMap<String, (Shape, Vec<f32>)>;
