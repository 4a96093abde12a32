//! Deployments: weights on the GPU that the programs for all input shapes share.

use std::sync::{Arc, Mutex, PoisonError};

use striate_engine::{Deployment, FixedWeights, PlanReport, Profile, Program};
use striate_graph::{Graph, Segment};
use striate_tensor::{Error, Result};

use crate::Gpu;
use crate::capture::Recordings;
use crate::driver::Block;
use crate::plan::{Addresses, Plan, Variables};

/// Fixed weights on a GPU.
#[derive(Clone)]
pub(crate) struct GpuDeployment {
    gpu: Gpu,
    places: Arc<Variables>,
    weights: Arc<Block>,
}

impl GpuDeployment {
    pub fn new(gpu: Gpu, weights: FixedWeights) -> Result<GpuDeployment> {
        let mut places = Variables::default();
        for (name, (_, values)) in &weights.values {
            places.add(name, size_of_val(&values[..]));
        }
        gpu.check_memory(places.bytes)?;
        let block = Block::zeroed(&gpu.driver, places.bytes)?;
        for (name, (_, values)) in &weights.values {
            let region = places.get(name).expect("the variable was just added");
            block.write(region.offset, bytemuck::cast_slice(values))?;
        }
        Ok(GpuDeployment { gpu, places: Arc::new(places), weights: Arc::new(block) })
    }
}

impl Deployment for GpuDeployment {
    fn compile(&self, graph: Graph) -> Result<Arc<dyn Program>> {
        let (plan, constants) = self.gpu.load(&graph, &self.places, |plan| plan.arena_bytes)?;
        let arena = Mutex::new(Block::zeroed(&self.gpu.driver, plan.arena_bytes)?);
        let recordings = Recordings::new(&self.gpu.driver);
        let (gpu, weights) = (self.gpu.clone(), self.weights.clone());
        let program = GpuProgram { gpu, recordings, plan, constants, weights, arena };
        let memory = program.addresses(&program.lock());
        program.plan.run(Segment::Prepare, &*self.gpu.driver, memory, None)?;
        self.gpu.driver.wait()?;
        Ok(Arc::new(program))
    }

    fn fork(&self) -> Arc<dyn Deployment> {
        Arc::new(self.clone())
    }
}

/// A plan with its constants.
struct GpuProgram {
    gpu: Gpu,
    /// Freed before the memory that they use.
    recordings: Recordings,
    plan: Plan,
    constants: Block,
    weights: Arc<Block>,
    /// Locked by a run.
    arena: Mutex<Block>,
}

impl GpuProgram {
    fn addresses(&self, arena: &Block) -> Addresses {
        let (variables, constants) = (self.weights.address(), self.constants.address());
        Addresses { arena: arena.address(), variables, constants }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Block> {
        self.arena.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Program for GpuProgram {
    fn run(&self, inputs: &[&[f32]], outputs: &mut [&mut [f32]], profile: Option<Profile>) -> Result<()> {
        assert_eq!((inputs.len(), outputs.len()), (self.plan.inputs.len(), self.plan.outputs.len()));
        let (plan, arena) = (&self.plan, self.lock());
        let memory = self.addresses(&arena);
        for (region, input) in plan.inputs.iter().zip(inputs) {
            arena.write(region.offset, bytemuck::cast_slice(input))?;
        }
        match profile {
            None => self.recordings.run(plan, Segment::Accumulate, memory)?,
            profile => plan.run(Segment::Accumulate, &*self.gpu.driver, memory, profile)?,
        }
        for (region, output) in plan.outputs.iter().zip(outputs) {
            if region.bytes != size_of_val(&**output) {
                return Err(Error::failed("the output has another size than the plan's"));
            }
            arena.read(region.offset, bytemuck::cast_slice_mut(output))?;
        }
        Ok(())
    }

    fn report(&self, seconds: Option<&[f64]>) -> PlanReport {
        self.recordings.report(&self.plan, seconds)
    }
}
