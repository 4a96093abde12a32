//! The CPU: its passes, in order, and the choice of kernels.
//!
//! 1. `fuse` (graph to graph): fuses activations and residual additions into the preceding operation.
//! 2. `residual_gradient` (graph to graph): fuses the gradients at the end of a residual unit.
//! 3. `autocast` (graph to graph): casts the operands of convolutions, if these are to be computed in `bf16`.
//! 4. `layout`: chooses an implementation and layouts for every operation (`select`) and inserts conversions where
//!    layouts differ. If disabled, everything is plain and runs on kernels for plain layouts.
//! 5. `in_place`: places the parts of concatenated values and their gradients in the whole, so that they need not be
//!    copied, and sums of a convolution and a residual where the residual lies (`replace`).
//! 6. `memory`: assigns an offset to every value; values with disjoint lifetimes share memory. If disabled, no
//!    memory is shared.

mod arenas;
mod constants;
mod deployment;
mod in_place;
mod layout;
mod lower;
mod plan;
mod replace;
mod schedule;
mod select;
mod session;

pub(crate) use lower::{Lowering, criterion, dtypes, lower};
pub(crate) use plan::{Step, all_finite};
pub(crate) use schedule::join_neighbors;

use std::sync::Arc;

use striate_graph::Graph;
use striate_kernels::conv;
use striate_kernels::isa::Isa;
use striate_kernels::threads::ThreadPool;
use striate_tensor::text::counted;
use striate_tensor::{Error, Result};

use self::deployment::CpuDeployment;
use self::plan::Plan;
use self::select::Policy;
use self::session::{CpuSession, Placements};
use crate::device::{Deployment, Device, FixedWeights, Precision, Session};
use crate::passes::autocast::autocast;
use crate::passes::{self, Disabled, FUSION, trains};
use crate::report::PlanReport;

/// The names of the CPU passes, in order.
pub const PASS_NAMES: &[&str] = &["fuse", "residual_gradient", "autocast", "layout", "in_place", "memory"];

/// The processor: an instruction set and a thread pool.
#[derive(Clone)]
pub struct Cpu {
    isa: Isa,
    thread_pool: Arc<ThreadPool>,
    disabled: Disabled,
    forced: Arc<[String]>,
    precision: Precision,
}

impl Cpu {
    /// Creates a processor with `threads` threads (0 for one per core) and the best instruction set of this
    /// machine, or the one named by the environment variable `STRIATE_ISA`. `STRIATE_CONV` forces implementations of
    /// convolutions (see [`Cpu::forcing`]), whose names are separated by commas.
    ///
    /// # Errors
    /// If the instruction set in `STRIATE_ISA` is unknown or not supported, a name in `STRIATE_CONV` is unknown, or
    /// `threads` is more than eight times the number of cores.
    pub fn new(threads: usize) -> Result<Cpu> {
        let most = cores().saturating_mul(8);
        if threads > most {
            let cores = cores();
            return Err(Error::input(format!(
                "{threads} threads: this machine has {}; use at most {most}, or 0 for one per core",
                counted(cores, "core")
            )));
        }
        let name = std::env::var("STRIATE_ISA").ok();
        let cpu = Cpu::with_isa(threads, Isa::select(name.as_deref())?);
        match std::env::var("STRIATE_CONV") {
            Ok(names) => cpu.forcing(&names.split(',').collect::<Vec<_>>()),
            Err(_) => Ok(cpu),
        }
    }

    /// Creates a processor with `threads` threads (0 for one per core) and `isa`.
    pub fn with_isa(threads: usize, isa: Isa) -> Cpu {
        let threads = if threads == 0 { cores() } else { threads };
        Cpu {
            isa,
            thread_pool: Arc::new(ThreadPool::new(threads)),
            disabled: Disabled::none(),
            forced: Arc::default(),
            precision: Precision::F32,
        }
    }

    /// Disables passes.
    #[must_use]
    pub fn without(mut self, disabled: Disabled) -> Cpu {
        self.disabled = disabled;
        self
    }

    /// Computes convolutions in `precision`.
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Cpu {
        self.precision = precision;
        self
    }

