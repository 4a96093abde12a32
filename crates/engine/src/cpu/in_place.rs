//! Places the parts of concatenated values in the whole, and those of gradients of concatenations too, so that neither
//! joining nor splitting is a step.
//!
//! In blocks of channels, a part that starts at a block boundary is a range of the maps of each image. Kernels read and
//! write it there, with several images in [`Layout::Part`].

use std::collections::HashMap;

use striate_graph::{Kind, Node, Op, Segment, ValueId};
use striate_kernels::{Halo, Layout};

use super::layout::{Choice, LaidOut};

/// The place of a value that is part of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Within {
    pub whole: ValueId,
    /// The offset in the whole, in bytes.
    pub offset: usize,
}

/// Sets the layouts and places of all parts that can be in place, and the choices of the nodes that become unnecessary.
pub(super) fn place_parts(laid_out: &mut LaidOut) {
    let mut pass = InPlace::new(laid_out);
    let count = laid_out.graph.nodes.len();
    // Wider values come first, so that no part has parts of its own yet.
    for index in (0..count).rev() {
        let node = &laid_out.graph.nodes[index];
        if let Op::Concat(_) = node.op {
            pass.visit(laid_out, index, node.outputs[0], &node.inputs);
        }
    }
    for index in 0..count {
        let node = &laid_out.graph.nodes[index];
        if let Op::ConcatGradient(_) = node.op {
            pass.visit(laid_out, index, node.inputs[0], &node.outputs);
        }
    }
    let InPlace { parents, joined, .. } = pass;
    place(laid_out, &parents);
    joined.into_iter().for_each(|index| laid_out.choices[index] = Choice::InPlace);
}

/// The value that a part belongs to, and its first block of channels there.
type Parents = HashMap<ValueId, (ValueId, usize)>;

struct InPlace {
    parents: Parents,
    /// The nodes that become unnecessary.
    joined: Vec<usize>,
    /// The nodes that read or write each value.
    users: Vec<Vec<usize>>,
    /// Whether each value is written by a kernel in every run, to a place that is its own.
    is_free: Vec<bool>,
}

impl InPlace {
    fn new(laid_out: &LaidOut) -> InPlace {
        let (graph, layouts) = (&laid_out.graph, &laid_out.layouts);
        let mut users = vec![Vec::new(); graph.values.len()];
        let mut is_free = vec![false; graph.values.len()];
        for (index, (node, choice)) in graph.nodes.iter().zip(&laid_out.choices).enumerate() {
            node.inputs.iter().chain(&node.outputs).for_each(|id| users[id.0].push(index));
            let writes = match choice {
                Choice::Kernel(..) => true,
                Choice::Reorder => layouts[node.inputs[0].0] == Layout::Plain,
                Choice::Alias | Choice::InPlace => false,
            };
            for output in &node.outputs {
                let is_computed = graph.value(*output).kind == Kind::Computed;
                is_free[output.0] = writes && is_computed && node.segment == Segment::Accumulate;
            }
        }
        InPlace { parents: Parents::new(), joined: Vec::new(), users, is_free }
    }

    /// Places all `parts` of a concatenation or its gradient in `whole`, if possible.
    fn visit(&mut self, laid_out: &LaidOut, index: usize, whole: ValueId, parts: &[ValueId]) {
        let Some(firsts) = first_blocks(laid_out, whole, parts) else { return };
        for (count, (part, first)) in parts.iter().zip(firsts).enumerate() {
            let is_free = self.is_free[part.0] && !self.parents.contains_key(part);
            let fits = is_free && halo_fits(laid_out, whole, *part);
            if fits {
                self.parents.insert(*part, (whole, first));
            }
            if !fits || self.conflicts(laid_out, index, *part) {
                parts[..count + usize::from(fits)].iter().for_each(|part| _ = self.parents.remove(part));
                return;
            }
        }
        self.joined.push(index);
    }

    /// Whether a step other than the node `index` writes the part or a value beside it, and reads or writes the other.
    /// With several images, their places interleave.
    fn conflicts(&self, laid_out: &LaidOut, index: usize, part: ValueId) -> bool {
        if laid_out.graph.shape(part).nchw()[0] == 1 {
            return false;
        }
        let root = self.root(part);
        let is_beside = |id: &&ValueId| self.root(**id) == root;
        self.users[part.0].iter().filter(|user| **user != index && !self.joined.contains(user)).any(|user| {
            let Node { inputs, outputs, .. } = &laid_out.graph.nodes[*user];
            let written = outputs.iter().filter(is_beside).count();
            written > 0 && written + inputs.iter().filter(is_beside).count() > 1
        })
    }

    fn root(&self, mut id: ValueId) -> ValueId {
        while let Some((whole, _)) = self.parents.get(&id) {
            id = *whole;
        }
        id
    }
}

/// The first block of channels of each part in the whole; `None` if not all start with a block.
fn first_blocks(laid_out: &LaidOut, whole: ValueId, parts: &[ValueId]) -> Option<Vec<usize>> {
    let block = block_of(laid_out, whole)?;
    let mut channels = 0;
    let first = |part: &ValueId| {
        let first = channels;
        channels += laid_out.graph.shape(*part).nchw()[1];
        (block_of(laid_out, *part)? == block && first % block == 0).then_some(first / block)
    };
    parts.iter().map(first).collect()
}

