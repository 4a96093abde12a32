//! Places the sum of a convolution and a residual where the residual lies, if nothing reads the residual later.
//!
//! The kernel then adds to values that it has just read, instead of writing to other lines of memory, which the
//! processor would read first; and what follows finds more of its operands in the cache.

use std::collections::HashMap;

use striate_graph::ops::ConvDataGradient;
use striate_graph::{Kind, Node, Op, Segment, ValueId};
use striate_kernels::{Halo, Layout};
use striate_tensor::Shape;

use super::Cpu;
use super::in_place::Within;
use super::layout::{Choice, LaidOut};

/// Places all results that can replace a residual.
pub(super) fn replace_residuals(laid_out: &mut LaidOut, cpu: &Cpu) {
    let pass = Replace::new(laid_out);
    // The first residual of each chain of sums, in whose place they all lie.
    let mut roots: HashMap<ValueId, ValueId> = HashMap::new();
    let mut chains: HashMap<ValueId, Chain> = HashMap::new();
    for index in 0..laid_out.graph.nodes.len() {
        let Some([residual, sum]) = pass.candidate(laid_out, cpu, index) else { continue };
        let root = roots.get(&residual).copied().unwrap_or(residual);
        let shape = laid_out.graph.shape(sum);
        let [first, layout] = [residual, sum].map(|id| laid_out.layouts[id.0]);
        let chain = chains.get(&root).copied().unwrap_or_else(|| Chain::new(first, shape));
        let Some(chain) = chain.join(layout, shape) else { continue };
        chains.insert(root, chain);
        roots.insert(sum, root);
        laid_out.within.insert(sum, Within { whole: residual, offset: 0 });
        laid_out.replacing.insert(index);
    }
    for (sum, root) in roots {
        for id in [sum, root] {
            laid_out.layouts[id.0] = laid_out.layouts[id.0].with_halo(chains[&root].halo);
        }
    }
}

/// Values in one place.
#[derive(Clone, Copy)]
struct Chain {
    /// The widest of their halos, which they all get.
    halo: Halo,
    /// The number of elements of the smallest with its own halo.
    least: usize,
}

impl Chain {
    fn new(layout: Layout, shape: &Shape) -> Chain {
        Chain { halo: layout.halo(), least: layout.len(shape) }
    }

    /// The chain with one more value, unless the widest halo would more than double the size of one of them.
    fn join(self, layout: Layout, shape: &Shape) -> Option<Chain> {
        let chain = Chain { halo: self.halo.max(layout.halo()), least: self.least.min(layout.len(shape)) };
        let wide = layout.with_halo(chain.halo).checked_len(shape)?;
        (wide <= chain.least.saturating_mul(2)).then_some(chain)
    }
}

struct Replace {
    /// The nodes that read or write each value.
    users: Vec<Vec<usize>>,
    /// Whether each value has memory of its own in the arena, in which no other value lies.
    is_own: Vec<bool>,
}

impl Replace {
    fn new(laid_out: &LaidOut) -> Replace {
        let graph = &laid_out.graph;
        let mut users = vec![Vec::new(); graph.values.len()];
        let mut is_own = vec![false; graph.values.len()];
        for (index, (node, choice)) in graph.nodes.iter().zip(&laid_out.choices).enumerate() {
            node.inputs.iter().chain(&node.outputs).for_each(|id| users[id.0].push(index));
            let writes = matches!(choice, Choice::Kernel(..) | Choice::Reorder);
            for output in &node.outputs {
                let is_computed = graph.value(*output).kind == Kind::Computed;
                is_own[output.0] = writes && is_computed && node.segment == Segment::Accumulate;
            }
            if !writes {
                node.inputs.iter().for_each(|id| is_own[id.0] = false);
            }
        }
        graph.outputs.iter().for_each(|id| is_own[id.0] = false);
        for (part, Within { whole, .. }) in &laid_out.within {
            [part, whole].into_iter().for_each(|id| is_own[id.0] = false);
        }
        Replace { users, is_own }
    }

