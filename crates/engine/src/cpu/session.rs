//! Sessions on the CPU: plans for several batch sizes that share variables and one arena.

use std::collections::HashMap;

use striate_graph::{Graph, Segment};
use striate_kernels::{Context, Layout, Memory, Region, reorder};
use striate_tensor::{Buffer, Result, Shape};

use super::Cpu;
use super::plan::{Plan, all_finite};
use crate::device::{Data, Profile, Session};
use crate::report::PlanReport;

/// The place of a variable. Plans for other batch sizes must use the same one.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    pub shape: Shape,
    pub layout: Layout,
    pub region: Region,
}

/// The places of variables by name.
pub(crate) type Placements = HashMap<String, Placement>;

/// A session on the CPU.
pub(super) struct CpuSession {
    cpu: Cpu,
    /// The arena, and a buffer for the variables of each role.
    memory: Memory,
    placements: Placements,
    plans: Vec<Plan>,
}

impl CpuSession {
    pub fn new(cpu: Cpu) -> CpuSession {
        CpuSession { cpu, memory: Memory::default(), placements: Placements::new(), plans: Vec::new() }
    }

    /// Allocates the variables of the first plan.
    fn allocate(&mut self, plan: &Plan) -> Result<()> {
        let mut own = vec![plan.work_memory()?];
        for bytes in &plan.variable_bytes {
            let what = format!("weights, gradients and momenta of {}", plan.graph.name);
            own.push(Buffer::zeroed(*bytes).map_err(|e| e.at(what))?);
        }
        self.memory = Memory::new(own, Vec::new());
        self.placements = plan.variables.iter().cloned().collect();
        Ok(())
    }

    fn region(&self, name: &str) -> &Region {
        &self.placements[name].region
    }
}

impl Session for CpuSession {
    fn compile(&mut self, graph: Graph) -> Result<usize> {
        let plan = self.cpu.compile(graph, &self.placements)?;
        if self.plans.is_empty() {
            self.allocate(&plan)?;
        } else if plan.work_bytes > self.memory.own[0].len() {
            self.memory.own[0] = plan.work_memory()?;
        }
        self.plans.push(plan);
        self.memory.reserve(self.plans.iter().flat_map(|plan| &plan.steps).map(|step| &step.access));
        Ok(self.plans.len() - 1)
    }

    fn upload(&mut self, name: &str, values: Data) -> Result<()> {
        let Some(Placement { shape, layout, region }) = self.placements.get(name) else { return Ok(()) };
        let stored = self.memory.bytes_mut(region);
        match values {
            Data::F32(values) if *layout != Layout::Plain => {
                let stored = bytemuck::cast_slice_mut(stored);
                reorder::reorder(shape.nchw(), Layout::Plain, *layout, values, stored);
            }
            values => stored.copy_from_slice(values.bytes()),
        }
        Ok(())
    }

    fn download(&self, name: &str, values: &mut [f32]) -> Result<()> {
        let Placement { shape, layout, region } = &self.placements[name];
        let stored: &[f32] = bytemuck::cast_slice(self.memory.bytes(region));
        match layout {
            Layout::Plain => values.copy_from_slice(stored),
            layout => reorder::reorder(shape.nchw(), *layout, Layout::Plain, stored, values),
        }
        Ok(())
    }

    fn are_finite(&self, names: &[&str]) -> Result<bool> {
        let mut regions = names.iter().map(|name| self.region(name));
        Ok(regions.all(|region| all_finite(bytemuck::cast_slice(self.memory.bytes(region)))))
    }

    fn set_input(&mut self, program: usize, index: usize, values: Data) -> Result<()> {
        self.memory.bytes_mut(&self.plans[program].inputs[index]).copy_from_slice(values.bytes());
        Ok(())
    }

    fn run(&mut self, program: usize, segment: Segment, profile: Option<Profile>) -> Result<()> {
        let thread_pool = self.cpu.thread_pool();
        let (plan, memory) = (&self.plans[program], &mut self.memory);
        thread_pool.as_caller(|| plan.run(segment, memory, Context { thread_pool }, profile));
        Ok(())
    }

    fn output(&self, program: usize, index: usize) -> &[f32] {
        bytemuck::cast_slice(self.memory.bytes(&self.plans[program].outputs[index]))
    }

    fn first_non_finite(&mut self, program: usize) -> Result<Option<String>> {
        let context = Context { thread_pool: self.cpu.thread_pool() };
        Ok(self.plans[program].first_non_finite(&mut self.memory, context).map(str::to_owned))
    }

    fn report(&self, program: usize, seconds: Option<&[f64]>) -> PlanReport {
        self.plans[program].report(&self.cpu, seconds)
    }

    fn allocated_bytes(&self) -> usize {
        self.memory.own.iter().map(Buffer::len).sum()
    }
}
