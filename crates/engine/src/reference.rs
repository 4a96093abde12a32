//! The reference device: naive kernels in f32 on plain values, one node after the other.
//!
//! It defines what other devices compute, and is far too slow for use. Every value has memory of its own.

use std::collections::HashMap;
use std::sync::Arc;

use striate_graph::{Graph, Kind, Op, Role, Segment, ValueId};
use striate_kernels::threads::ThreadPool;
use striate_kernels::{Access, Context, Memory, Place, Region, isa::Isa};
use striate_tensor::{ALIGNMENT, Buffer, DType, Result, Shape};

use crate::cpu::{Lowering, Step, all_finite, dtypes, join_neighbors, lower};
use crate::device::{Data, Deployment, Device, FixedWeights, Profile, Program, Session};
use crate::passes::{Disabled, trains};
use crate::report::{PlanReport, StepReport};

/// The reference device.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    disabled: Disabled,
}

impl Reference {
    /// Creates the device without the `disabled` passes.
    pub fn new(disabled: Disabled) -> Reference {
        Reference { disabled }
    }
}

const NAME: &str = "reference";

impl Device for Reference {
    fn name(&self) -> String {
        NAME.into()
    }

    fn arithmetic(&self) -> String {
        "reference f32".into()
    }

    fn disabled(&self) -> &Disabled {
        &self.disabled
    }

    fn plan(&self, graph: Graph) -> Result<PlanReport> {
        Ok(Steps::new(graph, &mut Space::default())?.report(None))
    }

    fn session(&self) -> Box<dyn Session> {
        Box::new(ReferenceSession::default())
    }

    fn deploy(&self, _name: &str, weights: FixedWeights) -> Result<Arc<dyn Deployment>> {
        let mut deployment = ReferenceDeployment::default();
        for (name, (_, values)) in weights.values {
            deployment.names.insert(name, deployment.weights.len());
            deployment.weights.push(Arc::new(Buffer::from_vec(values)?));
        }
        Ok(Arc::new(deployment))
    }
}

impl From<Reference> for Arc<dyn Device> {
    fn from(device: Reference) -> Self {
        Arc::new(device)
    }
}

/// The sizes of the buffers of a memory, and the places of variables in it.
#[derive(Default)]
struct Space {
    sizes: Vec<usize>,
    variables: HashMap<String, Region>,
}

impl Space {
    /// Adds a buffer of `bytes` bytes.
    fn add(&mut self, bytes: usize) -> Region {
        self.sizes.push(bytes);
        Region { place: Place::Own(self.sizes.len() - 1), bytes: 0..bytes }
    }

    /// Places the variables of `graph` that have no place. Gradients are contiguous, because their norm is computed
    /// from one slice.
    fn add_variables(&mut self, graph: &Graph) {
        let gradients: Vec<ValueId> = graph.variables(Role::Gradient).map(|(id, _)| id).collect();
        if gradients.first().is_some_and(|id| !self.variables.contains_key(&graph.value(*id).name)) {
            let mut end = 0;
            let place = Place::Own(self.sizes.len());
            for id in graph.gradients.iter().map(|(_, gradient)| *gradient) {
                let value = graph.value(id);
                let region = Region { place, bytes: end..end + value.bytes() };
                end = region.bytes.end.next_multiple_of(ALIGNMENT);
                self.variables.insert(value.name.clone(), region);
            }
            self.add(end);
        }
        for value in graph.values.iter().filter(|value| value.role().is_some()) {
            if !self.variables.contains_key(&value.name) {
                let region = self.add(value.bytes());
                self.variables.insert(value.name.clone(), region);
            }
        }
    }
}

/// A compiled graph.
struct Steps {
    name: String,
    trains: bool,
    steps: Vec<Step>,
    inputs: Vec<Region>,
    outputs: Vec<Region>,
    bytes: usize,
}

