//! Inference with fixed weights: plans by input shape, with weights that are prepared once and shared.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use striate_graph::{Graph, Network, Role, Segment, initial_values};
use striate_kernels::Context;
use striate_tensor::text::counted;
use striate_tensor::{Buffer, Error, Result, Shape, check_memory, zeroed};
use striate_kernels::Memory;

use crate::backend::{Backend, Placements};
use crate::clock::Clock;
use crate::cpu::Cpu;
use crate::plan::{Plan, SharedSource};
use crate::report::PlanReport;
use crate::{Variables, passes};

/// A network with fixed weights, ready for inputs of any shape that it accepts.
///
/// Can be shared between threads; each run uses a separate workspace.
pub struct Inference {
    network: Network,
    cpu: Cpu,
    weights: HashMap<String, Arc<Buffer>>,
    prepared: Mutex<HashMap<String, Arc<Buffer>>>,
    plans: Mutex<HashMap<Shape, Arc<Ready>>>,
}

/// A plan with its weights and its unused workspaces.
struct Ready {
    plan: Plan,
    shared: Vec<Arc<Buffer>>,
    workspaces: Mutex<Vec<Memory>>,
}

impl Inference {
    /// Creates the inference of `network` with `weights`: all its parameters and buffers by name.
    ///
    /// # Errors
    /// If a variable is missing or has another shape, or there is not enough memory.
    pub fn new(network: Network, weights: &Variables, cpu: Cpu) -> Result<Inference> {
        let mut buffers = HashMap::new();
        for (name, shape) in network.variables()? {
            let Some((given, values)) = weights.get(&name) else {
                return Err(Error::input(format!("network {}: the weights lack {name}", network.name)));
            };
            if *given != shape || values.len() != shape.numel() {
                let what = format!("{name} has shape {given}; expected {shape}");
                return Err(Error::input(format!("network {}: {what}", network.name)));
            }
            let buffer = Buffer::from_slice(values).map_err(|e| e.at(weights_of(&network)))?;
            buffers.insert(name, Arc::new(buffer));
        }
        Ok(Inference { network, cpu, weights: buffers, prepared: Mutex::default(), plans: Mutex::default() })
    }

    /// Draws the initial weights of `network`, a pure function of network and `seed`.
    ///
    /// # Errors
    /// If the network is invalid, or there is not enough memory.
    pub fn initial_weights(network: &Network, seed: u64) -> Result<Variables> {
        let graph = network.graph(1)?;
        let stored = || graph.variables(Role::Parameter).chain(graph.variables(Role::Buffer));
        let bytes = stored().map(|(_, value)| value.bytes()).sum();
        check_memory(bytes).map_err(|e| e.at(weights_of(network)))?;
        Ok(stored()
            .map(|(_, value)| {
                let striate_graph::Kind::Variable { init, fan, .. } = &value.kind else {
                    unreachable!("parameters and buffers are variables")
                };
                let values = initial_values(*init, &value.name, &value.shape, fan, seed);
                (value.name.clone(), (value.shape.clone(), values))
            })
            .collect())
    }

