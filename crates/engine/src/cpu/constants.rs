//! The constants of a deployment: variables and what plans compute from them once, in the layouts that they read.
//!
//! A new plan packs only what no plan before it has packed. What no plan reads is not kept if it can be had again:
//! values computed on the way are computed again from the variables, and a variable that is held in another order of
//! the same numbers is converted back, which changes no bit. Other variables, such as those of which only transforms
//! for Winograd convolution are held, are read again from where they came, or kept if that is not possible: a later
//! plan may want another layout. So every input shape gets the algorithms and the bits that it would get alone.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use striate_kernels::{Context, Layout, Memory, reorder};
use striate_tensor::{Buffer, DType, Error, Result, Shape, bf16};

use super::Cpu;
use super::plan::{Constant, Plan, Preparation};
use crate::device::ReadAgain;

/// The constants at one time.
pub(super) struct Constants {
    /// By name.
    held: HashMap<String, Vec<Held>>,
    /// The variables in plain order, which may be released.
    variables: HashMap<String, Constant>,
    /// Where the variables came from.
    again: Option<ReadAgain>,
}

/// A constant in memory.
struct Held {
    shape: Shape,
    dtype: DType,
    layout: Layout,
    buffer: Arc<Buffer>,
}

impl Held {
    fn is(&self, constant: &Constant) -> bool {
        (&self.shape, self.dtype, self.layout) == (&constant.shape, constant.dtype, constant.layout)
    }

    /// Whether it contains the numbers of `constant` in another order.
    fn is_permutation_of(&self, constant: &Constant) -> bool {
        let is_order = |layout: Layout| !matches!(layout, Layout::Packed(_));
        let same_shape = self.shape == constant.shape && self.shape.len() <= 4;
        same_shape
            && self.dtype == constant.dtype
            && self.layout != constant.layout
            && is_order(self.layout)
            && is_order(constant.layout)
    }
}

/// Buffers that were released during a preparation, for the results of its next steps: new pages cost more time than
/// most steps.
#[derive(Default)]
struct Spare(VecDeque<Buffer>);

impl Spare {
    /// Of use are the last variable and the last value on the way, which are what the next step may replace.
    const MOST: usize = 2;
    /// Smaller buffers are not worth a place.
    const LEAST_BYTES: usize = 16 << 10;

    fn add(&mut self, buffer: Buffer) {
        if buffer.len() < Self::LEAST_BYTES {
            return;
        }
        self.0.push_back(buffer);
        if self.0.len() > Self::MOST {
            self.0.pop_front();
        }
    }

    /// Takes a buffer of at least `bytes` bytes, or exactly as many for a result that `is_kept`. If there is none for
    /// such a result, all are released, because memory is scarcest when results are larger than what they replace.
    fn take(&mut self, bytes: usize, is_kept: bool) -> Option<Buffer> {
        let fits = |buffer: &Buffer| if is_kept { buffer.len() == bytes } else { buffer.len() >= bytes };
        let found = self.0.iter().position(fits).and_then(|index| self.0.remove(index));
        if is_kept && found.is_none() {
            self.0.clear();
        }
        found
    }
}

impl Constants {
    /// Creates the constants of variables that come from `again`.
    pub fn new(again: Option<ReadAgain>) -> Constants {
        Constants { held: HashMap::new(), variables: HashMap::new(), again }
    }

    /// Adds the variable `name` with `values` in plain order.
    pub fn add_variable(&mut self, name: String, shape: Shape, values: Buffer) {
        let constant = Constant { name: name.clone(), shape, dtype: DType::F32, layout: Layout::Plain };
        self.hold(&constant, Arc::new(values));
        self.variables.insert(name, constant);
    }

    /// Returns the buffers of the constants of `plan`, after those steps of its preparation whose results are missing.
    ///
    /// # Errors
    /// If there is not enough memory, or variables cannot be read again.
    pub fn prepare(&mut self, plan: &Plan, cpu: &Cpu) -> Result<Vec<Arc<Buffer>>> {
        let steps = self.missing_steps(plan);
        self.read_missing(steps.iter().flat_map(|once| &once.inputs).chain(&plan.constants))?;
        let reads = steps.iter().enumerate();
        let last_reads: HashMap<&Constant, usize> =
            reads.flat_map(|(index, once)| once.inputs.iter().map(move |input| (input, index))).collect();
        let mut spare = Spare::default();
        let kept: HashSet<&Constant> = plan.constants.iter().collect();
        for (index, once) in steps.iter().enumerate() {
            self.run(once, cpu, &kept, &mut spare)?;
            for input in once.inputs.iter().filter(|input| last_reads[input] == index) {
                if !kept.contains(input) {
                    let released = self.release(input).and_then(Arc::into_inner);
                    released.into_iter().for_each(|buffer| spare.add(buffer));
                }
            }
        }
        let constants = plan.constants.iter().map(|constant| self.get(constant)).collect();
        if self.again.is_some() {
            let variables: Vec<Constant> = self.variables.values().cloned().collect();
            variables.iter().for_each(|variable| drop(self.release(variable)));
        }
        constants
    }

