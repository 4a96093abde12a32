//! Gives every value a layout, for the implementations that `select` chose.
//!
//! Nodes are visited in order. The operands of each are provided in the layouts that its kernel wants: halos are
//! widened in place, and any other difference is resolved by a `reorder` node, which later readers share. Fixed
//! weights are reordered once, in the preparation; trained weights have the layout that their first reader wants, and
//! so do their gradients and momenta.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use striate_graph::ops::Reshape;
use striate_graph::{Graph, Kind, Node, Op, Role, Segment, Value, ValueId};
use striate_kernels::Layout;
use striate_kernels::isa::Isa;
use striate_tensor::text::grouped;
use striate_tensor::{Error, Result};

use super::in_place::Within;
use super::lower::{Candidates, Lowering, dtypes, lower};
use super::select::{Policy, Selected, select};
use super::session::Placements;
use crate::passes::trains;

/// A graph, the layouts of all its values, and a choice for each node.
pub(super) struct LaidOut {
    pub graph: Graph,
    pub layouts: Vec<Layout>,
    pub choices: Vec<Choice>,
    /// The values that are parts of others, or take the place of others.
    pub within: HashMap<ValueId, Within>,
    /// The nodes whose result takes the place of the last operand that they read.
    pub replacing: HashSet<usize>,
}

impl LaidOut {
    /// The number of bytes from the start of the value `id` to its end, in its layout.
    pub fn bytes(&self, id: ValueId) -> usize {
        let value = self.graph.value(id);
        self.layouts[id.0].len(&value.shape) * value.dtype.size()
    }

    /// The ranges of bytes of the value `id`, which are several if it is part of another.
    pub fn ranges(&self, id: ValueId) -> Vec<Range<usize>> {
        let (shape, size) = (self.graph.shape(id), self.graph.value(id).dtype.size());
        match self.layouts[id.0] {
            Layout::Part { block, halo, blocks } => {
                let [images, channels, h, w] = shape.nchw();
                let own = Layout::Channels { block, halo };
                let bytes = |channels: usize| own.len(&[1, channels, h, w].into()) * size;
                let (step, length) = (bytes(blocks * block), bytes(channels));
                (0..images).map(|image| image * step..image * step + length).collect()
            }
            _ => std::iter::once(0..self.bytes(id)).collect(),
        }
    }

    /// The number of bytes of other values between the ranges of `id`.
    pub fn bytes_between(&self, id: ValueId) -> usize {
        self.bytes(id) - self.ranges(id).iter().map(Range::len).sum::<usize>()
    }
}

/// How a node is computed.
pub(super) enum Choice {
    /// By the implementation at this position of the list.
    Kernel(Box<dyn Candidates>, usize),
    /// Not at all: the output is an alias of the input.
    Alias,
    /// By conversion to another layout. In the graph, this is a reshape that changes nothing.
    Reorder,
    /// Not at all: the parts are in their places in the whole.
    InPlace,
}

pub(super) fn lay_out(graph: Graph, policy: Policy, placements: &Placements) -> Result<LaidOut> {
    let selection = select(&graph, policy);
    let mut pass = LayoutPass::new(graph, policy.isa, placements);
    for (node, selected) in std::mem::take(&mut pass.graph.nodes).into_iter().zip(selection) {
        pass.visit(node, selected);
    }
    for index in 0..pass.graph.outputs.len() {
        let output = pass.graph.outputs[index];
        pass.graph.outputs[index] = pass.request(output, Layout::Plain);
    }
    pass.graph.nodes = pass.nodes;
    check_sizes(&pass.graph, &pass.layouts)?;
    let (graph, layouts, choices) = (pass.graph, pass.layouts, pass.choices);
    Ok(LaidOut { graph, layouts, choices, within: HashMap::new(), replacing: HashSet::new() })
}

/// The largest number of elements accepted in a value including its halo; low enough that the total size of all
/// values cannot overflow.
const MOST_ELEMENTS: usize = 1 << 44;