    /// Returns the network up to the layer `name`, with the same weights.
    ///
    /// # Errors
    /// If there is no such layer.
    pub fn until(&self, name: &str) -> Result<Inference> {
        let (network, weights) = (self.network.until(name)?, self.weights.clone());
        let cpu = self.cpu.clone();
        Ok(Inference { network, cpu, weights, prepared: Mutex::default(), plans: Mutex::default() })
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The processor that it runs on.
    pub fn cpu(&self) -> &Cpu {
        &self.cpu
    }

    /// Runs the network on `input` of `shape` `[N, C, H, W]`; returns the output with its shape.
    ///
    /// # Errors
    /// If the shape does not fit the network or the input.
    pub fn run(&self, shape: &Shape, input: &[f32]) -> Result<(Shape, Vec<f32>)> {
        let ready = self.ready(shape)?;
        let output = ready.plan.graph.shape(ready.plan.graph.outputs[0]).clone();
        let mut values = zeroed(output.checked_len()?).map_err(|e| e.at("the output"))?;
        self.run_ready(&ready, shape, input, &mut values, None)?;
        Ok((output, values))
    }

    /// Like [`Inference::run`], but writes to `output`, and does not allocate once a plan for the shape exists.
    ///
    /// # Errors
    /// As [`Inference::run`], or if the length of `output` differs from that of the network's output.
    pub fn run_into(&self, shape: &Shape, input: &[f32], output: &mut [f32]) -> Result<()> {
        let ready = self.ready(shape)?;
        self.run_ready(&ready, shape, input, output, None)
    }

    /// The report of the plan for inputs of `shape`.
    ///
    /// # Errors
    /// If the shape does not fit the network.
    pub fn report(&self, shape: &Shape) -> Result<PlanReport> {
        Ok(PlanReport::new(&self.ready(shape)?.plan, self.cpu.name(), None))
    }

    /// The report of the plan with the mean time of each step over `runs` runs on `input`.
    ///
    /// # Errors
    /// As [`Inference::run`].
    pub fn profile(
        &self,
        shape: &Shape,
        input: &[f32],
        runs: usize,
        clock: &dyn Clock,
    ) -> Result<PlanReport> {
        let ready = self.ready(shape)?;
        let shape_out = ready.plan.graph.shape(ready.plan.graph.outputs[0]);
        let mut output = zeroed(shape_out.checked_len()?).map_err(|e| e.at("the output"))?;
        let mut seconds = vec![0.0; ready.plan.steps.len()];
        for _ in 0..runs {
            self.run_ready(&ready, shape, input, &mut output, Some((clock, &mut seconds)))?;
        }
        seconds.iter_mut().for_each(|total| *total /= runs.max(1) as f64);
        Ok(PlanReport::new(&ready.plan, self.cpu.name(), Some(&seconds)))
    }

    /// The peak memory of a run on inputs of `shape` in bytes, including weights.
    ///
    /// # Errors
    /// If the shape does not fit the network.
    pub fn peak_bytes(&self, shape: &Shape) -> Result<usize> {
        Ok(self.ready(shape)?.plan.peak_bytes())
    }

    /// Compiles the plan of `network` for inputs of `shape`, without weights and without allocating memory.
    ///
    /// # Errors
    /// If the shape does not fit the network.
    pub fn plan(network: &Network, shape: &Shape, cpu: &Cpu) -> Result<Plan> {
        let mut graph = network.graph_for(shape)?;
        passes::run_neutral(&mut graph, cpu.disabled());
        cpu.compile(graph, &Placements::new())
    }

    fn run_ready(
        &self,
        ready: &Ready,
        shape: &Shape,
        input: &[f32],
        output: &mut [f32],
        profile: Option<(&dyn Clock, &mut [f64])>,
    ) -> Result<()> {
        if input.len() != shape.numel() {
            let count = input.len();
            return Err(Error::input(format!(
                "the input of {} does not match its shape {shape}",
                counted(count, "value")
            )));
        }
        let mut memory = ready.take_workspace()?;
        let plan = &ready.plan;
        memory.bytes_mut(&plan.inputs[0]).copy_from_slice(bytemuck::cast_slice(input));
        plan.run(Segment::Accumulate, &mut memory, Context { thread_pool: self.cpu.thread_pool() }, profile);
        let result: &[f32] = bytemuck::cast_slice(memory.bytes(&plan.outputs[0]));
        let fits = result.len() == output.len();
        if fits {
            output.copy_from_slice(result);
        }
        lock(&ready.workspaces).push(memory);
        if fits {
            Ok(())
        } else {
            Err(Error::failed("the length of the given output slice does not match the network's output"))
        }
    }

    fn ready(&self, shape: &Shape) -> Result<Arc<Ready>> {
        if let Some(ready) = lock(&self.plans).get(shape) {
            return Ok(ready.clone());
        }
        self.check_variables(&self.network.graph_for(shape)?)?;
        let plan = Inference::plan(&self.network, shape, &self.cpu)?;
        let shared = self.share(&plan)?;
        let ready = Arc::new(Ready { plan, shared, workspaces: Mutex::default() });
        lock(&self.plans).insert(shape.clone(), ready.clone());
        Ok(ready)
    }

    /// Checks that the weights fit the shapes in `graph`: those of a linear layer depend on the size of the input.
    fn check_variables(&self, graph: &Graph) -> Result<()> {
        let variables = graph.variables(Role::Parameter).chain(graph.variables(Role::Buffer));
        for (_, value) in variables {
            let count = self.weights.get(&value.name).map(|buffer| buffer.len() / size_of::<f32>());
            if count != Some(value.shape.numel()) {
                return Err(Error::input(format!(
                    "network {}: an input of {} does not fit the weights {}; use an input of {}",
                    self.network.name,
                    graph.shape(graph.inputs[0]),
                    value.name,
                    self.network.input_form()
                )));
            }
        }
        Ok(())
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
            let own = own.collect::<Result<_>>().map_err(|e| e.at(weights_of(&self.network)))?;
            let mut memory = Memory { own, shared: shared.collect() };
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

impl Ready {
    fn take_workspace(&self) -> Result<Memory> {
        if let Some(memory) = lock(&self.workspaces).pop() {
            return Ok(memory);
        }
        Ok(Memory { own: vec![self.plan.work_memory()?], shared: self.shared.clone() })
    }
}

/// The description of the weights of `network` in errors about memory.
fn weights_of(network: &Network) -> String {
    format!("the weights of {}", network.name)
}

/// Locks a cache, ignoring poisoning: a panic cannot leave it inconsistent, because entries are complete when
/// added.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