    /// Reads those variables among `wanted` again that cannot be had otherwise.
    fn read_missing<'c>(&mut self, wanted: impl Iterator<Item = &'c Constant>) -> Result<()> {
        let is_missing = |constant: &&Constant| {
            let is_variable = self.variables.get(&constant.name) == Some(constant);
            is_variable && self.find(constant).or(self.permuted(constant)).is_none()
        };
        let missing: HashMap<&String, &Constant> =
            wanted.filter(is_missing).map(|constant| (&constant.name, constant)).collect();
        let (false, Some(again)) = (missing.is_empty(), &self.again) else { return Ok(()) };
        let names: Vec<&str> = missing.keys().map(|name| name.as_str()).collect();
        let mut read = again(&names)?;
        for (name, constant) in missing {
            let (_, values) =
                read.remove(name).filter(|(shape, _)| *shape == constant.shape).ok_or_else(|| {
                    Error::input(format!("{name} has changed since it was first read; restart the program"))
                })?;
            self.hold(constant, Arc::new(Buffer::from_vec(values)?));
        }
        Ok(())
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
    fn run(
        &mut self,
        once: &Preparation,
        cpu: &Cpu,
        kept: &HashSet<&Constant>,
        spare: &mut Spare,
    ) -> Result<()> {
        let shared = once.inputs.iter().map(|input| self.get(input)).collect::<Result<_>>()?;
        let scratch = (once.scratch_bytes > 0).then_some((once.scratch_bytes, false));
        let sizes = once.outputs.iter().map(|output| (output.bytes(), kept.contains(output)));
        let allocate = |(bytes, is_kept): (usize, bool)| match spare.take(bytes, is_kept) {
            Some(buffer) => Ok(buffer),
            None => Buffer::zeroed(bytes),
        };
        let own = sizes.chain(scratch).map(allocate).collect::<Result<_>>()?;
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
        let length = other.layout.len(&other.shape);
        let (shape, from, to) = (constant.shape.nchw(), other.layout, constant.layout);
        if constant.dtype == DType::BF16 {
            let source: &[bf16] = &other.buffer.as_slice()[..length];
            reorder::reorder(shape, from, to, source, buffer.as_mut_slice());
        } else {
            let source: &[f32] = &other.buffer.as_slice()[..length];
            reorder::reorder(shape, from, to, source, buffer.as_mut_slice());
        }
        let buffer = Arc::new(buffer);
        self.hold(constant, buffer.clone());
        Ok(buffer)
    }

    fn hold(&mut self, constant: &Constant, buffer: Arc<Buffer>) {
        let Constant { shape, dtype, layout, .. } = constant.clone();
        let held = Held { shape, dtype, layout, buffer };
        self.held.entry(constant.name.clone()).or_default().push(held);
    }

    fn find(&self, constant: &Constant) -> Option<&Held> {
        self.held.get(&constant.name)?.iter().find(|held| held.is(constant))
    }

    /// The numbers of `constant` in another order.
    fn permuted(&self, constant: &Constant) -> Option<&Held> {
        self.held.get(&constant.name)?.iter().find(|held| held.is_permutation_of(constant))
    }

    /// Removes `constant` if no plan reads it and it can be had again.
    fn release(&mut self, constant: &Constant) -> Option<Arc<Buffer>> {
        let is_variable = self.variables.contains_key(&constant.name);
        let is_needed = is_variable && self.again.is_none() && self.permuted(constant).is_none();
        let versions = self.held.get_mut(&constant.name).filter(|_| !is_needed)?;
        let is_unread = |held: &Held| held.is(constant) && Arc::strong_count(&held.buffer) == 1;
        let index = versions.iter().position(is_unread)?;
        Some(versions.swap_remove(index).buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

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
        let mut constants = Constants::new(None);
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

    #[test]
    fn variables_that_can_be_read_again_are_released_and_read_when_needed() {
        let (network, cpu, plain) = (network(), cpu(&[]), cpu(&["layout"]));
        let mut constants = constants(&network);
        let read = Arc::new(AtomicUsize::new(0));
        let (count, of) = (read.clone(), network.clone());
        constants.again = Some(Arc::new(move |names| {
            assert!(names.contains(&"second.weight"));
            count.fetch_add(1, SeqCst);
            Inference::initial_weights(&of, 1)
        }));
        let [blocked, unfolded] = [&cpu, &plain].map(|cpu| plan(&network, 1, cpu));
        let expected = super::tests::constants(&network).prepare(&unfolded, &plain).unwrap();
        constants.prepare(&blocked, &cpu).unwrap();
        let names: HashSet<&String> = blocked.constants.iter().map(|constant| &constant.name).collect();
        let held: HashSet<&String> =
            constants.held.iter().filter(|(_, held)| !held.is_empty()).map(|(name, _)| name).collect();
        assert_eq!(held, names, "only what the plan reads");
        assert_eq!(read.load(SeqCst), 0);
        constants.held.clear();
        let found = constants.prepare(&unfolded, &plain).unwrap();
        assert!(found.iter().zip(&expected).all(|(a, b)| a.as_bytes() == b.as_bytes()));
        assert_eq!(read.load(SeqCst), 1);
        constants.held.clear();
        constants.again = Some(Arc::new(|_| Ok(crate::Variables::new())));
        assert!(
            constants.prepare(&unfolded, &plain).unwrap_err().to_string().contains("restart the program")
        );
    }
}