impl Steps {
    /// Compiles `graph` for a memory of `space`, to which its values are added.
    fn new(graph: Graph, space: &mut Space) -> Result<Steps> {
        space.add_variables(&graph);
        let mut regions: HashMap<ValueId, Region> = HashMap::new();
        for (index, value) in graph.values.iter().enumerate() {
            match value.kind {
                Kind::Variable { .. } => {
                    _ = regions.insert(ValueId(index), space.variables[&value.name].clone())
                }
                Kind::Input => _ = regions.insert(ValueId(index), space.add(value.bytes())),
                Kind::Computed => {}
            }
        }
        let mut steps = Vec::new();
        for node in &graph.nodes {
            let candidates = match lower(&graph, node, &|id| graph.shape(id).numel()) {
                Lowering::Alias => {
                    regions.insert(node.outputs[0], regions[&node.inputs[0]].clone());
                    continue;
                }
                Lowering::Kernels(candidates) => candidates,
            };
            for output in &node.outputs {
                let bytes = graph.value(*output).bytes();
                regions.entry(*output).or_insert_with(|| space.add(bytes));
            }
            let (position, layouts) = candidates.reference(&dtypes(&graph, node));
            let kernel = candidates.prepare(position, Isa::Scalar, &layouts);
            let reads = node.inputs.iter().map(|id| regions[id].clone()).collect();
            let mut writes: Vec<Region> = node.outputs.iter().map(|id| regions[id].clone()).collect();
            let is_float = |id: &&ValueId| graph.value(**id).dtype == DType::F32;
            let written = node.outputs.iter().filter(is_float).map(|id| regions[id].clone()).collect();
            if let Op::ClipNorm(_) = node.op {
                writes = join_neighbors(writes);
            }
            if kernel.scratch_bytes(1) > 0 {
                writes.push(space.add(kernel.scratch_bytes(1)));
            }
            let access = Access::new(reads, writes).map_err(|e| e.at(format!("step {}", node.name)))?;
            let shape: &Shape = graph.shape(node.outputs[0]);
            let report = StepReport {
                name: node.name.clone(),
                op: node.op.name(),
                algorithm: candidates.name(position).into(),
                output: shape.to_string(),
                format: "plain".into(),
                once: false,
                flops: 2 * node.macs(&graph),
                bytes: access.regions().iter().map(|region| region.bytes.len() as u64).sum(),
                seconds: None,
            };
            steps.push(Step { report, segment: node.segment, kernel, access, written });
        }
        let at = |ids: &[ValueId]| ids.iter().map(|id| regions[id].clone()).collect();
        let (inputs, outputs, trains) = (at(&graph.inputs), at(&graph.outputs), trains(&graph));
        Ok(Steps { name: graph.name, trains, steps, inputs, outputs, bytes: space.sizes.iter().sum() })
    }

    /// Runs the steps of `segments`.
    fn run(&self, segments: &[Segment], memory: &mut Memory, mut profile: Option<Profile>) {
        let thread_pool = ThreadPool::new(1);
        let context = Context { thread_pool: &thread_pool };
        for (index, step) in
            self.steps.iter().enumerate().filter(|(_, step)| segments.contains(&step.segment))
        {
            let start = profile.as_ref().map(|(clock, _)| clock.seconds());
            step.kernel.run(&context, &mut memory.open(&step.access));
            if let (Some((clock, seconds)), Some(start)) = (&mut profile, start) {
                seconds[index] += clock.seconds() - start;
            }
        }
    }

    fn report(&self, seconds: Option<&[f64]>) -> PlanReport {
        let measured = |index: usize| seconds.and_then(|seconds| seconds.get(index).copied());
        let report =
            |(index, step): (usize, &Step)| StepReport { seconds: measured(index), ..step.report.clone() };
        PlanReport {
            name: self.name.clone(),
            trains: self.trains,
            device: NAME.into(),
            steps: self.steps.iter().enumerate().map(report).collect(),
            peak_bytes: self.bytes,
            work_bytes: self.bytes,
        }
    }
}

/// A session of the reference device.
#[derive(Default)]
struct ReferenceSession {
    space: Space,
    memory: Memory,
    programs: Vec<Steps>,
}

impl Session for ReferenceSession {
    fn compile(&mut self, graph: Graph) -> Result<usize> {
        self.programs.push(Steps::new(graph, &mut self.space)?);
        for bytes in &self.space.sizes[self.memory.own.len()..] {
            self.memory.own.push(Buffer::zeroed(*bytes)?);
        }
        Ok(self.programs.len() - 1)
    }

