//! A compiled graph: kernels in order, and a place for everything they read and write.

use striate_graph::{Graph, Role, Segment, ValueId};
use striate_kernels::{Context, Kernel};
use striate_tensor::{Access, Buffer, Layout, Memory, Region, Result, Shape};

use crate::clock::Clock;

/// One kernel of a plan.
pub struct Step {
    /// The layers that it computes.
    pub name: String,
    /// The operation.
    pub op: &'static str,
    /// The implementation that was chosen.
    pub algorithm: &'static str,
    /// When it runs.
    pub segment: Segment,
    /// Floating-point operations of convolutions and linear layers: two for each multiply-add.
    pub flops: u64,
    /// Bytes that it reads and writes.
    pub bytes: u64,
    /// Shape of its first output.
    pub output: Shape,
    /// Layout of its first output.
    pub layout: Layout,
    pub(crate) kernel: Box<dyn Kernel>,
    pub(crate) access: Access,
    /// The regions of the floats that it makes.
    pub(crate) made: Vec<Region>,
}

/// A variable's place.
#[derive(Debug, Clone)]
pub(crate) struct PlacedVariable {
    pub id: ValueId,
    pub role: Role,
    pub region: Region,
}

/// Where a shared buffer of a plan's memory comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum SharedSource {
    /// The variable of this name, in canonical order.
    Variable(String),
    /// The value of this name and layout, made by the preparation.
    Prepared(String),
}

/// Steps that run once as long as the weights do not change. In their memory the shared buffers are
/// `sources`, and each value they make has a buffer of its own.
#[derive(Default)]
pub(crate) struct Preparation {
    pub steps: Vec<Step>,
    pub sources: Vec<String>,
    pub results: Vec<(String, usize)>,
}

/// A compiled graph.
pub struct Plan {
    pub(crate) graph: Graph,
    pub(crate) preparation: Preparation,
    pub(crate) steps: Vec<Step>,
    /// Size of the arena, `Place::Own(0)`.
    pub(crate) work_bytes: usize,
    /// Sizes of the buffers of variables, `Place::Own(1)` and on; empty with fixed weights.
    pub(crate) variable_bytes: Vec<usize>,
    pub(crate) variables: Vec<PlacedVariable>,
    pub(crate) shared: Vec<SharedSource>,
    /// Bytes of all that is shared.
    pub(crate) shared_bytes: usize,
    pub(crate) inputs: Vec<Region>,
    pub(crate) outputs: Vec<Region>,
}

impl Plan {
    /// The graph as it was compiled: with layouts and conversions.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The steps, in order; those that run once come first.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.preparation.steps.iter().chain(&self.steps)
    }

    /// The arena.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub(crate) fn work_memory(&self) -> Result<Buffer> {
        let batch = self.graph.inputs.first().and_then(|id| self.graph.shape(*id).first().copied());
        Buffer::zeroed(self.work_bytes).map_err(|e| match batch {
            Some(batch) if batch > 1 => {
                e.at(format!("the values of a batch of {batch}")).advising("try a smaller batch")
            }
            _ => e.at("the values of a single input").advising("try a smaller one"),
        })
    }

    /// The most bytes that a run occupies: arena, variables and prepared weights.
    pub fn peak_bytes(&self) -> usize {
        self.work_bytes + self.variable_bytes.iter().sum::<usize>() + self.shared_bytes
    }

    /// Bytes of the arena alone.
    pub fn work_bytes(&self) -> usize {
        self.work_bytes
    }

    /// Runs the steps of the first segment one by one; the name of the first one that makes a number
    /// that is not finite.
    pub(crate) fn first_not_finite(&self, memory: &mut Memory, context: Context<'_>) -> Option<&str> {
        for step in self.steps.iter().filter(|step| step.segment == Segment::Accumulate) {
            step.kernel.run(&context, &mut memory.open(&step.access));
            if !step.made.iter().all(|region| all_finite(bytemuck::cast_slice(memory.bytes(region)))) {
                return Some(&step.name);
            }
        }
        None
    }

    /// Runs the steps of `segment`. With a clock, adds each step's seconds to `seconds`.
    pub(crate) fn run(
        &self,
        segment: Segment,
        memory: &mut Memory,
        context: Context<'_>,
        mut profile: Option<(&dyn Clock, &mut [f64])>,
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

/// Whether there is neither an infinity nor a NaN, whose exponents have all bits set.
pub(crate) fn all_finite(values: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    let is_finite = |x: &f32| x.to_bits() & EXPONENT != EXPONENT;
    values.chunks(1024).all(|chunk| chunk.iter().fold(true, |all, x| all & is_finite(x)))
}
