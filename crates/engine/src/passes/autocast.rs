//! Casts the operands of convolutions to `bf16`, which takes half the memory and which some machines multiply faster
//! than `f32`.
//!
//! Sums, biases, residuals and all other operations stay `f32`. A result that only convolutions of `bf16` read is
//! written as `bf16` itself. Convolutions with few channels, such as the first of a network, stay as they are.

use std::collections::{HashMap, HashSet};

use striate_graph::ops::{Activation, Cast, Conv};
use striate_graph::{Graph, Kind, Node, Op, Segment, ValueId};
use striate_tensor::{DType, Error, Result};

/// If a convolution has several groups, the input and the output channels of each must be multiples of this; the
/// minimum number of input channels is half of it.
const CHANNELS: usize = 16;

/// Applies the pass to a graph with fixed weights, after activations have been fused into convolutions.
///
/// # Errors
/// If no convolution has enough channels.
pub(crate) fn autocast(graph: &mut Graph) -> Result<()> {
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    let mut casts: HashMap<ValueId, ValueId> = HashMap::new();
    let mut prepared: HashSet<ValueId> = HashSet::new();
    for mut node in std::mem::take(&mut graph.nodes) {
        if node.segment == Segment::Prepare {
            prepared.extend(&node.outputs);
        }
        if fits_bf16(graph, &node) {
            for input in &mut node.inputs[..2] {
                let is_fixed = graph.value(*input).role().is_some() || prepared.contains(input);
                let segment = if is_fixed { Segment::Prepare } else { node.segment };
                *input = *casts.entry(*input).or_insert_with(|| {
                    let (name, shape) = (&graph.value(*input).name, graph.shape(*input).clone());
                    let name = format!("{name}.bf16");
                    let cast = graph.add_value(name.clone(), shape, DType::BF16, Kind::Computed);
                    let op = Cast { dtype: DType::BF16 }.into();
                    nodes.push(Node { name, op, inputs: vec![*input], outputs: vec![cast], segment });
                    cast
                });
            }
        }
        nodes.push(node);
    }
    graph.nodes = nodes;
    if casts.is_empty() {
        let least = CHANNELS / 2;
        let name = &graph.name;
        return Err(Error::input(format!(
            "precision bf16: has no effect on {name}, none of whose convolutions has {least} or more input channels; \
             use f32"
        )));
    }
    narrow_results(graph);
    Ok(())
}

/// Whether `node` is a convolution of maps with enough channels.
fn fits_bf16(graph: &Graph, node: &Node) -> bool {
    let Op::Conv(Conv { groups, .. }) = node.op else { return false };
    let (x, w) = (graph.shape(node.inputs[0]), graph.shape(node.inputs[1]));
    let [outputs, inputs] = [w[0] / groups, w[1]];
    let divides = groups == 1 || inputs % CHANNELS == 0 && outputs % CHANNELS == 0;
    x.len() == 4 && divides && inputs >= CHANNELS / 2
}

/// Lets convolutions of `bf16` write what only a cast reads.
fn narrow_results(graph: &mut Graph) {
    let mut readers: HashMap<ValueId, Vec<usize>> = HashMap::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        node.inputs.iter().for_each(|input| readers.entry(*input).or_default().push(index));
    }
    let mut removed = HashSet::new();
    for index in 0..graph.nodes.len() {
        let Node { op: Op::Conv(conv), inputs, outputs, .. } = &graph.nodes[index] else { continue };
        let clips = matches!(conv.activation, Activation::None | Activation::Relu | Activation::Relu6);
        let is_visible = graph.outputs.contains(&outputs[0]);
        let Some([reader]) = readers.get(&outputs[0]).map(Vec::as_slice) else { continue };
        let is_cast = matches!(graph.nodes[*reader].op, Op::Cast(_));
        if graph.value(inputs[0]).dtype == DType::BF16 && clips && !is_visible && is_cast {
            removed.insert(*reader);
            graph.nodes[index].outputs = graph.nodes[*reader].outputs.clone();
        }
    }
    let nodes = std::mem::take(&mut graph.nodes).into_iter().enumerate();
    graph.nodes = nodes.filter(|(index, _)| !removed.contains(index)).map(|(_, node)| node).collect();
}
