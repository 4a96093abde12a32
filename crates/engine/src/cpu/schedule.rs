//! Turns a graph with layouts and choices into a plan: binds kernels and assigns regions to values.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use striate_graph::{Kind, Node, Op, Role, Segment, Value, ValueId};
use striate_kernels::{Access, Layout, Place, Region};
use striate_kernels::{Kernel, reorder};
use striate_tensor::{ALIGNMENT, DType, Result};

use super::Cpu;
use super::in_place::Within;
use super::layout::{Choice, LaidOut};
use super::plan::{Constant, Plan, Preparation, Step};
use super::session::{Placement, Placements};
use crate::memory::{Need, place};
use crate::passes::trains;
use crate::report::StepReport;

/// The buffers of a training plan after the arena, in order.
const VARIABLE_ROLES: [Role; 6] =
    [Role::Parameter, Role::Gradient, Role::Total, Role::State, Role::Buffer, Role::Scalar];

pub(super) fn schedule(
    mut laid_out: LaidOut,
    cpu: &Cpu,
    placements: &Placements,
    share: bool,
) -> Result<Plan> {
    let (bound, aliases) = bind(&mut laid_out, cpu);
    let graph = &laid_out.graph;
    let originals = originals(&bound);
    let mut places = Places { laid_out: &laid_out, regions: HashMap::new(), aliases };
    let (once, each): (Vec<Bound>, Vec<Bound>) =
        bound.into_iter().partition(|step| step.node.segment == Segment::Prepare);

    let variables = if trains(graph) { places.place_variables(placements) } else { Vec::new() };
    let mut variable_bytes = vec![0; if variables.is_empty() { 0 } else { VARIABLE_ROLES.len() }];
    for (_, Placement { region, .. }) in &variables {
        let Place::Own(buffer) = region.place else { unreachable!("variables are owned") };
        let size = &mut variable_bytes[buffer - 1];
        *size = (*size).max(region.bytes.end.next_multiple_of(ALIGNMENT));
    }
    let prepared: HashSet<ValueId> = once.iter().flat_map(|step| &step.node.outputs).copied().collect();
    let constant = |id: ValueId| constant(&laid_out, &originals, id);
    let preparation = once.into_iter().map(|step| step.prepare(&laid_out, &constant));
    let preparation = preparation.collect::<Result<Vec<Preparation>>>()?;
    let constants = places.place_constants(&each, &prepared).into_iter().map(constant).collect();
    let scratch = places.place_work(&each, share);
    let steps = each
        .into_iter()
        .zip(scratch.regions)
        .map(|(step, scratch)| step.finish(&places, scratch))
        .collect::<Result<Vec<Step>>>()?;
    Ok(Plan {
        inputs: graph.inputs.iter().map(|id| places.region(*id)).collect(),
        outputs: graph.outputs.iter().map(|id| places.region(*id)).collect(),
        preparation,
        steps,
        work_bytes: scratch.work_bytes,
        variable_bytes,
        variables,
        constants,
        graph: laid_out.graph,
    })
}

/// A node with its kernel.
struct Bound {
    node: Node,
    op: &'static str,
    algorithm: &'static str,
    kernel: Box<dyn Kernel>,
    /// Whether it only converts a value to another layout.
    is_copy: bool,
    /// Whether its result takes the place of the last operand that it reads.
    replaces: bool,
    /// Threads that will run it.
    threads: usize,
}

/// Values that lie in others.
type Aliases = HashMap<ValueId, Within>;

/// Binds each node's kernel to its layouts. Aliases and parts are returned as a map to the values that they lie in.
fn bind(laid_out: &mut LaidOut, cpu: &Cpu) -> (Vec<Bound>, Aliases) {
    let choices = std::mem::take(&mut laid_out.choices);
    let (isa, threads) = (cpu.isa(), cpu.thread_pool().threads());
    let graph = &laid_out.graph;
    let mut aliases = laid_out.within.clone();
    let mut bound = Vec::with_capacity(choices.len());
    for (index, (node, choice)) in graph.nodes.iter().zip(choices).enumerate() {
        let operands = node.inputs.iter().chain(&node.outputs);
        let layouts: Vec<Layout> = operands.map(|id| laid_out.layouts[id.0]).collect();
        let is_copy = matches!(choice, Choice::Reorder);
        let (op, algorithm, kernel) = match choice {
            Choice::Alias => {
                aliases.insert(node.outputs[0], Within { whole: node.inputs[0], offset: 0 });
                continue;
            }
            Choice::InPlace => continue,
            Choice::Reorder => {
                let shape = graph.shape(node.inputs[0]).nchw();
                let dtype = graph.value(node.inputs[0]).dtype;
                ("reorder", "reorder", reorder::kernel(shape, layouts[0].of(dtype), layouts[1], isa))
            }
            Choice::Kernel(candidates, position) => {
                (node.op.name(), candidates.name(position), candidates.prepare(position, isa, &layouts))
            }
        };
        let replaces = laid_out.replacing.contains(&index);
        bound.push(Bound { node: node.clone(), op, algorithm, kernel, is_copy, replaces, threads });
    }
    (bound, aliases)
}

