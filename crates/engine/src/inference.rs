//! Inference with fixed weights: one program for each input shape.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use striate_graph::{Graph, Network, Role, initial_values};
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape, check_memory, zeroed};

use crate::clock::Clock;
use crate::device::{Deployment, Device, Profile, Program};
use crate::report::PlanReport;
use crate::{Variables, passes};

/// A network with fixed weights, ready for inputs of any shape that it accepts.
///
/// Can be shared between threads.
pub struct Inference {
    network: Network,
    device: Arc<dyn Device>,
    deployment: Arc<dyn Deployment>,
    /// The number of elements of each weight.
    sizes: HashMap<String, usize>,
    programs: Mutex<HashMap<Shape, Arc<Ready>>>,
}

/// A program with the shape of its output.
struct Ready {
    program: Arc<dyn Program>,
    output: Shape,
}

impl Inference {
    /// Creates the inference of `network` on `device` with `weights`: all its parameters and buffers by name.
    ///
    /// # Errors
    /// If a variable is missing or has another shape, or there is not enough memory.
    pub fn new(
        network: Network,
        weights: &Variables,
        device: impl Into<Arc<dyn Device>>,
    ) -> Result<Inference> {
        let device = device.into();
        let variables = network.variables()?;
        let mut given = Vec::with_capacity(variables.len());
        for (name, shape) in &variables {
            let Some((own, values)) = weights.get(name) else {
                return Err(Error::input(format!("network {}: the weights lack {name}", network.name)));
            };
            if own != shape || values.len() != shape.numel() {
                let what = format!("{name} has shape {own}; expected {shape}");
                return Err(Error::input(format!("network {}: {what}", network.name)));
            }
            given.push((name.as_str(), &values[..]));
        }
        let deployment = device.deploy(&network.name, &given)?;
        let sizes = variables.into_iter().map(|(name, shape)| (name, shape.numel())).collect();
        Ok(Inference { network, device, deployment, sizes, programs: Mutex::default() })
    }

    /// Draws the initial weights of `network`, a pure function of network and `seed`.
    ///
    /// # Errors
    /// If the network is invalid, or there is not enough memory.
    pub fn initial_weights(network: &Network, seed: u64) -> Result<Variables> {
        let graph = network.graph(1)?;
        let stored = || graph.variables(Role::Parameter).chain(graph.variables(Role::Buffer));
        let bytes = stored().map(|(_, value)| value.bytes()).sum();
        check_memory(bytes).map_err(|e| e.at(format!("the weights of {}", network.name)))?;
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
    /// If no layer has this name.
    pub fn until(&self, name: &str) -> Result<Inference> {
        Ok(Inference {
            network: self.network.until(name)?,
            device: self.device.clone(),
            deployment: self.deployment.fork(),
            sizes: self.sizes.clone(),
            programs: Mutex::default(),
        })
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The device that it runs on.
    pub fn device(&self) -> &Arc<dyn Device> {
        &self.device
    }

    /// Runs the network on `input` of `shape` `[N, C, H, W]`; returns the output with its shape.
    ///
    /// # Errors
    /// If the shape does not fit the network or the input.
    pub fn run(&self, shape: &Shape, input: &[f32]) -> Result<(Shape, Vec<f32>)> {
        let ready = self.ready(shape)?;
        let mut values = ready.output_values()?;
        ready.run(shape, input, &mut values, None)?;
        Ok((ready.output.clone(), values))
    }

    /// Like [`Inference::run`], but writes to `output`, and does not allocate once a program for the shape exists.
    ///
    /// # Errors
    /// As [`Inference::run`], or if the length of `output` differs from that of the network's output.
    pub fn run_into(&self, shape: &Shape, input: &[f32], output: &mut [f32]) -> Result<()> {
        self.ready(shape)?.run(shape, input, output, None)
    }

    /// The report of the program for inputs of `shape`.
    ///
    /// # Errors
    /// If the shape does not fit the network.
    pub fn report(&self, shape: &Shape) -> Result<PlanReport> {
        Ok(self.ready(shape)?.program.report(None))
    }

    /// The report of the program with the mean time of each step over `runs` runs on `input`.
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
        let mut output = ready.output_values()?;
        let mut seconds = vec![0.0; ready.program.report(None).repeated_steps()];
        for _ in 0..runs {
            ready.run(shape, input, &mut output, Some((clock, &mut seconds)))?;
        }
        seconds.iter_mut().for_each(|total| *total /= runs.max(1) as f64);
        Ok(ready.program.report(Some(&seconds)))
    }

    /// The peak memory of a run on inputs of `shape` in bytes, including weights.
    ///
    /// # Errors
    /// If the shape does not fit the network.
    pub fn peak_bytes(&self, shape: &Shape) -> Result<usize> {
        Ok(self.report(shape)?.peak_bytes)
    }

    /// The figures of the plan of `network` for inputs of `shape`, without weights and without allocating memory.
    ///
    /// # Errors
    /// If the shape does not fit the network.
    pub fn plan(network: &Network, shape: &Shape, device: &dyn Device) -> Result<PlanReport> {
        let mut graph = network.graph_for(shape)?;
        passes::run_neutral(&mut graph, device.disabled());
        device.plan(graph)
    }

    fn ready(&self, shape: &Shape) -> Result<Arc<Ready>> {
        if let Some(ready) = lock(&self.programs).get(shape) {
            return Ok(ready.clone());
        }
        let mut graph = self.network.graph_for(shape)?;
        self.check_variables(&graph)?;
        passes::run_neutral(&mut graph, self.device.disabled());
        let output = graph.shape(graph.outputs[0]).clone();
        let ready = Arc::new(Ready { program: self.deployment.compile(graph)?, output });
        lock(&self.programs).insert(shape.clone(), ready.clone());
        Ok(ready)
    }

    /// Checks that the weights fit the shapes in `graph`: those of a linear layer depend on the size of the input.
    fn check_variables(&self, graph: &Graph) -> Result<()> {
        let variables = graph.variables(Role::Parameter).chain(graph.variables(Role::Buffer));
        for (_, value) in variables {
            if self.sizes.get(&value.name) != Some(&value.shape.numel()) {
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
}

impl Ready {
    /// Zeros in the shape of the output.
    fn output_values(&self) -> Result<Vec<f32>> {
        zeroed(self.output.checked_len()?).map_err(|e| e.at("the output"))
    }

    fn run(&self, shape: &Shape, input: &[f32], output: &mut [f32], profile: Option<Profile>) -> Result<()> {
        if input.len() != shape.numel() {
            let count = input.len();
            return Err(Error::input(format!(
                "the input of {} does not match its shape {shape}",
                counted(count, "value")
            )));
        }
        if output.len() != self.output.numel() {
            let what = "the length of the given output slice does not match the network's output";
            return Err(Error::failed(what));
        }
        self.program.run(input, output, profile)
    }
}

/// Locks the cache of programs, ignoring poisoning: a panic cannot leave it inconsistent, because entries are complete
/// when added.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
