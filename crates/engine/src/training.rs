//! Training steps: forward computation, loss, gradients, update, with all state in the plan's memory.

use std::collections::HashMap;

use striate_graph::{
    Graph, Kind, Network, Role, Segment, TrainingSpec, Value, initial_values, training_graph,
};
use striate_kernels::{Context, reorder};
use striate_tensor::text::counted;
use striate_tensor::{Buffer, Error, Result, Shape, check_memory, zeroed};
use striate_kernels::{Layout, Memory, Region};

use crate::Variables;
use crate::backend::{Backend, Placements};
use crate::clock::Clock;
use crate::cpu::Cpu;
use crate::passes::run_neutral;
use crate::plan::{Plan, all_finite};
use crate::report::PlanReport;

/// A variable of a training step.
#[derive(Debug, Clone, PartialEq)]
pub struct VariableInfo {
    /// The name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The extents.
    pub shape: Shape,
}

/// A network being trained.
///
/// Parameters, gradients and the optimizer's state are kept in the plan's layouts; [`Training::variables`]
/// returns them in plain order. Batches of different sizes run on separate plans that share the variables.
pub struct Training {
    network: Network,
    spec: TrainingSpec,
    cpu: Cpu,
    memory: Memory,
    placements: Placements,
    infos: Vec<VariableInfo>,
    plans: HashMap<Shape, Plan>,
}

impl Training {
    /// Creates the training of `network` with initial weights drawn from `seed`, for batches of shape `[N, C, H, W]`.
    ///
    /// # Errors
    /// If the network cannot be trained on such batches.
    pub fn new(network: Network, spec: TrainingSpec, shape: &Shape, seed: u64, cpu: Cpu) -> Result<Training> {
        let graph = compile_graph(&network, &spec, shape, &cpu)?;
        let plan = cpu.compile(graph, &Placements::new())?;
        let mut own = vec![plan.work_memory()?];
        for bytes in &plan.variable_bytes {
            let what = format!("weights, gradients and momenta of {}", network.name);
            own.push(Buffer::zeroed(*bytes).map_err(|e| e.at(what))?);
        }
        let (mut placements, mut infos) = (Placements::new(), Vec::new());
        for variable in &plan.variables {
            let value = plan.graph.value(variable.id);
            placements.insert(value.name.clone(), (variable.layout, variable.region.clone()));
            infos.push(VariableInfo {
                name: value.name.clone(),
                role: variable.role,
                shape: value.shape.clone(),
            });
        }
        let memory = Memory { own, shared: Vec::new() };
        let values: Vec<Value> =
            plan.variables.iter().map(|variable| plan.graph.value(variable.id).clone()).collect();
        let plans = HashMap::from([(shape.clone(), plan)]);
        let mut training = Training { network, spec, cpu, memory, placements, infos, plans };
        for value in values {
            let bytes = value.bytes();
            let Kind::Variable { role: Role::Parameter | Role::Buffer, init, fan } = value.kind else {
                continue;
            };
            check_memory(bytes).map_err(|e| e.at(&value.name))?;
            let first = initial_values(init, &value.name, &value.shape, &fan, seed);
            training.store(&value.name, &value.shape, &first);
        }
        training.set_scalar("seed", seed as i64);
        Ok(training)
    }

    /// Compiles the plan of a training step of `network` on batches of `shape`, without allocating memory.
    ///
    /// # Errors
    /// If the network cannot be trained on such batches.
    pub fn plan(network: &Network, spec: &TrainingSpec, shape: &Shape, cpu: &Cpu) -> Result<Plan> {
        cpu.compile(compile_graph(network, spec, shape, cpu)?, &Placements::new())
    }

    /// Compiles the plan for batches of `shape` unless it exists, so that such batches run without compiling or
    /// allocating.
    ///
    /// # Errors
    /// If the network cannot be trained on such batches.
    pub fn ensure_plan(&mut self, shape: &Shape) -> Result<()> {
        if self.plans.contains_key(shape) {
            return Ok(());
        }
        let graph = compile_graph(&self.network, &self.spec, shape, &self.cpu)?;
        let plan = self.cpu.compile(graph, &self.placements)?;
        if plan.work_bytes > self.memory.own[0].len() {
            self.memory.own[0] = plan.work_memory()?;
        }
        self.plans.insert(shape.clone(), plan);
        Ok(())
    }

