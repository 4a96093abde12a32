//! Deployments on the CPU: weights that are packed once and shared by the plans for all input shapes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use striate_graph::{Graph, Segment};
use striate_kernels::{Context, Memory};
use striate_tensor::{Buffer, Result};

use super::Cpu;
use super::plan::{Plan, SharedSource};
use super::session::Placements;
use crate::device::{Deployment, Profile, Program};
use crate::report::PlanReport;

/// A deployment on the CPU.
pub(super) struct CpuDeployment {
    cpu: Cpu,
    /// The network's name.
    name: String,
    weights: HashMap<String, Arc<Buffer>>,
    /// Values computed from the weights, by their names in the plans.
    prepared: Mutex<HashMap<String, Arc<Buffer>>>,
}

impl CpuDeployment {
    pub fn new(cpu: Cpu, name: &str, weights: &[(&str, &[f32])]) -> Result<CpuDeployment> {
        let mut buffers = HashMap::new();
        for (variable, values) in weights {
            let buffer = Buffer::from_slice(values).map_err(|e| e.at(weights_of(name)))?;
            buffers.insert((*variable).to_owned(), Arc::new(buffer));
        }
        Ok(CpuDeployment { cpu, name: name.to_owned(), weights: buffers, prepared: Mutex::default() })
    }

    /// Returns the shared buffers of `plan`, running its preparation if some of its results do not exist yet.
    fn share(&self, plan: &Plan) -> Result<Vec<Arc<Buffer>>> {
        let mut prepared = lock(&self.prepared);
        let mut needed = plan.shared.iter().filter_map(|source| match source {
            SharedSource::Prepared(name) => Some(name),
            SharedSource::Variable(_) => None,
        });
        if needed.any(|name| !prepared.contains_key(name)) {
            let preparation = &plan.preparation;
            let own = preparation.results.iter().map(|(_, bytes)| Buffer::zeroed(*bytes));
            let shared = preparation.sources.iter().map(|name| self.weights[name].clone());
            let own = own.collect::<Result<_>>().map_err(|e| e.at(weights_of(&self.name)))?;
            let mut memory = Memory::new(own, shared.collect());
            memory.reserve(preparation.steps.iter().map(|step| &step.access));
            let context = Context { thread_pool: self.cpu.thread_pool() };
            for step in &preparation.steps {
                step.kernel.run(&context, &mut memory.open(&step.access));
            }
            for ((name, _), buffer) in preparation.results.iter().zip(memory.own) {
                let needed = plan.shared.contains(&SharedSource::Prepared(name.clone()));
                if needed && !prepared.contains_key(name) {
                    prepared.insert(name.clone(), Arc::new(buffer));
                }
            }
        }
        let buffer = |source: &SharedSource| match source {
            SharedSource::Variable(name) => self.weights[name].clone(),
            SharedSource::Prepared(name) => prepared[name].clone(),
        };
        Ok(plan.shared.iter().map(buffer).collect())
    }
}

impl Deployment for CpuDeployment {
    fn compile(&self, graph: Graph) -> Result<Arc<dyn Program>> {
        let plan = self.cpu.compile(graph, &Placements::new())?;
        let shared = self.share(&plan)?;
        Ok(Arc::new(CpuProgram { cpu: self.cpu.clone(), plan, shared, workspaces: Mutex::default() }))
    }

    fn fork(&self) -> Arc<dyn Deployment> {
        let (cpu, name, weights) = (self.cpu.clone(), self.name.clone(), self.weights.clone());
        Arc::new(CpuDeployment { cpu, name, weights, prepared: Mutex::default() })
    }
}

/// A plan with its weights and its unused workspaces.
struct CpuProgram {
    cpu: Cpu,
    plan: Plan,
    shared: Vec<Arc<Buffer>>,
    workspaces: Mutex<Vec<Memory>>,
}

impl CpuProgram {
    fn take_workspace(&self) -> Result<Memory> {
        if let Some(memory) = lock(&self.workspaces).pop() {
            return Ok(memory);
        }
        let mut memory = Memory::new(vec![self.plan.work_memory()?], self.shared.clone());
        memory.reserve(self.plan.steps.iter().map(|step| &step.access));
        Ok(memory)
    }
}

impl Program for CpuProgram {
    fn run(&self, input: &[f32], output: &mut [f32], profile: Option<Profile>) -> Result<()> {
        let mut memory = self.take_workspace()?;
        memory.bytes_mut(&self.plan.inputs[0]).copy_from_slice(bytemuck::cast_slice(input));
        let context = Context { thread_pool: self.cpu.thread_pool() };
        self.plan.run(Segment::Accumulate, &mut memory, context, profile);
        output.copy_from_slice(bytemuck::cast_slice(memory.bytes(&self.plan.outputs[0])));
        lock(&self.workspaces).push(memory);
        Ok(())
    }

    fn report(&self, seconds: Option<&[f64]>) -> PlanReport {
        self.plan.report(&self.cpu, seconds)
    }
}

/// The description of the weights of the network `name` in errors about memory.
fn weights_of(name: &str) -> String {
    format!("the weights of {name}")
}

/// Locks a cache, ignoring poisoning: a panic cannot leave it inconsistent, because entries are complete when
/// added.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
