//! The CPU backend: its passes, in order, and the choice of kernels.
//!
//! 1. `fuse` (graph to graph): activation and residual sum move into the epilogue of what feeds them.
//! 2. `layout`: picks an implementation and a layout for every operation and puts conversions between
//!    those that disagree. Switched off, everything is plain and runs on reference kernels.
//! 3. `memory`: gives every value its place; values that do not live at the same time share it.
//!    Switched off, every value has a place of its own.

mod fuse;
mod layout;
mod lower;
mod memory;
mod schedule;

use std::sync::Arc;

use striate_graph::Graph;
use striate_kernels::isa::Isa;
use striate_kernels::threads::ThreadPool;
use striate_tensor::{Error, Result};

use crate::backend::{Backend, Fixed};
use crate::passes::Disabled;
use crate::plan::Plan;

/// The names of the CPU's passes, in order.
pub const PASS_NAMES: &[&str] = &["fuse", "layout", "memory"];

/// The processor: an instruction set and a thread_pool of threads.
#[derive(Clone)]
pub struct Cpu {
    isa: Isa,
    thread_pool: Arc<ThreadPool>,
    disabled: Disabled,
}

impl Cpu {
    /// `threads` threads (0: one for each core) on the best instruction set of this machine, or the one
    /// that the environment variable `STRIATE_ISA` names.
    ///
    /// # Errors
    /// If `STRIATE_ISA` names an instruction set that is unknown or absent, or there are far more threads
    /// than cores.
    pub fn new(threads: usize) -> Result<Cpu> {
        let most = cores().saturating_mul(8);
        if threads > most {
            let cores = cores();
            return Err(Error::input(format!(
                "{threads} threads: this machine has {cores} cores; give at most {most}, or 0 for one a core"
            )));
        }
        let name = std::env::var("STRIATE_ISA").ok();
        Ok(Cpu::with_isa(threads, Isa::select(name.as_deref())?))
    }

    /// `threads` threads (0: one for each core) on `isa`.
    pub fn with_isa(threads: usize, isa: Isa) -> Cpu {
        let threads = if threads == 0 { cores() } else { threads };
        Cpu { isa, thread_pool: Arc::new(ThreadPool::new(threads)), disabled: Disabled::none() }
    }

    /// The same processor without the passes in `disabled`.
    #[must_use]
    pub fn without(mut self, disabled: Disabled) -> Cpu {
        self.disabled = disabled;
        self
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The threads.
    pub fn thread_pool(&self) -> &ThreadPool {
        &self.thread_pool
    }

    /// The passes that are switched off.
    pub fn disabled(&self) -> &Disabled {
        &self.disabled
    }

    /// The graph after the fusion pass, and after the layout pass: what the later stages of
    /// compilation start from, for tests and for looking inside.
    ///
    /// # Errors
    /// As [`Backend::compile`].
    pub fn stages(&self, mut graph: Graph) -> Result<[Graph; 2]> {
        if !self.disabled.contains("fuse") {
            fuse::fuse(&mut graph);
        }
        let laid_out = layout::lay_out(graph.clone(), self.isa, &Fixed::new(), self.blocked())?;
        Ok([graph, laid_out.graph])
    }

    fn blocked(&self) -> bool {
        !self.disabled.contains("layout")
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

impl Backend for Cpu {
    type Plan = Plan;

    fn name(&self) -> String {
        let threads = self.thread_pool.threads();
        format!("cpu {}, {threads} thread{}", self.isa, if threads == 1 { "" } else { "s" })
    }

    fn compile(&self, mut graph: Graph, fixed: &Fixed) -> Result<Plan> {
        if !self.disabled.contains("fuse") {
            fuse::fuse(&mut graph);
        }
        let laid_out = layout::lay_out(graph, self.isa, fixed, self.blocked())?;
        let share = !self.disabled.contains("memory");
        schedule::schedule(laid_out, self.isa, fixed, share)
    }
}