    /// Runs one step on `images` of `shape` with `labels` at learning rate `rate`; `step` counts from 0.
    /// Returns the loss before the update.
    ///
    /// # Errors
    /// If images, labels and shape do not match, or a label is not a class.
    pub fn step(
        &mut self,
        shape: &Shape,
        images: &[f32],
        labels: &[i64],
        rate: f32,
        step: u64,
    ) -> Result<f32> {
        self.accumulate(shape, images, labels, step, None)?;
        self.update(shape, rate, None);
        Ok(self.loss(shape))
    }

    /// Runs the first segment of a step: forward computation, loss and gradients.
    ///
    /// # Errors
    /// As [`Training::step`].
    pub fn accumulate(
        &mut self,
        shape: &Shape,
        images: &[f32],
        labels: &[i64],
        step: u64,
        profile: Option<(&dyn Clock, &mut [f64])>,
    ) -> Result<()> {
        self.ensure_plan(shape)?;
        let plan = &self.plans[shape];
        check_batch(plan, shape, images, labels)?;
        self.memory.bytes_mut(&plan.inputs[0]).copy_from_slice(bytemuck::cast_slice(images));
        self.memory.bytes_mut(&plan.inputs[1]).copy_from_slice(bytemuck::cast_slice(labels));
        self.set_scalar("step", step as i64);
        let context = Context { thread_pool: self.cpu.thread_pool() };
        self.plans[shape].run(Segment::Accumulate, &mut self.memory, context, profile);
        Ok(())
    }

    /// Whether the loss of the last batch of `shape` and all gradients are finite.
    pub fn is_finite(&self, shape: &Shape) -> bool {
        let mut gradients = self.infos.iter().filter(|info| info.role == Role::Gradient);
        self.loss(shape).is_finite()
            && gradients.all(|info| {
                all_finite(bytemuck::cast_slice(self.memory.bytes(&self.placements[&info.name].1)))
            })
    }

    /// Reruns the first segment on a batch of `shape` step by step, and returns the name of the first step that
    /// produces a non-finite value.
    pub fn first_non_finite(&mut self, shape: &Shape, images: &[f32], labels: &[i64]) -> Option<&str> {
        let plan = self.plans.get(shape)?;
        check_batch(plan, shape, images, labels).ok()?;
        self.memory.bytes_mut(&plan.inputs[0]).copy_from_slice(bytemuck::cast_slice(images));
        self.memory.bytes_mut(&plan.inputs[1]).copy_from_slice(bytemuck::cast_slice(labels));
        plan.first_non_finite(&mut self.memory, Context { thread_pool: self.cpu.thread_pool() })
    }

    /// Runs the last segment of a step: the optimizer's update with the current gradients.
    pub fn update(&mut self, shape: &Shape, rate: f32, profile: Option<(&dyn Clock, &mut [f64])>) {
        self.set_scalar("rate", rate);
        self.set_scalar("head_rate", rate * self.spec.head_rate);
        let context = Context { thread_pool: self.cpu.thread_pool() };
        self.plans[shape].run(Segment::Update, &mut self.memory, context, profile);
    }

    /// Sets all gradients to zero, before micro-batches that accumulate into them.
    pub fn clear_gradients(&mut self) {
        for info in self.infos.iter().filter(|info| info.role == Role::Gradient) {
            self.memory.bytes_mut(&self.placements[&info.name].1).fill(0);
        }
    }

    /// The loss of the last batch of `shape`.
    pub fn loss(&self, shape: &Shape) -> f32 {
        self.output(shape, 0)[0]
    }

    /// The probabilities `[N, K]` of the last batch of `shape`.
    pub fn probabilities(&self, shape: &Shape) -> &[f32] {
        self.output(shape, 1)
    }

    fn output(&self, shape: &Shape, index: usize) -> &[f32] {
        bytemuck::cast_slice(self.memory.bytes(&self.plans[shape].outputs[index]))
    }

    /// All variables except scalars, in the plan's order.
    pub fn infos(&self) -> impl Iterator<Item = &VariableInfo> {
        self.infos.iter().filter(|info| info.role != Role::Scalar)
    }