/// Refuses values that are too large because of their halo.
fn check_sizes(graph: &Graph, layouts: &[Layout]) -> Result<()> {
    for (value, layout) in graph.values.iter().zip(layouts) {
        let elements = layout.checked_len(&value.shape);
        if elements.is_none_or(|elements| elements > MOST_ELEMENTS) {
            // The name of a copy is that of the value, followed by `@` and the layout.
            let name = value.name.split('@').next().unwrap_or_default();
            return Err(Error::input(format!(
                "network {}: {name} has more than {} elements, the limit, including its padding; use less padding or a \
                 smaller batch",
                graph.name,
                grouped(MOST_ELEMENTS as u64)
            )));
        }
    }
    Ok(())
}

struct LayoutPass {
    graph: Graph,
    layouts: Vec<Layout>,
    isa: Isa,
    /// Whether the graph updates its parameters.
    trains: bool,
    /// Variables whose layout can no longer be chosen.
    settled: Vec<bool>,
    /// Whether each value is computed by the preparation.
    prepared: Vec<bool>,
    /// The parameter of each gradient.
    parameters: HashMap<ValueId, ValueId>,
    /// For each value, the value itself and its copies in other layouts.
    versions: HashMap<ValueId, Vec<ValueId>>,
    nodes: Vec<Node>,
    choices: Vec<Choice>,
}

impl LayoutPass {
    fn new(graph: Graph, isa: Isa, placements: &Placements) -> Self {
        let mut settled = vec![false; graph.values.len()];
        let mut layouts = vec![Layout::Plain; graph.values.len()];
        for (index, value) in graph.values.iter().enumerate() {
            if let Some(placement) = placements.get(&value.name) {
                layouts[index] = placement.layout;
                settled[index] = true;
            }
        }
        let trains = trains(&graph);
        let parameters =
            graph.gradients.iter().map(|(parameter, gradient)| (*gradient, *parameter)).collect();
        let (versions, prepared) = (HashMap::new(), Vec::new());
        let (nodes, choices) = (Vec::new(), Vec::new());
        LayoutPass { graph, layouts, isa, trains, settled, prepared, parameters, versions, nodes, choices }
    }

    fn lower(&self, node: &Node) -> Lowering {
        lower(&self.graph, node, &|id| self.layouts[id.0].len(self.graph.shape(id)))
    }

    /// Adds a copy of `original` in `layout`.
    fn add_copy(&mut self, name: String, original: ValueId, layout: Layout) -> ValueId {
        let Value { shape, dtype, .. } = self.graph.value(original).clone();
        self.layouts.push(layout);
        self.graph.add_value(name, shape, dtype, Kind::Computed)
    }

    fn visit(&mut self, node: Node, selected: Option<Selected>) {
        if node.op.is_update() {
            return self.visit_update(node);
        }
        match self.lower(&node) {
            Lowering::Alias => {
                self.visit_alias(node);
            }
            Lowering::Kernels(candidates) => {
                let Selected { position, layouts } = selected.expect("kernels are selected for every node");
                let (reads, writes) = layouts.split_at(node.inputs.len());
                let inputs = node.inputs.iter().zip(reads).map(|(id, layout)| self.request(*id, *layout));
                let inputs = inputs.collect();
                let (outputs, copies) = self.place_outputs(&node, writes);
                self.push(Node { inputs, outputs, ..node }, Choice::Kernel(candidates, position));
                for copy in copies {
                    self.push(copy, Choice::Reorder);
                }
            }
        }
    }

    /// Visits an alias, which gives the same bytes another shape. Its layout is plain, or batch-innermost if the
    /// batch does not change, because the elements of each image are in plain order there too.
    fn visit_alias(&mut self, node: Node) {
        let have = self.layouts[node.inputs[0].0];
        let images = |id: ValueId| self.graph.shape(id).first();
        let same_images = images(node.inputs[0]) == images(node.outputs[0]);
        let layout = if have.is_images() && same_images { have } else { Layout::Plain };
        let input = self.request(node.inputs[0], layout);
        self.layouts[node.outputs[0].0] = layout;
        self.push(Node { inputs: vec![input], ..node }, Choice::Alias);
    }