/// Whether the halo of the part at most doubles the size of the whole.
fn halo_fits(laid_out: &LaidOut, whole: ValueId, part: ValueId) -> bool {
    let layout = laid_out.layouts[whole.0];
    let wide = layout.with_halo(layout.halo().max(laid_out.layouts[part.0].halo()));
    let shape = laid_out.graph.shape(whole);
    wide.checked_len(shape).is_some_and(|wide| wide <= layout.len(shape).saturating_mul(2))
}

/// The block of a value in blocks of channels.
fn block_of(laid_out: &LaidOut, id: ValueId) -> Option<usize> {
    match laid_out.layouts[id.0] {
        Layout::Channels { block, .. } => Some(block),
        _ => None,
    }
}

/// Gives each whole and its parts the widest of their halos, and each part its place.
fn place(laid_out: &mut LaidOut, parents: &Parents) {
    // The root of each part, and the first block there.
    let roots: HashMap<ValueId, (ValueId, usize)> = parents
        .iter()
        .map(|(part, (whole, first))| {
            let (mut root, mut blocks) = (*whole, *first);
            while let Some((whole, first)) = parents.get(&root) {
                (root, blocks) = (*whole, blocks + first);
            }
            (*part, (root, blocks))
        })
        .collect();
    let mut halos: HashMap<ValueId, Halo> = HashMap::new();
    for (part, (root, _)) in &roots {
        let halo = halos.entry(*root).or_insert_with(|| laid_out.layouts[root.0].halo());
        *halo = halo.max(laid_out.layouts[part.0].halo());
    }
    for (root, halo) in &halos {
        laid_out.layouts[root.0] = laid_out.layouts[root.0].with_halo(*halo);
    }
    for (part, (root, first)) in roots {
        let Layout::Channels { block, halo } = laid_out.layouts[root.0] else {
            unreachable!("wholes are in blocks of channels")
        };
        let [images, channels, h, w] = laid_out.graph.shape(root).nchw();
        laid_out.layouts[part.0] = match images {
            1 => Layout::Channels { block, halo },
            _ => Layout::Part { block, halo, blocks: channels.div_ceil(block) },
        };
        let map = Layout::Channels { block, halo }.len(&[1, block, h, w].into());
        let offset = first * map * laid_out.graph.value(part).dtype.size();
        laid_out.within.insert(part, Within { whole: root, offset });
    }
}

#[cfg(test)]
mod tests {
    use striate_graph::{Builder, Network, Optimizer, TrainingSpec, concat, training_graph};
    use striate_kernels::isa::Isa;

    use crate::cpu::Cpu;
    use crate::device::Device;
    use crate::passes::Disabled;
    use crate::report::PlanReport;

    /// The plans of inference and of training for `batch` images without `disabled` passes.
    fn plans(network: &Network, batch: usize, disabled: &[&str]) -> [PlanReport; 2] {
        let cpu = Cpu::with_isa(1, Isa::available()[0]).without(Disabled::new(disabled.to_vec()).unwrap());
        let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
        let whole = network.graph_with_heads(&network.input_shape(batch)).unwrap();
        let training = training_graph(&whole, &TrainingSpec::new(sgd)).unwrap();
        [network.graph(batch).unwrap(), training].map(|graph| cpu.plan(graph).unwrap())
    }

    /// The number of steps that join values or split them.
    fn joins(plan: &PlanReport) -> usize {
        plan.steps.iter().filter(|step| step.op.starts_with("concat")).count()
    }

    #[test]
    fn branches_are_written_in_place() {
        let builder = Builder::new("net", [16, 9, 9]);
        let x = builder.input().conv(16, 3).relu();
        let nested = concat([x.conv(16, 1).relu(), x.conv(32, 3).pad(1).relu()]);
        let x = concat([x.conv(32, 1).relu(), nested, x.max_pool(3, 1).pad(1), x.conv(5, 1).relu()]);
        let network = x.conv(16, 3).global_average_pool().flatten().linear(3).finish().unwrap();
        for batch in [1, 3] {
            let (in_place, copied) = (plans(&network, batch, &[]), plans(&network, batch, &["in_place"]));
            assert_eq!((in_place.each_ref().map(joins), copied.each_ref().map(joins)), ([0, 0], [2, 4]));
        }
    }

    #[test]
    fn values_that_a_step_reads_and_writes_beside_each_other_are_copied() {
        let builder = Builder::new("net", [3, 9, 9]);
        let x = builder.input().conv(16, 3).relu();
        let x = concat([x, x.conv(16, 3).pad(1).relu()]);
        let network = x.global_average_pool().flatten().linear(3).finish().unwrap();
        // The places of one image do not interleave.
        assert_eq!([1, 2].map(|batch| joins(&plans(&network, batch, &[])[0])), [0, 1]);
    }

    #[test]
    fn values_that_share_a_block_of_channels_are_copied() {
        let builder = Builder::new("net", [16, 9, 9]);
        let x = builder.input().conv(16, 1);
        let x = concat([x.conv(17, 3).relu(), x.conv(16, 3).relu()]);
        let network = x.global_average_pool().flatten().linear(3).finish().unwrap();
        assert_eq!([1, 2].map(|batch| plans(&network, batch, &[]).each_ref().map(joins)), [[1, 2]; 2]);
    }
}
