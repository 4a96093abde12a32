//! Chooses an implementation for every node, so that the sum of the costs of kernels and of conversions is small.
//!
//! The layouts of a value are states. A pass over the nodes in order finds for every value what it costs in addition to
//! have it in each layout rather than in its best one; a pass in reverse order then chooses, for each node, the
//! implementation that is cheapest given what the readers of its outputs chose; a few sweeps remove what the first two
//! passes cannot see, because values with several readers count for each of them. Along a chain, the sum is the
//! minimum.
//!
//! The choice depends on descriptors and the instruction set alone, never on threads or measurements.

use std::collections::HashMap;

use striate_graph::{Graph, Node, Segment, ValueId};
use striate_kernels::isa::Isa;
use striate_kernels::{Halo, Layout};
use striate_tensor::Shape;

use super::lower::{Lowering, Way, dtypes, lower};
use crate::passes::trains;

/// What the choice depends on besides the graph.
#[derive(Clone, Copy)]
pub(super) struct Policy<'a> {
    pub isa: Isa,
    /// Whether layouts other than plain are allowed.
    pub blocked: bool,
    /// Names of implementations that are chosen wherever they support the descriptor.
    pub forced: &'a [String],
}

/// The position of the chosen implementation in its list, and the layouts that it wants.
pub(super) struct Selected {
    pub position: usize,
    pub layouts: Vec<Layout>,
}

/// Multiply-adds at the peak in the time in which a byte is read or written.
const BYTE: f64 = 10.0 / 3.0;
/// The most sweeps.
const SWEEPS: usize = 4;

/// Returns the choice for every node; `None` for views and updates.
pub(super) fn select(graph: &Graph, policy: Policy) -> Vec<Option<Selected>> {
    let mut selection = Selection::new(graph, policy);
    selection.forward();
    selection.backward();
    for _ in 0..SWEEPS {
        if !selection.sweep() {
            break;
        }
    }
    selection.finish()
}

/// A node with the ways to compute it.
struct Candidate {
    ways: Vec<Way>,
    /// The time of each, with reading and writing activations.
    costs: Vec<f64>,
    chosen: usize,
}

struct Selection<'a> {
    graph: &'a Graph,
    policy: Policy<'a>,
    trains: bool,
    /// Whether each value changes only with the weights.
    constant: Vec<bool>,
    /// The possible layouts of each value, without halos, with the additional cost of each.
    states: Vec<Vec<(Layout, f64)>>,
    candidates: Vec<Option<Candidate>>,
    /// The layouts that the readers of each value want, by node.
    wants: Vec<Vec<(usize, Layout)>>,
}

impl<'a> Selection<'a> {
    fn new(graph: &'a Graph, policy: Policy<'a>) -> Self {
        let trains = trains(graph);
        let mut constant: Vec<bool> =
            graph.values.iter().map(|value| value.role().is_some() && !trains).collect();
        for node in graph.nodes.iter().filter(|node| node.segment == Segment::Prepare) {
            node.outputs.iter().for_each(|output| constant[output.0] = true);
        }
        let count = graph.values.len();
        Selection {
            graph,
            policy,
            trains,
            constant,
            states: vec![vec![(Layout::Plain, 0.0)]; count],
            candidates: Vec::new(),
            wants: vec![Vec::new(); count],
        }
    }

    /// The cost of the value `id` in layout `to` if it exists in layout `from`.
    fn conversion(&self, id: ValueId, from: Layout, to: Layout) -> f64 {
        let (from, to) = (from.with_halo(Halo::NONE), to.with_halo(Halo::NONE));
        if from == to || self.constant[id.0] {
            return 0.0;
        }
        let shape = self.graph.shape(id);
        match to {
            Layout::Packed(packed) => packed.packing.cost(packed.groups, shape.nchw()),
            to => BYTE * (self.bytes(id, from) + self.bytes(id, to)),
        }
    }

    /// The size of the value `id` in `layout`.
    fn bytes(&self, id: ValueId, layout: Layout) -> f64 {
        let value = self.graph.value(id);
        layout.checked_len(&value.shape).map_or(f64::MAX, |len| (len * value.dtype.size()) as f64)
    }

    /// The cost of the variable `id` in layout `to`. A trained parameter lives in the layout that the forward
    /// computation reads; if another program placed it elsewhere, that must not change what is chosen.
    fn conversion_of_variable(&self, id: ValueId, to: Layout) -> f64 {
        match to {
            Layout::Packed(_) | Layout::KernelBackward { .. } if self.trains => {
                self.conversion(id, Layout::Plain, to)
            }
            _ => 0.0,
        }
    }

    /// The additional cost of reading `id` in `layout`.
    fn reading(&self, id: ValueId, layout: Layout) -> f64 {
        if self.graph.value(id).role().is_some() {
            return self.conversion_of_variable(id, layout);
        }
        let states = self.states[id.0].iter();
        states.map(|(have, cost)| cost + self.conversion(id, *have, layout)).fold(f64::INFINITY, f64::min)
    }