    /// Visits an update, which processes whole values in any layout, the same for all operands.
    fn visit_update(&mut self, node: Node) {
        // An average has the layout of the value that is averaged.
        let owner = if let Op::Average(_) = node.op { node.inputs[0] } else { node.outputs[0] };
        for output in &node.outputs {
            self.settle_like_parameter(*output, owner);
        }
        let Lowering::Kernels(candidates) = self.lower(&node) else { unreachable!("updates are kernels") };
        let position = candidates.options(self.isa, &dtypes(&self.graph, &node), Layout::Plain)[0].position;
        self.push(node, Choice::Kernel(candidates, position));
    }

    /// Returns a version of `id` in layout `wanted`, possibly with a wider halo.
    fn request(&mut self, id: ValueId, wanted: Layout) -> ValueId {
        let is_parameter = self.graph.value(id).role() == Some(Role::Parameter);
        if is_parameter && self.trains && !self.settled[id.0] {
            self.settled[id.0] = true;
            self.layouts[id.0] = match wanted {
                Layout::Packed(packed) => packed.packing.home(),
                layout => layout,
            };
        }
        let versions = self.versions.entry(id).or_insert_with(|| vec![id]);
        for version in versions.iter() {
            let layout = &mut self.layouts[version.0];
            match (*layout, wanted) {
                (have, wanted) if have == wanted => return *version,
                (Layout::Channels { block, halo }, Layout::Channels { block: wanted, halo: needed })
                    if block == wanted =>
                {
                    *layout = Layout::Channels { block, halo: halo.max(needed) };
                    return *version;
                }
                _ => {}
            }
        }
        let original = self.graph.value(id);
        let (name, shape) = (format!("{}@{wanted}", original.name), original.shape.clone());
        let copy = self.add_copy(name.clone(), id, wanted);
        self.versions.get_mut(&id).expect("the entry was added above").push(copy);
        let segment = if self.is_constant(id) { Segment::Prepare } else { Segment::Accumulate };
        let node =
            Node { name, op: Reshape::to(&shape).into(), inputs: vec![id], outputs: vec![copy], segment };
        self.push(node, Choice::Reorder);
        copy
    }

    /// Whether `id` does not change as long as the weights do not.
    fn is_constant(&self, id: ValueId) -> bool {
        if self.graph.value(id).role().is_some() {
            return !self.trains;
        }
        self.prepared.get(id.0).copied().unwrap_or(false)
    }

    /// Returns the values that `node` writes if its kernel writes `layouts`, and the copies into variables that
    /// have other layouts.
    fn place_outputs(&mut self, node: &Node, layouts: &[Layout]) -> (Vec<ValueId>, Vec<Node>) {
        let mut outputs = Vec::with_capacity(node.outputs.len());
        let mut copies = Vec::new();
        for (output, layout) in node.outputs.iter().copied().zip(layouts) {
            if self.graph.value(output).kind == Kind::Computed {
                self.layouts[output.0] = *layout;
                outputs.push(output);
                continue;
            }
            self.settle_like_parameter(output, node.outputs[0]);
            if self.layouts[output.0] == *layout {
                outputs.push(output);
                continue;
            }
            let (name, shape) = (&self.graph.value(output).name, self.graph.shape(output).clone());
            let name = format!("{name}@{layout}");
            let computed = self.add_copy(name.clone(), output, *layout);
            outputs.push(computed);
            copies.push(Node {
                name,
                op: Reshape::to(&shape).into(),
                inputs: vec![computed],
                outputs: vec![output],
                segment: node.segment,
            });
        }
        (outputs, copies)
    }

    /// Gives a gradient the layout of its parameter, and a state or a sum that of its `owner`.
    fn settle_like_parameter(&mut self, id: ValueId, owner: ValueId) {
        let parameter = match self.graph.value(id).role() {
            Some(Role::Gradient) => self.parameters.get(&id).copied(),
            Some(Role::State | Role::Total) => Some(owner),
            _ => None,
        };
        if let (Some(parameter), false) = (parameter, self.settled[id.0]) {
            self.layouts[id.0] = self.layouts[parameter.0];
            self.settled[id.0] = true;
        }
    }

    fn push(&mut self, node: Node, choice: Choice) {
        self.settled.resize(self.graph.values.len(), false);
        self.prepared.resize(self.graph.values.len(), false);
        if node.segment == Segment::Prepare {
            node.outputs.iter().for_each(|output| self.prepared[output.0] = true);
        }
        self.nodes.push(node);
        self.choices.push(choice);
    }
}
