//! Inference with fixed weights: one program for each input shape.

use std::collections::HashMap;
use std::sync::Arc;

use striate_graph::{Graph, Network, Role, initial_values, score_gradients};
use striate_tensor::{Error, Result, Shape, check_memory, with_capacity};

use crate::clock::Clock;
use crate::device::{Deployment, Device, FixedWeights};
use crate::programs::{Programs, Ready};
use crate::report::PlanReport;
use crate::sensitivity::Sensitivity;
use crate::{Variables, passes};

/// A network with fixed weights, ready for inputs of any shape that it accepts.
///
/// Can be shared between threads. Programs for the [`KEPT_PROGRAMS`] input shapes that were used last are kept. A
/// request for a shape that has a program never waits for the compilation of another one.
pub struct Inference {
    network: Network,
    device: Arc<dyn Device>,
    deployment: Arc<dyn Deployment>,
    /// The number of elements of each weight.
    sizes: HashMap<String, usize>,
    programs: Programs,
}

/// The number of input shapes whose programs are kept. A program is a list of steps, without the weights and the memory
/// of runs, which programs share; this many serve every batch size of a service that collects requests.
pub const KEPT_PROGRAMS: usize = 32;

impl Inference {
    /// Creates the inference of `network` on `device` with `weights`: all its parameters and buffers by name, and
    /// possibly others. They are copied; see [`Inference::with_weights`].
    ///
    /// # Errors
    /// If a variable is missing or has another shape, or there is not enough memory.
    pub fn new(
        network: Network,
        weights: &Variables,
        device: impl Into<Arc<dyn Device>>,
    ) -> Result<Inference> {
        let mut copies = Variables::new();
        for (name, _) in network.variables()? {
            let Some((shape, values)) = weights.get(&name) else { continue };
            let mut copy = with_capacity(values.len()).map_err(|e| e.at(&name))?;
            copy.extend_from_slice(values);
            copies.insert(name, (shape.clone(), copy));
        }
        Inference::with_weights(network, copies, device)
    }

    /// Like [`Inference::new`], but takes the weights over. If they can be read again, those that no program reads are
    /// released.
    ///
    /// # Errors
    /// As [`Inference::new`].
    pub fn with_weights(
        network: Network,
        weights: impl Into<FixedWeights>,
        device: impl Into<Arc<dyn Device>>,
    ) -> Result<Inference> {
        let (mut weights, device) = (weights.into(), device.into());
        let variables = network.variables()?;
        for (name, shape) in &variables {
            let Some((own, values)) = weights.values.get(name) else {
                return Err(Error::input(format!("network {}: the weights lack {name}", network.name)));
            };
            if own != shape || values.len() != shape.numel() {
                let what = format!("{name} has shape {own}; expected {shape}");
                return Err(Error::input(format!("network {}: {what}", network.name)));
            }
        }
        let sizes: HashMap<String, usize> =
            variables.into_iter().map(|(name, shape)| (name, shape.numel())).collect();
        weights.values.retain(|name, _| sizes.contains_key(name));
        let deployment = device.deploy(&network.name, weights)?;
        Ok(Inference { network, device, deployment, sizes, programs: Programs::default() })
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
            programs: Programs::default(),
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

    /// The report of the program with the mean time of each step over `runs` runs on `input`, after one that warms up
    /// caches.
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
        ready.run(shape, input, &mut output, None)?;
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

    /// Compiles a program that computes, for inputs of `shape`, how class scores change with the `wanted` values:
    /// the outputs of layers, by name, or the input, [`striate_graph::INPUT`].
    ///
    /// # Errors
    /// If the shape does not fit the network, or as [`score_gradients`].
    pub fn sensitivity(&self, shape: &Shape, wanted: &[&str]) -> Result<Sensitivity> {
        let graph = self.network.graph_for(shape)?;
        self.check_variables(&graph)?;
        let mut derived = score_gradients(&graph, wanted)?;
        passes::run_neutral(&mut derived.graph, self.device.disabled());
        let program = self.deployment.compile(derived.graph.clone())?;
        Sensitivity::new(program, &derived, wanted)
    }

    /// The number of input shapes whose programs are kept at the moment.
    pub fn kept_programs(&self) -> usize {
        self.programs.count()
    }

    fn ready(&self, shape: &Shape) -> Result<Arc<Ready>> {
        if let Some(ready) = self.programs.find(shape) {
            return Ok(ready);
        }
        // An input that does not fit takes no other program's place.
        let mut graph = self.network.graph_for(shape)?;
        self.check_variables(&graph)?;
        self.programs.find_or_compile(shape, || {
            passes::run_neutral(&mut graph, self.device.disabled());
            let output = graph.shape(graph.outputs[0]).clone();
            Ok(Ready { program: self.deployment.compile(graph)?, output })
        })
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

#[cfg(test)]
mod tests {
    use striate_graph::Builder;

    use super::*;
    use crate::{Cpu, Isa};

    fn inference(threads: usize) -> Inference {
        let net = Builder::new("net", [3, 12, 12]);
        let x = net.input().conv(20, 3).pad(1).batch_norm().relu().conv(32, 3).pad(1).relu();
        let network = x.global_average_pool().flatten().linear(7).finish().unwrap();
        let weights = Inference::initial_weights(&network, 3).unwrap();
        Inference::with_weights(network, weights, Cpu::with_isa(threads, Isa::available()[0])).unwrap()
    }

    fn input(size: usize) -> (Shape, Vec<f32>) {
        let shape = Shape::from([1 + size % 3, 3, 8 + size, 8 + size]);
        let values = (0..shape.numel()).map(|i| (i * 7 % 23) as f32 / 23.0 - 0.4).collect();
        (shape, values)
    }

    #[test]
    fn programs_of_many_shapes_are_bounded_and_change_no_bits() {
        let inference = inference(2);
        let run = |size: usize| {
            let (shape, values) = input(size);
            inference.run(&shape, &values).unwrap().1
        };
        let first: Vec<Vec<f32>> = (0..40).map(run).collect();
        assert_eq!(inference.kept_programs(), KEPT_PROGRAMS);
        assert!((0..40).all(|size| run(size) == first[size]));
        let wrong = Shape::from([1, 4, 8, 8]);
        assert!(inference.run(&wrong, &vec![0.0; wrong.numel()]).is_err());
        assert_eq!(inference.kept_programs(), KEPT_PROGRAMS);
    }

    #[test]
    fn concurrent_callers_get_the_bits_of_one() {
        let expected: Vec<Vec<f32>> = (0..6)
            .map(|size| {
                let (shape, values) = input(size);
                inference(1).run(&shape, &values).unwrap().1
            })
            .collect();
        let inference = inference(3);
        std::thread::scope(|scope| {
            for caller in 0..5 {
                let (inference, expected) = (&inference, &expected);
                scope.spawn(move || {
                    for round in 0..30 {
                        let size = (caller + round) % 6;
                        let (shape, values) = input(size);
                        assert_eq!(inference.run(&shape, &values).unwrap().1, expected[size]);
                    }
                });
            }
        });
    }
}