    fn upload(&mut self, name: &str, values: Data) -> Result<()> {
        if let Some(region) = self.space.variables.get(name) {
            self.memory.bytes_mut(region).copy_from_slice(values.bytes());
        }
        Ok(())
    }

    fn download(&self, name: &str, values: &mut [f32]) -> Result<()> {
        values.copy_from_slice(bytemuck::cast_slice(self.memory.bytes(&self.space.variables[name])));
        Ok(())
    }

    fn are_finite(&self, names: &[&str]) -> Result<bool> {
        let mut regions = names.iter().map(|name| &self.space.variables[*name]);
        Ok(regions.all(|region| all_finite(bytemuck::cast_slice(self.memory.bytes(region)))))
    }

    fn set_input(&mut self, program: usize, index: usize, values: Data) -> Result<()> {
        self.memory.bytes_mut(&self.programs[program].inputs[index]).copy_from_slice(values.bytes());
        Ok(())
    }

    fn run(&mut self, program: usize, segment: Segment, profile: Option<Profile>) -> Result<()> {
        self.programs[program].run(&[segment], &mut self.memory, profile);
        Ok(())
    }

    fn output(&self, program: usize, index: usize) -> &[f32] {
        bytemuck::cast_slice(self.memory.bytes(&self.programs[program].outputs[index]))
    }

    fn first_non_finite(&mut self, program: usize) -> Result<Option<String>> {
        let thread_pool = ThreadPool::new(1);
        let context = Context { thread_pool: &thread_pool };
        let mut steps =
            self.programs[program].steps.iter().filter(|step| step.segment == Segment::Accumulate);
        let culprit = steps.find(|step| !step.run_checked(&mut self.memory, context));
        Ok(culprit.map(|step| step.report.name.clone()))
    }

    fn report(&self, program: usize, seconds: Option<&[f64]>) -> PlanReport {
        self.programs[program].report(seconds)
    }

    fn allocated_bytes(&self) -> usize {
        self.memory.own.iter().map(Buffer::len).sum()
    }
}

/// A deployment on the reference device.
#[derive(Default, Clone)]
struct ReferenceDeployment {
    /// The position of each weight by name.
    names: HashMap<String, usize>,
    weights: Vec<Arc<Buffer>>,
}

impl Deployment for ReferenceDeployment {
    fn compile(&self, graph: Graph) -> Result<Arc<dyn Program>> {
        let region =
            |index: usize| Region { place: Place::Shared(index), bytes: 0..self.weights[index].len() };
        let variables = self.names.iter().map(|(name, index)| (name.clone(), region(*index))).collect();
        let mut space = Space { sizes: Vec::new(), variables };
        let steps = Steps::new(graph, &mut space)?;
        Ok(Arc::new(ReferenceProgram { steps, sizes: space.sizes, weights: self.weights.clone() }))
    }

    fn fork(&self) -> Arc<dyn Deployment> {
        Arc::new(self.clone())
    }
}

/// A compiled graph with its weights; each run has memory of its own.
struct ReferenceProgram {
    steps: Steps,
    sizes: Vec<usize>,
    weights: Vec<Arc<Buffer>>,
}

impl Program for ReferenceProgram {
    fn run(&self, inputs: &[&[f32]], outputs: &mut [&mut [f32]], profile: Option<Profile>) -> Result<()> {
        assert_eq!((inputs.len(), outputs.len()), (self.steps.inputs.len(), self.steps.outputs.len()));
        let own = self.sizes.iter().map(|bytes| Buffer::zeroed(*bytes)).collect::<Result<_>>()?;
        let mut memory = Memory::new(own, self.weights.clone());
        for (region, input) in self.steps.inputs.iter().zip(inputs) {
            memory.bytes_mut(region).copy_from_slice(bytemuck::cast_slice(input));
        }
        self.steps.run(&[Segment::Prepare, Segment::Accumulate], &mut memory, profile);
        for (region, output) in self.steps.outputs.iter().zip(outputs) {
            output.copy_from_slice(bytemuck::cast_slice(memory.bytes(region)));
        }
        Ok(())
    }

    fn report(&self, seconds: Option<&[f64]>) -> PlanReport {
        self.steps.report(seconds)
    }
}