    /// Lists the ways to compute each node, and finds the additional cost of each layout of each value.
    fn forward(&mut self) {
        for node in &self.graph.nodes {
            let candidate = self.candidate(node);
            match &candidate {
                Some(candidate) => self.add_states(node, candidate),
                None if node.op.is_view() => self.add_states_of_view(node),
                None => {}
            }
            self.candidates.push(candidate);
        }
    }

    fn candidate(&self, node: &Node) -> Option<Candidate> {
        if node.op.is_update() {
            return None;
        }
        let len = |id: ValueId| self.graph.shape(id).numel();
        let Lowering::Kernels(lowered) = lower(self.graph, node, &len) else { return None };
        let mut ways: Vec<Way> = Vec::new();
        let dtypes = dtypes(self.graph, node);
        for first in self.first_layouts(node) {
            for way in lowered.options(self.policy.isa, &dtypes, first) {
                let plain = way.layouts.iter().all(|layout| *layout == Layout::Plain);
                let known = ways.iter().any(|w| (w.position, &w.layouts) == (way.position, &way.layouts));
                if (self.policy.blocked || plain) && !known {
                    ways.push(way);
                }
            }
        }
        let is_forced = |way: &Way| self.policy.forced.iter().any(|name| name == way.name);
        if ways.iter().any(is_forced) {
            ways.retain(is_forced);
        }
        let costs = ways.iter().map(|way| way.cost + self.moving(node, &way.layouts)).collect();
        Some(Candidate { ways, costs, chosen: 0 })
    }

    /// The layouts of the first operand that implementations are asked for.
    fn first_layouts(&self, node: &Node) -> Vec<Layout> {
        let Some(first) = node.inputs.first() else { return vec![Layout::Plain] };
        let value = self.graph.value(*first);
        let mut layouts = Vec::new();
        if value.role().is_none() && self.policy.blocked {
            if blocks_help(&value.shape, node) {
                layouts.push(Layout::channels(self.policy.isa.block()));
            }
            let others = self.states[first.0].iter().map(|(layout, _)| *layout);
            layouts.extend(
                others
                    .filter(|layout| *layout != Layout::Plain && !layouts.contains(layout))
                    .collect::<Vec<_>>(),
            );
        }
        layouts.push(Layout::Plain);
        layouts
    }

    /// The time of reading and writing the activations of `node`, not counting halos.
    fn moving(&self, node: &Node, layouts: &[Layout]) -> f64 {
        let operands = node.inputs.iter().chain(&node.outputs).zip(layouts);
        let activations = operands.filter(|(id, _)| self.graph.value(**id).role().is_none());
        let bytes = |(id, layout): (&ValueId, &Layout)| self.bytes(*id, layout.with_halo(Halo::NONE));
        BYTE * activations.map(bytes).sum::<f64>()
    }

    fn cost_with_inputs(&self, node: &Node, candidate: &Candidate, way: usize) -> f64 {
        let layouts = &candidate.ways[way].layouts;
        let reading = node.inputs.iter().zip(layouts).map(|(id, layout)| self.reading(*id, *layout));
        candidate.costs[way] + reading.sum::<f64>()
    }

    fn add_states(&mut self, node: &Node, candidate: &Candidate) {
        let costs: Vec<f64> =
            (0..candidate.ways.len()).map(|way| self.cost_with_inputs(node, candidate, way)).collect();
        let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
        for (index, output) in node.outputs.iter().enumerate() {
            let mut states: Vec<(Layout, f64)> = Vec::new();
            for (way, cost) in candidate.ways.iter().zip(&costs) {
                let layout = way.layouts[node.inputs.len() + index].with_halo(Halo::NONE);
                match states.iter_mut().find(|(have, _)| *have == layout) {
                    Some((_, least_of_layout)) => *least_of_layout = least_of_layout.min(cost - least),
                    None => states.push((layout, cost - least)),
                }
            }
            self.states[output.0] = states;
        }
    }

    /// A view is plain, or batch-innermost if its input is and the batch does not change.
    fn add_states_of_view(&mut self, node: &Node) {
        let Some(input) = node.inputs.first().copied() else { return };
        let output = node.outputs[0];
        let mut states = vec![(Layout::Plain, self.reading(input, Layout::Plain))];
        if self.graph.shape(input).first() == self.graph.shape(output).first() {
            states.extend(self.states[input.0].iter().filter(|(layout, _)| layout.is_images()));
        }
        self.states[output.0] = states;
    }