    /// The values of the variables with one of `roles`, in plain order.
    ///
    /// # Errors
    /// If there is not enough memory for them.
    pub fn variables(&self, roles: &[Role]) -> Result<Variables> {
        let wanted = self.infos().filter(|info| roles.contains(&info.role));
        wanted.map(|info| Ok((info.name.clone(), (info.shape.clone(), self.load(info)?)))).collect()
    }

    /// Sets variables by name.
    ///
    /// # Errors
    /// If one of them is unknown or has another shape; in this case nothing is changed.
    pub fn set_variables(&mut self, variables: &Variables) -> Result<()> {
        for (name, (shape, values)) in variables {
            let info = self.infos().find(|info| info.name == *name);
            let info = info.ok_or_else(|| {
                Error::input(format!("{name} is not a variable of this network and optimizer"))
            })?;
            if info.shape != *shape || values.len() != shape.numel() {
                let expected = &info.shape;
                return Err(Error::input(format!("{name} has shape {shape}; expected {expected}")));
            }
        }
        for (name, (shape, values)) in variables {
            self.store(name, shape, values);
        }
        Ok(())
    }

    /// The report of the plan for batches of `shape`; `seconds` are the measured times of its steps.
    ///
    /// # Errors
    /// If the network cannot be trained on such batches.
    pub fn report(&mut self, shape: &Shape, seconds: Option<&[f64]>) -> Result<PlanReport> {
        self.ensure_plan(shape)?;
        Ok(PlanReport::new(&self.plans[shape], self.cpu.name(), seconds))
    }

    /// The number of bytes currently allocated for the arena and the variables.
    pub fn allocated_bytes(&self) -> usize {
        self.memory.own.iter().map(Buffer::len).sum()
    }

    /// The peak memory of a step on batches of `shape`, in bytes.
    ///
    /// # Errors
    /// If the network cannot be trained on such batches.
    pub fn peak_bytes(&mut self, shape: &Shape) -> Result<usize> {
        self.ensure_plan(shape)?;
        Ok(self.plans[shape].peak_bytes())
    }

    fn load(&self, info: &VariableInfo) -> Result<Vec<f32>> {
        let (layout, region) = &self.placements[&info.name];
        let mut values = zeroed(info.shape.numel())?;
        let stored: &[f32] = bytemuck::cast_slice(self.memory.bytes(region));
        reorder::reorder(info.shape.nchw(), *layout, Layout::Plain, stored, &mut values);
        Ok(values)
    }

    fn store(&mut self, name: &str, shape: &Shape, values: &[f32]) {
        let (layout, region) = &self.placements[name];
        let stored: &mut [f32] = bytemuck::cast_slice_mut(self.memory.bytes_mut(region));
        reorder::reorder(shape.nchw(), Layout::Plain, *layout, values, stored);
    }

    /// Sets a scalar; does nothing if no operation of the graph reads it.
    fn set_scalar<T: striate_tensor::Element>(&mut self, name: &str, value: T) {
        if let Some((_, region)) = self.placements.get(name) {
            let region: Region = region.clone();
            self.memory.bytes_mut(&region).copy_from_slice(bytemuck::bytes_of(&value));
        }
    }
}

fn compile_graph(network: &Network, spec: &TrainingSpec, shape: &Shape, cpu: &Cpu) -> Result<Graph> {
    let mut graph = training_graph(&network.graph_with_heads(shape)?, spec)?;
    if graph.variables(Role::Parameter).next().is_none() {
        let what = format!("network {}: has no parameters to train", network.name);
        return Err(Error::input(what));
    }
    run_neutral(&mut graph, cpu.disabled());
    Ok(graph)
}

fn check_batch(plan: &Plan, shape: &Shape, images: &[f32], labels: &[i64]) -> Result<()> {
    if images.len() != shape.numel() || labels.len() != shape[0] {
        let (i, l) = (images.len(), labels.len());
        return Err(Error::input(format!(
            "a batch of {shape} does not match {} and {}",
            counted(i, "value"),
            counted(l, "label")
        )));
    }
    let classes = plan.graph.shape(plan.graph.outputs[1])[1] as i64;
    match labels.iter().find(|label| !(0..classes).contains(*label)) {
        Some(label) => Err(Error::input(format!(
            "label {label} is not a class; the network has {classes}, numbered from 0"
        ))),
        None => Ok(()),
    }
}
