//! Plans: kernels in execution order, and the regions of everything they read and write.

use striate_graph::{Graph, Segment};
use striate_kernels::{Access, Context, Kernel, Memory, Region};
use striate_tensor::{Buffer, Result};

use super::Cpu;
use super::session::Placement;
use crate::device::{Device, Profile};
use crate::report::{PlanReport, StepReport};

/// One kernel of a plan.
pub(crate) struct Step {
    /// Its figures.
    pub report: StepReport,
    pub segment: Segment,
    pub kernel: Box<dyn Kernel>,
    pub access: Access,
    /// The regions of the floats that it writes.
    pub written: Vec<Region>,
}

impl Step {
    /// Runs the kernel; returns whether the floats that it wrote are finite.
    pub fn run_checked(&self, memory: &mut Memory, context: Context<'_>) -> bool {
        self.kernel.run(&context, &mut memory.open(&self.access));
        self.written.iter().all(|region| all_finite(bytemuck::cast_slice(memory.bytes(region))))
    }
}

/// The source of a shared buffer of a plan's memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum SharedSource {
    /// The variable of this name, in plain order.
    Variable(String),
    /// The value of this name and layout, computed by the preparation.
    Prepared(String),
}

/// The steps that run only once, as long as the weights do not change. In their memory, the shared buffers are
/// `sources`, and each computed value has a separate buffer.
#[derive(Default)]
pub(super) struct Preparation {
    pub steps: Vec<Step>,
    pub sources: Vec<String>,
    pub results: Vec<(String, usize)>,
}

/// A compiled graph.
pub(super) struct Plan {
    pub graph: Graph,
    pub preparation: Preparation,
    pub steps: Vec<Step>,
    /// Size of the arena, `Place::Own(0)`.
    pub work_bytes: usize,
    /// Sizes of the buffers of variables, from `Place::Own(1)`; empty with fixed weights.
    pub variable_bytes: Vec<usize>,
    /// The variables by name, with their places.
    pub variables: Vec<(String, Placement)>,
    pub shared: Vec<SharedSource>,
    /// Total size of the shared buffers.
    pub shared_bytes: usize,
    pub inputs: Vec<Region>,
    pub outputs: Vec<Region>,
}

impl Plan {
    /// The steps, in order; those that run once come first.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.preparation.steps.iter().chain(&self.steps)
    }

    /// Allocates the arena.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn work_memory(&self) -> Result<Buffer> {
        let batch = self.graph.inputs.first().and_then(|id| self.graph.shape(*id).first().copied());
        Buffer::zeroed(self.work_bytes).map_err(|e| match batch {
            Some(batch) if batch > 1 => {
                e.at(format!("the values of a batch of {batch}")).advising("try a smaller batch")
            }
            _ => e.at("the values of a single input").advising("try a smaller one"),
        })
    }

    /// The peak memory of a run in bytes: arena, variables and prepared weights.
    pub fn peak_bytes(&self) -> usize {
        self.work_bytes + self.variable_bytes.iter().sum::<usize>() + self.shared_bytes
    }

    /// The figures of the plan on `cpu`; `seconds` are the measured times of its steps.
    pub fn report(&self, cpu: &Cpu, seconds: Option<&[f64]>) -> PlanReport {
        let once = self.preparation.steps.len();
        let step = |(index, step): (usize, &Step)| StepReport {
            seconds: seconds.and_then(|all| all.get(index.checked_sub(once)?).copied()),
            ..step.report.clone()
        };
        PlanReport {
            name: self.graph.name.clone(),
            device: cpu.name(),
            steps: self.steps().enumerate().map(step).collect(),
            peak_bytes: self.peak_bytes(),
            work_bytes: self.work_bytes,
        }
    }

    /// Runs the steps of the accumulation segment one by one, and returns the name of the first one that produces
    /// a non-finite value.
    pub fn first_non_finite(&self, memory: &mut Memory, context: Context<'_>) -> Option<&str> {
        let mut steps = self.steps.iter().filter(|step| step.segment == Segment::Accumulate);
        steps.find(|step| !step.run_checked(memory, context)).map(|step| &step.report.name[..])
    }

    /// Runs the steps of `segment`. With a profile, adds the time of each step to its entry.
    pub fn run(
        &self,
        segment: Segment,
        memory: &mut Memory,
        context: Context<'_>,
        mut profile: Option<Profile>,
    ) {
        for (index, step) in self.steps.iter().enumerate() {
            if step.segment != segment {
                continue;
            }
            let start = profile.as_ref().map(|(clock, _)| clock.seconds());
            step.kernel.run(&context, &mut memory.open(&step.access));
            if let (Some((clock, seconds)), Some(start)) = (&mut profile, start) {
                seconds[index] += clock.seconds() - start;
            }
        }
    }
}

/// Whether no value is infinite or NaN, that is, has all exponent bits set.
pub(crate) fn all_finite(values: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    let is_finite = |x: &f32| x.to_bits() & EXPONENT != EXPONENT;
    values.chunks(1024).all(|chunk| chunk.iter().fold(true, |all, x| all & is_finite(x)))
}
