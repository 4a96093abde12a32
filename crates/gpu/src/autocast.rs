//! Stores activations and their gradients in `bf16`, with copies of the weights of convolutions and linear layers.
//!
//! Kernels compute in `f32` whatever they read and write, so that this pass only chooses types: parameters, their
//! gradients, momenta, statistics of batches, scores and losses are stored as `f32`, of which scores and the gradients
//! of weights were rounded to `bf16` when a library computed them. The operands of a product must all be `bf16` for a
//! library. Where one is not, a cast is inserted; for a parameter, that is a copy, which each step makes anew.
//! Micikevicius et al., "Mixed precision training", ICLR 2018; Kalamkar et al., "A study of bfloat16", 2019.

use std::collections::{HashMap, HashSet};

use striate_graph::{Graph, Kind, Op, Segment, ValueId};
use striate_tensor::DType;

use crate::casts::{Casts, add_copy, cast};

/// Applies the pass to a graph after fusion.
pub(crate) fn autocast(graph: &mut Graph) {
    narrow_activations(graph);
    narrow_products(graph);
}

/// The outputs of `op` that may be `bf16`: activations and their gradients, not statistics.
fn activations(op: &Op) -> &'static [usize] {
    match op {
        Op::Conv(_)
        | Op::ConvDataGradient(_)
        | Op::Linear(_)
        | Op::LinearDataGradient(_)
        | Op::LocallyConnected(_)
        | Op::LocallyConnectedDataGradient(_)
        | Op::MaxPool(_)
        | Op::MaxPoolGradient(_)
        | Op::AveragePool(_)
        | Op::AveragePoolGradient(_)
        | Op::GlobalAveragePool(_)
        | Op::Relu(_)
        | Op::Relu6(_)
        | Op::Tanh(_)
        | Op::Sigmoid(_)
        | Op::ScaledTanh(_)
        | Op::ActivationGradient(_)
        | Op::LeakyRelu(_)
        | Op::Elu(_)
        | Op::HardSigmoid(_)
        | Op::HardSwish(_)
        | Op::Step(_)
        | Op::Gelu(_)
        | Op::FunctionGradient(_)
        | Op::Dropout(_)
        | Op::BatchNorm(_)
        | Op::BatchNormTraining(_)
        | Op::BatchNormGradient(_)
        | Op::Lrn(_)
        | Op::LrnGradient(_)
        | Op::PadChannels(_)
        | Op::PadChannelsGradient(_)
        | Op::Concat(_) => &[0],
        Op::BatchNormResidualGradient(_) => &[0, 3],
        _ => &[],
    }
}

/// Whether the result needs the full precision of the operands, such as a loss.
fn needs_precision(op: &Op) -> bool {
    matches!(
        op,
        Op::Softmax(_)
            | Op::LogSoftmax(_)
            | Op::SoftmaxGradient(_)
            | Op::LogSoftmaxGradient(_)
            | Op::CrossEntropy(_)
            | Op::SoftCrossEntropy(_)
            | Op::ClassLoss(_)
            | Op::ClassLossGradient(_)
            | Op::Rbf(_)
            | Op::RbfGradient(_)
    )
}

/// Makes activations and their gradients `bf16`.
fn narrow_activations(graph: &mut Graph) {
    // Views have the type of the value that they view.
    let mut roots: Vec<ValueId> = (0..graph.values.len()).map(ValueId).collect();
    let mut wide: HashSet<ValueId> = HashSet::new();
    for node in &graph.nodes {
        if node.op.is_view() {
            roots[node.outputs[0].0] = roots[node.inputs[0].0];
        }
        if needs_precision(&node.op) {
            wide.extend(node.inputs.iter().map(|id| roots[id.0]));
        }
    }
    wide.extend(graph.outputs.iter().map(|id| roots[id.0]));
    let mut narrow: HashSet<ValueId> = HashSet::new();
    for node in graph.nodes.iter().filter(|node| node.segment == Segment::Accumulate) {
        let add = |id: &ValueId, narrow: &mut HashSet<ValueId>| {
            let value = graph.value(*id);
            if value.kind == Kind::Computed && value.dtype == DType::F32 && !wide.contains(id) {
                narrow.insert(*id);
            }
        };
        match &node.op {
            // Sums of activations, but not those of the gradients of parameters.
            Op::Add(_) if node.inputs.iter().all(|id| narrow.contains(&roots[id.0])) => {
                add(&node.outputs[0], &mut narrow);
            }
            Op::ConcatGradient(_) => node.outputs.iter().for_each(|id| add(id, &mut narrow)),
            op => activations(op).iter().for_each(|index| add(&node.outputs[*index], &mut narrow)),
        }
    }
    for (index, root) in roots.iter().enumerate() {
        if narrow.contains(root) {
            graph.values[index].dtype = DType::BF16;
        }
    }
}

/// Whether a library computes `op`, whose operands must then all be `bf16`.
fn is_product(op: &Op) -> bool {
    matches!(
        op,
        Op::Conv(_)
            | Op::ConvDataGradient(_)
            | Op::ConvWeightGradient(_)
            | Op::Linear(_)
            | Op::LinearDataGradient(_)
            | Op::LinearWeightGradient(_)
    )
}

/// Casts the operands of convolutions and linear layers that are not `bf16`, and results that are not, such as the
/// gradients of weights, back.
fn narrow_products(graph: &mut Graph) {
    let mut segments = Casts::new(graph);
    let mut casts: HashMap<ValueId, ValueId> = HashMap::new();
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    for mut node in std::mem::take(&mut graph.nodes) {
        if !is_product(&node.op) {
            nodes.push(node);
            continue;
        }
        for input in &mut node.inputs[..2] {
            if graph.value(*input).dtype == DType::BF16 {
                continue;
            }
            *input = *casts.entry(*input).or_insert_with(|| {
                let copy = add_copy(graph, *input, "bf16", DType::BF16);
                let segment = segments.segment(graph, *input, copy, node.segment);
                nodes.push(cast(graph, *input, copy, segment));
                copy
            });
        }
        let result = node.outputs[0];
        if graph.value(result).dtype == DType::BF16 {
            nodes.push(node);
            continue;
        }
        let narrow = add_copy(graph, result, "bf16", DType::BF16);
        node.outputs[0] = narrow;
        let segment = node.segment;
        nodes.push(node);
        nodes.push(cast(graph, narrow, result, segment));
    }
    graph.nodes = nodes;
}