    /// The names of all implementations of convolutions.
    pub fn convolutions() -> Vec<&'static str> {
        let lists = [conv::forward(), conv::data_gradient(), conv::weight_gradient()];
        lists.into_iter().flatten().map(|implementation| implementation.name()).collect()
    }

    /// Chooses the implementations of convolutions with these names wherever they support the descriptor, whatever they
    /// cost: for tests and comparisons.
    ///
    /// # Errors
    /// If a name is unknown.
    pub fn forcing(mut self, names: &[&str]) -> Result<Cpu> {
        let lists = [conv::forward(), conv::data_gradient(), conv::weight_gradient()];
        let known: Vec<&str> =
            lists.into_iter().flatten().map(|implementation| implementation.name()).collect();
        if let Some(name) = names.iter().find(|name| !known.contains(name)) {
            let known = known.join(", ");
            return Err(Error::input(format!(
                "STRIATE_CONV: unknown implementation \"{name}\"; use one or more of {known}"
            )));
        }
        self.forced = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(self)
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The numbers that convolutions multiply.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The thread pool.
    pub fn thread_pool(&self) -> &ThreadPool {
        &self.thread_pool
    }

    /// Returns the graph after the fusion passes and after the layout pass, in which conversions are reshapes that
    /// change nothing; for tests and for inspection.
    ///
    /// # Errors
    /// As [`Device::plan`].
    pub fn stages(&self, mut graph: Graph) -> Result<[Graph; 2]> {
        self.rewrite(&mut graph)?;
        let laid_out = layout::lay_out(graph.clone(), self.policy(), &Placements::new())?;
        Ok([graph, laid_out.graph])
    }

    /// Applies the passes from graph to graph.
    fn rewrite(&self, graph: &mut Graph) -> Result<()> {
        passes::run(FUSION, graph, &self.disabled);
        if self.precision == Precision::Bf16 && !self.disabled.contains("autocast") {
            if trains(graph) {
                return Err(Error::input(
                    "--precision bf16: bf16 is only for inference on the CPU; train in f32, or on a GPU"
                        .to_owned(),
                ));
            }
            autocast(graph)?;
        }
        Ok(())
    }

    fn policy(&self) -> Policy<'_> {
        Policy { isa: self.isa, blocked: !self.disabled.contains("layout"), forced: &self.forced }
    }

    /// Compiles `graph`, with variables in the places where other plans have them.
    fn compile(&self, mut graph: Graph, placements: &Placements) -> Result<Plan> {
        self.rewrite(&mut graph)?;
        let mut laid_out = layout::lay_out(graph, self.policy(), placements)?;
        if !self.disabled.contains("in_place") {
            in_place::place_parts(&mut laid_out);
        }
        let share = !self.disabled.contains("memory");
        // What takes the place of a residual shares its memory.
        if share && !self.disabled.contains("in_place") {
            replace::replace_residuals(&mut laid_out, self);
        }
        schedule::schedule(laid_out, self, placements, share)
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

impl Device for Cpu {
    fn name(&self) -> String {
        let precision = if self.precision == Precision::F32 { "" } else { ", bf16" };
        format!("cpu {}, {}{precision}", self.isa, counted(self.thread_pool.threads(), "thread"))
    }

    fn arithmetic(&self) -> String {
        let forced = self.forced.iter().map(|name| format!(" {name}"));
        let has_instruction = self.precision == Precision::Bf16 && self.isa.multiplies_bf16();
        let instruction = if has_instruction { "+avx512_bf16" } else { "" };
        format!("cpu {}{instruction} {}{}", self.isa, self.precision, forced.collect::<String>())
    }

    fn threads(&self) -> usize {
        self.thread_pool.threads()
    }

    fn disabled(&self) -> &Disabled {
        &self.disabled
    }

    fn plan(&self, graph: Graph) -> Result<PlanReport> {
        Ok(self.compile(graph, &Placements::new())?.report(self, None))
    }

    fn session(&self) -> Box<dyn Session> {
        Box::new(CpuSession::new(self.clone()))
    }

    fn deploy(&self, name: &str, weights: FixedWeights) -> Result<Arc<dyn Deployment>> {
        Ok(Arc::new(CpuDeployment::new(self.clone(), name, weights)?))
    }
}

impl From<Cpu> for Arc<dyn Device> {
    fn from(cpu: Cpu) -> Self {
        Arc::new(cpu)
    }
}
