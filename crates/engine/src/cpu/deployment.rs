//! Deployments on the CPU: weights that are packed once and shared by the plans for all input shapes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use striate_graph::{Graph, Segment};
use striate_kernels::{Context, Memory};
use striate_tensor::{Buffer, Result};

use super::Cpu;
use super::arenas::Arenas;
use super::constants::Constants;
use super::plan::Plan;
use super::session::Placements;
use crate::device::{Deployment, FixedWeights, Profile, Program};
use crate::report::PlanReport;

/// A deployment on the CPU.
#[derive(Clone)]
pub(super) struct CpuDeployment {
    cpu: Cpu,
    /// The network's name.
    name: String,
    /// Locked while a new plan packs weights, so that nothing is packed twice. Programs that exist do not wait for it.
    constants: Arc<Mutex<Constants>>,
    arenas: Arc<Arenas>,
}

impl CpuDeployment {
    pub fn new(cpu: Cpu, name: &str, weights: FixedWeights) -> Result<CpuDeployment> {
        let mut constants = Constants::new(weights.again);
        for (variable, (shape, values)) in weights.values {
            let buffer = Buffer::from_vec(values).map_err(|e| e.at(weights_of(name)))?;
            constants.add_variable(variable, shape, buffer);
        }
        let constants = Arc::new(Mutex::new(constants));
        Ok(CpuDeployment { cpu, name: name.to_owned(), constants, arenas: Arc::default() })
    }

    fn compile_program(&self, graph: Graph) -> Result<CpuProgram> {
        let plan = self.cpu.compile(graph, &Placements::new())?;
        let thread_pool = self.cpu.thread_pool();
        let prepare = || lock(&self.constants).prepare(&plan, &self.cpu);
        let constants = thread_pool.as_caller(prepare).map_err(|e| e.at(weights_of(&self.name)))?;
        self.arenas.add_need(plan.work_bytes);
        let (cpu, arenas, idle) = (self.cpu.clone(), self.arenas.clone(), Mutex::default());
        Ok(CpuProgram { cpu, plan, constants, arenas, idle })
    }
}

impl Deployment for CpuDeployment {
    fn compile(&self, graph: Graph) -> Result<Arc<dyn Program>> {
        Ok(Arc::new(self.compile_program(graph)?))
    }

    fn fork(&self) -> Arc<dyn Deployment> {
        Arc::new(self.clone())
    }
}

/// A plan with its constants.
struct CpuProgram {
    cpu: Cpu,
    plan: Plan,
    constants: Vec<Arc<Buffer>>,
    arenas: Arc<Arenas>,
    /// Memories of runs that have ended, without arenas.
    idle: Mutex<Vec<Memory>>,
}

impl CpuProgram {
    /// Returns the memory of a run; allocates only if there have never been so many runs at once.
    fn open(&self) -> Result<Memory> {
        let idle = lock(&self.idle).pop();
        let mut memory = idle.unwrap_or_else(|| {
            let mut memory = Memory::new(Vec::new(), self.constants.clone());
            memory.reserve(self.plan.steps.iter().map(|step| &step.access));
            memory
        });
        let arena = match self.arenas.take(self.plan.work_bytes) {
            Some(arena) => arena,
            None => self.plan.work_memory()?,
        };
        memory.own.push(arena);
        Ok(memory)
    }

    fn close(&self, mut memory: Memory) {
        memory.own.pop().into_iter().for_each(|arena| self.arenas.put(arena));
        lock(&self.idle).push(memory);
    }
}

impl Program for CpuProgram {
    fn run(&self, inputs: &[&[f32]], outputs: &mut [&mut [f32]], profile: Option<Profile>) -> Result<()> {
        assert_eq!((inputs.len(), outputs.len()), (self.plan.inputs.len(), self.plan.outputs.len()));
        let mut memory = self.open()?;
        for (region, input) in self.plan.inputs.iter().zip(inputs) {
            memory.bytes_mut(region).copy_from_slice(bytemuck::cast_slice(input));
        }
        let thread_pool = self.cpu.thread_pool();
        let context = Context { thread_pool };
        thread_pool.as_caller(|| self.plan.run(Segment::Accumulate, &mut memory, context, profile));
        for (region, output) in self.plan.outputs.iter().zip(outputs) {
            output.copy_from_slice(bytemuck::cast_slice(memory.bytes(region)));
        }
        self.close(memory);
        Ok(())
    }

    fn report(&self, seconds: Option<&[f64]>) -> PlanReport {
        self.plan.report(&self.cpu, seconds)
    }
}

impl Drop for CpuProgram {
    fn drop(&mut self) {
        self.arenas.remove_need(self.plan.work_bytes);
    }
}

/// The description of the weights of the network `name` in errors about memory.
fn weights_of(name: &str) -> String {
    format!("the weights of {name}")
}

/// Locks `mutex`, ignoring poisoning: a panic cannot leave the content inconsistent, because entries are complete when
/// added.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
