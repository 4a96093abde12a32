//! Plans: kernels in execution order, and the regions of everything they read and write.

use striate_graph::{Graph, Segment};
use striate_kernels::{Access, Context, Kernel, Layout, Memory, Region};
use striate_tensor::{Buffer, DType, Result, Shape};

use super::Cpu;
use super::session::Placement;
use crate::device::{Device, Profile};
use crate::passes::trains;
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

/// A value that does not change as long as the weights do not, in one layout: a variable, or computed from variables.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Constant {
    /// The name of the value, which is the same in the plans for all input shapes.
    pub name: String,
    pub shape: Shape,
    pub dtype: DType,
    pub layout: Layout,
}

impl Constant {
    /// The size in bytes.
    pub fn bytes(&self) -> usize {
        self.layout.len(&self.shape) * self.dtype.size()
    }
}

/// A step that runs only once, as long as the weights do not change. In its memory, the shared buffers are `inputs`,
/// and the owned ones are `outputs`, followed by scratch memory of `scratch_bytes` if it needs any.
pub(super) struct Preparation {
    pub step: Step,
    pub inputs: Vec<Constant>,
    pub outputs: Vec<Constant>,
    pub scratch_bytes: usize,
}

/// A compiled graph.
pub(super) struct Plan {
    pub graph: Graph,
    pub preparation: Vec<Preparation>,
    pub steps: Vec<Step>,
    /// Size of the arena, `Place::Own(0)`.
    pub work_bytes: usize,
    /// Sizes of the buffers of variables, from `Place::Own(1)`; empty with fixed weights.
    pub variable_bytes: Vec<usize>,
    /// The variables by name, with their places.
    pub variables: Vec<(String, Placement)>,
    /// The constants that the steps read; each is a shared buffer.
    pub constants: Vec<Constant>,
    pub inputs: Vec<Region>,
    pub outputs: Vec<Region>,
}

impl Plan {
    /// The steps, in order; those that run once come first.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.preparation.iter().map(|once| &once.step).chain(&self.steps)
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

    /// The memory of a run in bytes: arena, variables, and the constants that the steps read.
    pub fn peak_bytes(&self) -> usize {
        let constants: usize = self.constants.iter().map(Constant::bytes).sum();
        self.work_bytes + self.variable_bytes.iter().sum::<usize>() + constants
    }

    /// The figures of the plan on `cpu`; `seconds` are the measured times of its steps.
    pub fn report(&self, cpu: &Cpu, seconds: Option<&[f64]>) -> PlanReport {
        let once = self.preparation.len();
        let step = |(index, step): (usize, &Step)| StepReport {
            seconds: seconds.and_then(|all| all.get(index.checked_sub(once)?).copied()),
            ..step.report.clone()
        };
        PlanReport {
            name: self.graph.name.clone(),
            trains: trains(&self.graph),
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
