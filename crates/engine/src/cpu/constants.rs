//! The constants of a deployment: variables and what plans compute from them once, in the layouts that they read.
//!
//! A new plan packs only what no plan before it has packed. What no plan reads is not kept if it can be had again: values
//! computed on the way are computed again from the variables, and a variable that is held in another order of the same
//! numbers is converted back, which changes no bit. What kernels transform, such as the weights of Winograd
//! convolutions, cannot be converted back, so that the variable itself is kept for layouts that later plans may want.
//! So every input shape gets the algorithms and the bits that it would get alone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use striate_kernels::{Context, Layout, Memory, reorder};
use striate_tensor::{Buffer, Error, Result, Shape};

use super::Cpu;
use super::plan::{Constant, Plan, Preparation};

/// The constants at one time.
#[derive(Default)]
pub(super) struct Constants {
    /// By name.
    held: HashMap<String, Vec<Held>>,
    /// The names of the variables.
    variables: HashSet<String>,
}

/// A constant in memory.
struct Held {
    shape: Shape,
    layout: Layout,
    buffer: Arc<Buffer>,
}

impl Held {
    fn is(&self, constant: &Constant) -> bool {
        self.shape == constant.shape && self.layout == constant.layout
    }

    /// Whether it contains the numbers of `constant` in another order.
    fn is_permutation_of(&self, constant: &Constant) -> bool {
        let is_order = |layout: Layout| !matches!(layout, Layout::Packed(_));
        let same_shape = self.shape == constant.shape && self.shape.len() <= 4;
        same_shape && self.layout != constant.layout && is_order(self.layout) && is_order(constant.layout)
    }
}

impl Constants {
    /// Adds the variable `name` with `values` in plain order.
    pub fn add_variable(&mut self, name: String, shape: Shape, values: Buffer) {
        let held = Held { shape, layout: Layout::Plain, buffer: Arc::new(values) };
        self.variables.insert(name.clone());
        self.held.insert(name, vec![held]);
    }