    /// Chooses for each node, given the choices of all later nodes.
    fn backward(&mut self) {
        for output in &self.graph.outputs {
            self.wants[output.0].push((usize::MAX, Layout::Plain));
        }
        for index in (0..self.graph.nodes.len()).rev() {
            let node = &self.graph.nodes[index];
            let Some(mut candidate) = self.candidates[index].take() else {
                self.want_input_of_view(index);
                continue;
            };
            let cost = |way: usize| {
                self.cost_with_inputs(node, &candidate, way) + self.cost_of_wants(node, &candidate.ways[way])
            };
            candidate.chosen = cheapest(candidate.ways.len(), cost);
            let wanted = node.inputs.iter().zip(&candidate.ways[candidate.chosen].layouts);
            wanted.for_each(|(input, layout)| self.wants[input.0].push((index, *layout)));
            self.candidates[index] = Some(candidate);
        }
    }

    fn want_input_of_view(&mut self, index: usize) {
        let node = &self.graph.nodes[index];
        if let (true, Some(input)) = (node.op.is_view(), node.inputs.first()) {
            let keeps = self.wants[node.outputs[0].0].iter().find(|(_, layout)| layout.is_images());
            let can = self.states[input.0].iter().any(|(layout, _)| layout.is_images());
            let layout = keeps.filter(|_| can).map_or(Layout::Plain, |(_, layout)| *layout);
            self.wants[input.0].push((index, layout));
        }
    }

    /// The cost of converting the outputs of a way to the layouts that their readers want, each once.
    fn cost_of_wants(&self, node: &Node, way: &Way) -> f64 {
        let mut cost = 0.0;
        for (output, layout) in node.outputs.iter().zip(&way.layouts[node.inputs.len()..]) {
            let mut done: Vec<Layout> = Vec::new();
            for (_, wanted) in &self.wants[output.0] {
                let wanted = wanted.with_halo(Halo::NONE);
                if !done.contains(&wanted) {
                    cost += self.conversion(*output, *layout, wanted);
                    done.push(wanted);
                }
            }
        }
        cost
    }

    /// Chooses again for each node, given all other choices; returns whether a choice changed.
    fn sweep(&mut self) -> bool {
        let mut producers: HashMap<ValueId, Layout> = HashMap::new();
        let mut changed = false;
        for index in 0..self.graph.nodes.len() {
            let node = &self.graph.nodes[index];
            let Some(mut candidate) = self.candidates[index].take() else {
                continue;
            };
            let cost = |way: usize| {
                let way_layouts = &candidate.ways[way].layouts;
                let inputs = node.inputs.iter().zip(way_layouts);
                let reading = inputs.map(|(id, layout)| self.reading_again(index, *id, *layout, &producers));
                candidate.costs[way] + reading.sum::<f64>() + self.cost_of_wants(node, &candidate.ways[way])
            };
            let chosen = cheapest(candidate.ways.len(), cost);
            changed |= chosen != candidate.chosen;
            candidate.chosen = chosen;
            let layouts = &candidate.ways[chosen].layouts;
            for (input, layout) in node.inputs.iter().zip(layouts) {
                self.wants[input.0].iter_mut().filter(|(reader, _)| *reader == index).for_each(|want| {
                    want.1 = *layout;
                });
            }
            for (output, layout) in node.outputs.iter().zip(&layouts[node.inputs.len()..]) {
                producers.insert(*output, layout.with_halo(Halo::NONE));
            }
            self.candidates[index] = Some(candidate);
        }
        changed
    }

    /// The cost of reading `id` in `layout` if no other reader wants it so.
    fn reading_again(
        &self,
        reader: usize,
        id: ValueId,
        layout: Layout,
        producers: &HashMap<ValueId, Layout>,
    ) -> f64 {
        let layout = layout.with_halo(Halo::NONE);
        if self.graph.value(id).role().is_some() {
            return self.conversion_of_variable(id, layout);
        }
        let same =
            |(other, wanted): &(usize, Layout)| *other != reader && wanted.with_halo(Halo::NONE) == layout;
        if self.wants[id.0].iter().any(same) {
            return 0.0;
        }
        match producers.get(&id) {
            Some(have) => self.conversion(id, *have, layout),
            None => self.reading(id, layout),
        }
    }

    fn finish(self) -> Vec<Option<Selected>> {
        let selected = |candidate: Candidate| {
            let Way { position, layouts, .. } = candidate.ways.into_iter().nth(candidate.chosen)?;
            Some(Selected { position, layouts })
        };
        self.candidates.into_iter().map(|candidate| candidate.and_then(selected)).collect()
    }
}

/// The first of the numbers below `count` with the lowest cost.
fn cheapest(count: usize, cost: impl Fn(usize) -> f64) -> usize {
    let costs: Vec<f64> = (0..count).map(cost).collect();
    (0..count).min_by(|a, b| costs[*a].total_cmp(&costs[*b])).unwrap_or(0)
}

/// Whether blocks of channels suit a value of `shape` for `node`: always for maps, and for signals if the node has
/// windows. Other values with three axes may be sequences of features, which other operations want plain.
fn blocks_help(shape: &Shape, node: &Node) -> bool {
    shape.len() == 4 || shape.len() == 3 && node.op.has_window()
}