    /// The residual and the result of the node `index`, if the result can take the place of the residual.
    fn candidate(&self, laid_out: &LaidOut, cpu: &Cpu, index: usize) -> Option<[ValueId; 2]> {
        let LaidOut { graph, choices, .. } = laid_out;
        let Node { op, inputs, outputs, .. } = &graph.nodes[index];
        let (Op::Conv(conv) | Op::ConvDataGradient(ConvDataGradient(conv))) = op else { return None };
        let Choice::Kernel(candidates, position) = &choices[index] else { return None };
        let [residual, sum] = [*inputs.last()?, outputs[0]];
        let is_last_read = self.users[residual.0].iter().all(|user| *user <= index);
        let reads = inputs.iter().filter(|id| **id == residual).count();
        let can = conv.residual
            && is_last_read
            && reads == 1
            && [residual, sum].iter().all(|id| self.is_own[id.0])
            && are_alike(laid_out, residual, sum)
            && candidates.replaces_residual(*position, cpu.isa());
        can.then_some([residual, sum])
    }
}

/// Whether two values of the same shape are in blocks of as many channels, and have the same element type.
fn are_alike(laid_out: &LaidOut, a: ValueId, b: ValueId) -> bool {
    let block = |id: ValueId| match laid_out.layouts[id.0] {
        Layout::Channels { block, .. } => Some(block),
        _ => None,
    };
    let dtype = |id: ValueId| laid_out.graph.value(id).dtype;
    block(a).is_some() && block(a) == block(b) && dtype(a) == dtype(b)
}

#[cfg(test)]
mod tests {
    use striate_graph::{Builder, Network, Tensor, ops};
    use striate_kernels::isa::Isa;

    use super::*;
    use crate::cpu::layout::lay_out;
    use crate::cpu::session::Placements;

    /// The fused graph for three images with layouts, after the pass.
    fn replaced(network: &Network) -> LaidOut {
        let cpu = Cpu::with_isa(1, Isa::available()[0]);
        let mut graph = network.graph(3).unwrap();
        cpu.rewrite(&mut graph).unwrap();
        let mut laid_out = lay_out(graph, cpu.policy(), &Placements::new()).unwrap();
        replace_residuals(&mut laid_out, &cpu);
        laid_out
    }

    /// ReLU of the sum of x and two convolutions of it, the second with this kernel.
    fn unit(x: Tensor<'_>, kernel: usize) -> Tensor<'_> {
        x.conv(16, 1).relu().conv(16, kernel).pad(kernel / 2).then_with(ops::Add {}, x).relu()
    }

    fn finish(x: Tensor<'_>) -> Network {
        x.global_average_pool().flatten().linear(3).finish().unwrap()
    }

    #[test]
    fn sums_one_after_the_other_take_the_same_place() {
        let builder = Builder::new("net", [3, 9, 9]);
        let x = unit(unit(builder.input().conv(16, 3).relu(), 1), 3);
        let laid_out = replaced(&finish(x.conv(16, 3).pad(1)));
        assert_eq!(laid_out.replacing.len(), 2);
        // What the last convolution reads has a halo, so that all have it.
        let halos = laid_out.within.keys().map(|sum| laid_out.layouts[sum.0].halo());
        assert!(halos.into_iter().all(|halo| halo != Halo::NONE));
        let places: Vec<[ValueId; 2]> =
            laid_out.within.iter().map(|(sum, within)| [*sum, within.whole]).collect();
        for [sum, residual] in &places {
            assert_eq!(laid_out.layouts[sum.0], laid_out.layouts[residual.0]);
        }
        assert!(places.iter().any(|[sum, _]| places.iter().any(|[_, residual]| residual == sum)));
    }

    #[test]
    fn chains_at_most_double_the_size_of_their_values() {
        let shape = Shape::from([1, 16, 8, 8]);
        let layout = |by: usize| {
            let halo = Halo { top: by, left: by, bottom: by, right: by };
            Layout::Channels { block: 16, halo }
        };
        let chain = Chain::new(layout(0), &shape).join(layout(1), &shape).unwrap();
        // 10 × 10 and 12 × 12 elements, beside 8 × 8.
        assert_eq!(chain.halo, layout(1).halo());
        assert!(chain.join(layout(2), &shape).is_none());
    }

    #[test]
    fn residual_that_is_read_later_keeps_its_place() {
        let builder = Builder::new("net", [3, 9, 9]);
        let x = builder.input().conv(16, 3).relu();
        let later = unit(x, 1).conv(16, 1).then_with(ops::Add {}, x).relu();
        assert_eq!(replaced(&finish(later)).replacing.len(), 1);
    }

    #[test]
    fn convolution_of_its_residual_keeps_the_place_of_both() {
        let builder = Builder::new("net", [3, 9, 9]);
        let x = builder.input().conv(16, 3).relu();
        let sum = x.conv(16, 1).then_with(ops::Add {}, x).relu();
        assert!(replaced(&finish(sum)).replacing.is_empty());
    }
}