impl Bound {
    fn finish(self, places: &Places, scratch: Option<Region>) -> Result<Step> {
        let graph = &places.laid_out.graph;
        let mut reads: Vec<Region> = self.node.inputs.iter().map(|id| places.region(*id)).collect();
        let replaced = if self.replaces { reads.pop() } else { None };
        let mut writes: Vec<Region> = self.node.outputs.iter().map(|id| places.region(*id)).collect();
        if let Op::ClipNorm(_) = self.node.op {
            writes = join_neighbors(writes);
        }
        writes.extend(scratch);
        let is_float = |id: &&ValueId| graph.value(**id).dtype == DType::F32;
        let written =
            self.node.outputs.iter().filter(is_float).flat_map(|id| places.own_regions(*id)).collect();
        let access = Access::new(reads, writes).map_err(|e| e.at(format!("step {}", self.node.name)))?;
        let bytes: usize = access.regions().iter().chain(&replaced).map(|region| region.bytes.len()).sum();
        let operands = self.node.inputs.iter().chain(&self.node.outputs);
        let between: usize = operands.map(|id| places.laid_out.bytes_between(*id)).sum();
        let output = self.node.outputs[0];
        let report = StepReport {
            op: self.op,
            algorithm: self.algorithm.into(),
            output: graph.shape(output).to_string(),
            format: places.laid_out.layouts[output.0].of(graph.value(output).dtype).to_string(),
            once: self.node.segment == Segment::Prepare,
            flops: 2 * self.node.macs(graph),
            bytes: (bytes - between) as u64,
            seconds: None,
            name: self.node.name,
        };
        Ok(Step { report, segment: self.node.segment, kernel: self.kernel, access, written })
    }

    /// Returns the step as one of the preparation, with memory of its own.
    fn prepare(self, laid_out: &LaidOut, constant: &impl Fn(ValueId) -> Constant) -> Result<Preparation> {
        let mut places = Places { laid_out, regions: HashMap::new(), aliases: HashMap::new() };
        let mut inputs: Vec<ValueId> = Vec::new();
        for id in &self.node.inputs {
            if let Entry::Vacant(region) = places.regions.entry(*id) {
                region.insert(Region { place: Place::Shared(inputs.len()), bytes: 0..laid_out.bytes(*id) });
                inputs.push(*id);
            }
        }
        for (index, id) in self.node.outputs.iter().enumerate() {
            places.regions.insert(*id, Region { place: Place::Own(index), bytes: 0..laid_out.bytes(*id) });
        }
        let outputs: Vec<Constant> = self.node.outputs.iter().copied().map(constant).collect();
        let scratch_bytes = self.scratch_bytes();
        let scratch = Region { place: Place::Own(outputs.len()), bytes: 0..scratch_bytes };
        let step = self.finish(&places, (scratch_bytes > 0).then_some(scratch))?;
        Ok(Preparation { step, inputs: inputs.into_iter().map(constant).collect(), outputs, scratch_bytes })
    }

    fn scratch_bytes(&self) -> usize {
        self.kernel.scratch_bytes(self.threads)
    }
}

/// Merges all regions but the last, which are contiguous, into one; the last is the norm.
pub(crate) fn join_neighbors(mut regions: Vec<Region>) -> Vec<Region> {
    let norm = regions.pop().expect("clip_norm writes its norm");
    let start = regions.iter().map(|region| region.bytes.start).min().unwrap_or(0);
    let end = regions.iter().map(|region| region.bytes.end).max().unwrap_or(0);
    let place = regions[0].place;
    vec![Region { place, bytes: start..end.next_multiple_of(ALIGNMENT) }, norm]
}

/// The original of each value that a step of the preparation converts to another layout.
fn originals(bound: &[Bound]) -> HashMap<ValueId, ValueId> {
    let copies = bound.iter().filter(|step| step.is_copy && step.node.segment == Segment::Prepare);
    copies.map(|step| (step.node.outputs[0], step.node.inputs[0])).collect()
}

/// The constant `id`.
fn constant(laid_out: &LaidOut, originals: &HashMap<ValueId, ValueId>, id: ValueId) -> Constant {
    let original = laid_out.graph.value(originals.get(&id).copied().unwrap_or(id));
    let Value { name, shape, dtype, .. } = original.clone();
    Constant { name, shape, dtype, layout: laid_out.layouts[id.0] }
}

struct Places<'a> {
    laid_out: &'a LaidOut,
    regions: HashMap<ValueId, Region>,
    aliases: Aliases,
}

/// The arena's size and scratch memory.
struct Work {
    work_bytes: usize,
    /// The scratch memory of each step, if any.
    regions: Vec<Option<Region>>,
}