    /// Returns the buffers of the constants of `plan`, after those steps of its preparation whose results are missing.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn prepare(&mut self, plan: &Plan, cpu: &Cpu) -> Result<Vec<Arc<Buffer>>> {
        let steps = self.missing_steps(plan);
        let reads = steps.iter().enumerate();
        let last_reads: HashMap<&Constant, usize> =
            reads.flat_map(|(index, once)| once.inputs.iter().map(move |input| (input, index))).collect();
        for (index, once) in steps.iter().enumerate() {
            self.run(once, cpu)?;
            for input in once.inputs.iter().filter(|input| last_reads[input] == index) {
                if !plan.constants.contains(input) {
                    self.release(input);
                }
            }
        }
        plan.constants.iter().map(|constant| self.get(constant)).collect()
    }

    /// The steps of the preparation of `plan` that have to run, in order.
    pub fn missing_steps<'p>(&self, plan: &'p Plan) -> Vec<&'p Preparation> {
        let mut needed: HashSet<&Constant> =
            plan.constants.iter().filter(|constant| self.find(constant).is_none()).collect();
        let mut steps = Vec::new();
        for once in plan.preparation.iter().rev() {
            if once.outputs.iter().any(|output| needed.contains(output)) {
                let is_at_hand = |input: &Constant| self.find(input).or(self.permuted(input)).is_some();
                needed.extend(once.inputs.iter().filter(|input| !is_at_hand(input)));
                steps.push(once);
            }
        }
        steps.reverse();
        steps
    }

    /// Runs a step of a preparation and adds its results.
    fn run(&mut self, once: &Preparation, cpu: &Cpu) -> Result<()> {
        let shared = once.inputs.iter().map(|input| self.get(input)).collect::<Result<_>>()?;
        let scratch = (once.scratch_bytes > 0).then_some(once.scratch_bytes);
        let sizes = once.outputs.iter().map(Constant::bytes).chain(scratch);
        let own = sizes.map(Buffer::zeroed).collect::<Result<_>>()?;
        let mut memory = Memory::new(own, shared);
        let context = Context { thread_pool: cpu.thread_pool() };
        once.step.kernel.run(&context, &mut memory.open(&once.step.access));
        for (output, buffer) in once.outputs.iter().zip(memory.own) {
            if self.find(output).is_none() {
                self.hold(output, Arc::new(buffer));
            }
        }
        Ok(())
    }

    /// Returns the buffer of `constant`, converted from another order of the same numbers if it is not held.
    fn get(&mut self, constant: &Constant) -> Result<Arc<Buffer>> {
        if let Some(held) = self.find(constant) {
            return Ok(held.buffer.clone());
        }
        let Some(other) = self.permuted(constant) else {
            return Err(Error::failed(format!("{} is not held in plain order", constant.name)));
        };
        let mut buffer = Buffer::zeroed(constant.bytes())?;
        let (shape, source) = (constant.shape.nchw(), other.buffer.as_slice());
        reorder::reorder(shape, other.layout, constant.layout, source, buffer.as_mut_slice());
        let buffer = Arc::new(buffer);
        self.hold(constant, buffer.clone());
        Ok(buffer)
    }

    fn hold(&mut self, constant: &Constant, buffer: Arc<Buffer>) {
        let held = Held { shape: constant.shape.clone(), layout: constant.layout, buffer };
        self.held.entry(constant.name.clone()).or_default().push(held);
    }

    fn find(&self, constant: &Constant) -> Option<&Held> {
        self.held.get(&constant.name)?.iter().find(|held| held.is(constant))
    }

    /// The numbers of `constant` in another order.
    fn permuted(&self, constant: &Constant) -> Option<&Held> {
        self.held.get(&constant.name)?.iter().find(|held| held.is_permutation_of(constant))
    }

    /// Drops `constant` if no plan reads it and it can be had again.
    fn release(&mut self, constant: &Constant) {
        let is_needed = self.variables.contains(&constant.name) && self.permuted(constant).is_none();
        if let (false, Some(versions)) = (is_needed, self.held.get_mut(&constant.name)) {
            versions.retain(|held| !held.is(constant) || Arc::strong_count(&held.buffer) > 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use striate_graph::{Builder, Network};

    use super::super::session::Placements;
    use super::*;
    use crate::passes::{Disabled, run_neutral};
    use crate::{Inference, Isa};

    /// A network whose first weights are folded, whose second are reordered, and whose third are read as they are.
    fn network() -> Network {
        let net = Builder::new("net", [16, 9, 9]);
        let x = net.input().conv(16, 1).no_bias().batch_norm().relu();
        x.conv(32, 1).named("second").relu().flatten().linear(5).named("third").finish().unwrap()
    }

    fn cpu(without: &[&str]) -> Cpu {
        let isa = Isa::available()[0];
        Cpu::with_isa(2, isa).without(Disabled::new(without.iter().copied()).unwrap())
    }

    fn plan(network: &Network, batch: usize, cpu: &Cpu) -> Plan {
        let mut graph = network.graph(batch).unwrap();
        run_neutral(&mut graph, &Disabled::none());
        cpu.compile(graph, &Placements::new()).unwrap()
    }

    fn constants(network: &Network) -> Constants {
        let mut constants = Constants::default();
        for (name, (shape, values)) in Inference::initial_weights(network, 1).unwrap() {
            constants.add_variable(name, shape, Buffer::from_vec(values).unwrap());
        }
        constants
    }

    fn names(steps: &[&Preparation]) -> Vec<String> {
        steps.iter().map(|once| once.step.report.name.clone()).collect()
    }

    /// The layouts in which `name` is held.
    fn layouts(constants: &Constants, name: &str) -> Vec<Layout> {
        constants.held.get(name).into_iter().flatten().map(|held| held.layout).collect()
    }

    #[test]
    fn second_shape_packs_nothing_and_shares_all_constants() {
        let (network, cpu) = (network(), cpu(&[]));
        let mut constants = constants(&network);
        let [first, second] = [1, 2].map(|batch| plan(&network, batch, &cpu));
        assert_eq!(constants.missing_steps(&first).len(), 3);
        let before = constants.prepare(&first, &cpu).unwrap();
        assert!(constants.missing_steps(&second).is_empty());
        let after = constants.prepare(&second, &cpu).unwrap();
        assert!(before.iter().zip(&after).all(|(a, b)| Arc::ptr_eq(a, b)) && before.len() == after.len());
    }

    #[test]
    fn only_missing_constants_are_prepared() {
        let (network, cpu) = (network(), cpu(&[]));
        let mut constants = constants(&network);
        let plan = plan(&network, 1, &cpu);
        constants.prepare(&plan, &cpu).unwrap();
        let folded = |constant: &&Constant| constant.name.ends_with("weight.folded");
        let folded = plan.constants.iter().find(folded).unwrap();
        constants.held.remove(&folded.name);
        let missing = names(&constants.missing_steps(&plan));
        assert!(missing[0].starts_with("fold/") && missing[1].starts_with(&folded.name), "{missing:?}");
        assert_eq!(missing.len(), 2);
    }

    #[test]
    fn reordered_variable_is_held_once_and_converted_back_bit_by_bit() {
        let (network, cpu, plain) = (network(), cpu(&[]), cpu(&["layout"]));
        let mut constants = constants(&network);
        let original = constants.held["second.weight"][0].buffer.as_bytes().to_vec();
        let [blocked, plain_plan] = [&cpu, &plain].map(|cpu| plan(&network, 1, cpu));
        constants.prepare(&blocked, &cpu).unwrap();
        let held = layouts(&constants, "second.weight");
        assert!(held.len() == 1 && held[0] != Layout::Plain, "{held:?}");
        assert!(layouts(&constants, "third.weight") == [Layout::Plain]);
        let buffers = constants.prepare(&plain_plan, &plain).unwrap();
        let index = plain_plan.constants.iter().position(|constant| constant.name == "second.weight");
        assert_eq!(buffers[index.unwrap()].as_bytes(), original);
    }

    #[test]
    fn values_on_the_way_are_not_kept_but_variables_that_cannot_be_had_again_are() {
        let (network, cpu) = (network(), cpu(&[]));
        let mut constants = constants(&network);
        let plan = plan(&network, 1, &cpu);
        let first = plan.preparation[0].inputs[0].clone();
        let folded = plan.preparation[0].outputs[0].clone();
        constants.prepare(&plan, &cpu).unwrap();
        assert_eq!(layouts(&constants, &first.name), [Layout::Plain], "folding is not a permutation");
        assert!(!layouts(&constants, &folded.name).contains(&Layout::Plain));
    }
}