impl Places<'_> {
    fn root(&self, id: ValueId) -> ValueId {
        self.within(id).whole
    }

    /// The value that `id` lies in, which is `id` itself if it lies in no other, and its offset there.
    fn within(&self, id: ValueId) -> Within {
        let mut place = Within { whole: id, offset: 0 };
        while let Some(Within { whole, offset }) = self.aliases.get(&place.whole) {
            place = Within { whole: *whole, offset: place.offset + offset };
        }
        place
    }

    /// The region from the start of `id` to its end.
    fn region(&self, id: ValueId) -> Region {
        let Within { whole, offset } = self.within(id);
        let Region { place, bytes } = &self.regions[&whole];
        let start = bytes.start + offset;
        Region { place: *place, bytes: start..start + self.laid_out.bytes(id) }
    }

    /// The regions of `id`, without what lies between them if it is part of another value.
    fn own_regions(&self, id: ValueId) -> Vec<Region> {
        let Region { place, bytes } = self.region(id);
        let shift = |own: Range<usize>| bytes.start + own.start..bytes.start + own.end;
        self.laid_out.ranges(id).into_iter().map(|own| Region { place, bytes: shift(own) }).collect()
    }

    /// Assigns regions to variables. Those with the same role are contiguous, gradients in the order in which they
    /// are computed.
    fn place_variables(&mut self, placements: &Placements) -> Vec<(String, Placement)> {
        let laid_out = self.laid_out;
        let graph = &laid_out.graph;
        let mut variables = Vec::new();
        for (buffer, role) in VARIABLE_ROLES.into_iter().enumerate() {
            let ids: Vec<ValueId> = match role {
                Role::Gradient => graph.gradients.iter().map(|(_, gradient)| *gradient).collect(),
                _ => graph.variables(role).map(|(id, _)| id).collect(),
            };
            let mut offset = 0;
            for id in ids {
                let value = graph.value(id);
                let region = match placements.get(&value.name) {
                    Some(placement) => placement.region.clone(),
                    None => Region {
                        place: Place::Own(buffer + 1),
                        bytes: offset..offset + self.laid_out.bytes(id),
                    },
                };
                offset = region.bytes.end.next_multiple_of(ALIGNMENT);
                self.regions.insert(id, region.clone());
                let layout = laid_out.layouts[id.0];
                variables
                    .push((value.name.clone(), Placement { shape: value.shape.clone(), layout, region }));
            }
        }
        variables
    }

    /// Assigns shared buffers to the constants that `steps` read, variables and `prepared` values, and returns these in
    /// the order of the buffers.
    fn place_constants(&mut self, steps: &[Bound], prepared: &HashSet<ValueId>) -> Vec<ValueId> {
        let mut constants = Vec::new();
        for id in steps.iter().flat_map(|step| &step.node.inputs) {
            let root = self.root(*id);
            if self.laid_out.graph.value(root).role().is_none() && !prepared.contains(&root) {
                continue;
            }
            if let Entry::Vacant(place) = self.regions.entry(root) {
                let bytes = 0..self.laid_out.bytes(root);
                place.insert(Region { place: Place::Shared(constants.len()), bytes });
                constants.push(root);
            }
        }
        constants
    }

    /// Assigns regions of the arena to inputs, computed values and scratch memory.
    fn place_work(&mut self, steps: &[Bound], share: bool) -> Work {
        let laid_out = self.laid_out;
        let graph = &laid_out.graph;
        let end = steps.len();
        let mut lives: HashMap<ValueId, (usize, usize)> = HashMap::new();
        let mut order: Vec<ValueId> = Vec::new();
        let mut touch = |id: ValueId, at: usize| {
            let life = lives.entry(id).or_insert_with(|| {
                order.push(id);
                (at, at)
            });
            life.1 = life.1.max(at);
        };
        graph.inputs.iter().for_each(|id| touch(*id, 0));
        for (index, step) in steps.iter().enumerate() {
            step.node.inputs.iter().chain(&step.node.outputs).for_each(|id| touch(self.root(*id), index));
        }
        graph.outputs.iter().for_each(|id| touch(self.root(*id), end));

        let owned: Vec<ValueId> = order.into_iter().filter(|id| !self.regions.contains_key(id)).collect();
        debug_assert!(owned.iter().all(|id| !matches!(graph.value(*id).kind, Kind::Variable { .. })));
        let mut needs: Vec<Need> = owned
            .iter()
            .map(|id| Need { bytes: self.laid_out.bytes(*id), first: lives[id].0, last: lives[id].1 })
            .collect();
        let scratch: Vec<usize> =
            (0..steps.len()).filter(|index| steps[*index].scratch_bytes() > 0).collect();
        needs.extend(scratch.iter().map(|at| Need {
            bytes: steps[*at].scratch_bytes(),
            first: *at,
            last: *at,
        }));
        let (offsets, work_bytes) = place(&needs, share);
        let region = |index: usize| Region {
            place: Place::Own(0),
            bytes: offsets[index]..offsets[index] + needs[index].bytes,
        };
        for (index, id) in owned.iter().enumerate() {
            self.regions.insert(*id, region(index));
        }
        let mut regions = vec![None; steps.len()];
        for (index, at) in scratch.iter().enumerate() {
            regions[*at] = Some(region(owned.len() + index));
        }
        Work { work_bytes, regions }
    }
}
