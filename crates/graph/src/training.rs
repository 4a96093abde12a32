//! The graph of a complete training step: forward computation, loss, gradients, update.

use std::collections::{HashMap, HashSet};

use striate_tensor::{DType, Error, Result, Shape};

use crate::gradient::backward;
use crate::graph::{Graph, Kind, Role, Segment, ValueId};
use crate::init::name_key;
use crate::ops::{Activation, Add, BatchNormTraining, Constant, Flatten};
use crate::optimizer::Optimizer;
use crate::update::{add_updates, scalar};
use crate::{Loss, Op, pattern};

/// The settings that turn a network into a training step.
///
/// Patterns select parameters by name, such as `features.*.weight`: each `*` stands for any text, and the name of a
/// layer selects its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingSpec {
    /// The loss to minimize; by default the network's own, or the cross-entropy if it has none.
    pub loss: Option<Loss>,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// The maximum norm that the gradients as a whole are clipped to.
    pub clip_norm: Option<f32>,
    /// Factor on the learning rate of the last layer and of the last layers of auxiliary heads, which
    /// fine-tuning reinitializes.
    pub head_rate: f32,
    /// Patterns of parameters, with factors on their learning rates. Where several match, all apply.
    pub rates: Vec<(String, f32)>,
    /// Patterns of parameters that stay as they are. Batch norms all of whose parameters are frozen normalize by their
    /// running statistics, which stay too.
    pub frozen: Vec<String>,
    /// Whether weight decay also applies to parameters of one dimension: those of norms, and biases.
    pub decays_norms: bool,
    /// Decay rate of the running average of parameters and buffers, if one is kept: see
    /// [`average_decay`](crate::average_decay).
    pub average: Option<f32>,
    /// Whether a batch may consist of parts, whose gradients are added up before the update.
    pub in_parts: bool,
    /// Whether a target for each class takes the place of labels; for the cross-entropy.
    pub soft_targets: bool,
}

impl TrainingSpec {
    /// The network's own loss with this optimizer, and defaults for everything else.
    pub fn new(optimizer: Optimizer) -> Self {
        TrainingSpec {
            loss: None,
            optimizer,
            clip_norm: None,
            head_rate: 1.0,
            rates: Vec::new(),
            frozen: Vec::new(),
            decays_norms: true,
            average: None,
            in_parts: false,
            soft_targets: false,
        }
    }
}

/// Builds the graph of a training step of `network`.
///
/// Inputs: images `[N, C, H, W]`; labels `[N]` i64, or soft targets `[N, K]`. Outputs: loss `[1]`, probabilities
/// `[N, K]`, and, with gradient clipping, the gradient norm `[1]`.
///
/// Scalars set before each step: `rate` f32, `step` i64 from 0, `seed` i64; `rate*F` for each factor F on rates; with
/// a running average, `average_keep` and `average_share`; with parts, before each of them `part_keep` and
/// `part_share`, and once `zero` and `one`, which are these numbers.
///
/// Each auxiliary head adds its own loss, times the head's weight, to the loss of the output.
///
/// # Errors
/// If the network's output is not scores `[N, K]` or does not fit the loss, an operation has no gradient, a
/// pattern does not match any parameter, or all are frozen.
pub fn training_graph(network: &Graph, spec: &TrainingSpec) -> Result<Graph> {
    let frozen = pattern::select(network, spec.frozen.iter().map(String::as_str))?;
    let mut graph = forward_in_training_form(network, &frozen);
    let objective = spec.loss.or(network.loss).unwrap_or_default();
    let output = graph.outputs[0];
    let scores = scores_of(&mut graph, output, objective)?;
    let [batch, classes] = **graph.shape(scores) else {
        return Err(Error::input(format!(
            "network {}: its output {} does not have shape [N, classes], so it cannot be trained as a classifier",
            graph.name,
            graph.shape(scores)
        )));
    };
    let inputs = graph.shape(graph.inputs[0]).first().copied();
    if inputs != Some(batch) {
        let inputs = inputs.unwrap_or_default();
        return Err(Error::input(format!(
            "network {}: a batch of {inputs} yields {batch} rows of scores; training needs one per input",
            graph.name
        )));
    }
    let labels = match spec.soft_targets {
        true => graph.add_value("targets", Shape::from([batch, classes]), DType::F32, Kind::Input),
        false => graph.add_value("labels", Shape::from([batch]), DType::I64, Kind::Input),
    };
    graph.inputs.push(labels);
    let op = |scale| match spec.soft_targets {
        true => objective.soft_op(scale),
        false => Ok(objective.op(scale)),
    };
    let [mut total, probabilities] = loss(&mut graph, op(1.0)?, scores, labels, "");
    for (index, (head, weight)) in std::mem::take(&mut graph.heads).into_iter().enumerate() {
        let scores = scores_of(&mut graph, head, objective)?;
        let name = format!("/{}", graph.value(head).name);
        let [of_head, _] = loss(&mut graph, op(weight)?, scores, labels, &name);
        let sum = graph.add_computed(format!("loss.sum{index}"), Shape::from([1]));
        graph.add_node(format!("loss+{name}"), Add {}, vec![total, of_head], vec![sum], Segment::Accumulate);
        total = sum;
    }
    graph.outputs = vec![total, probabilities];

    backward(&mut graph, &frozen)?;
    if graph.gradients.is_empty() && !frozen.is_empty() {
        let what = "all parameters are frozen, so there is nothing to train";
        return Err(Error::input(format!("network {}: {what}", graph.name)));
    }
    add_updates(&mut graph, network, spec)?;
    graph.remove_dead_nodes();
    Ok(graph)
}

/// The scores that `loss` takes for `output`: a final softmax or sigmoid that is part of the loss is skipped,
/// and scores `[N, K, 1, 1]` become `[N, K]`.
fn scores_of(graph: &mut Graph, output: ValueId, loss: Loss) -> Result<ValueId> {
    let scores = loss.reads(graph, output).map_err(|e| e.at(format!("network {}", graph.name)))?;
    let [batch, classes, rest @ ..] = &**graph.shape(scores) else { return Ok(scores) };
    if rest.is_empty() || rest.iter().any(|extent| *extent != 1) {
        return Ok(scores);
    }
    let rows = Shape::from([*batch, *classes]);
    let name = format!("scores/{}", graph.value(scores).name);
    let flat = graph.add_computed(name.clone(), rows);
    graph.add_node(name, Flatten {}, vec![scores], vec![flat], Segment::Accumulate);
    Ok(flat)
}

/// Adds the loss `op` of `scores`. Returns its value and the probabilities.
fn loss(graph: &mut Graph, op: Op, scores: ValueId, labels: ValueId, suffix: &str) -> [ValueId; 2] {
    let value = graph.add_computed(format!("loss{suffix}"), Shape::from([1]));
    let probabilities = graph.add_computed(format!("probabilities{suffix}"), graph.shape(scores).clone());
    let outputs = vec![value, probabilities];
    graph.add_node(format!("loss{suffix}"), op, vec![scores, labels], outputs, Segment::Accumulate);
    [value, probabilities]
}

/// The forward computation in training mode: batch norm with the statistics of the batch unless it is frozen, dropout
/// with its random mask.
fn forward_in_training_form(network: &Graph, frozen: &HashSet<ValueId>) -> Graph {
    let mut graph = network.clone();
    let mut nodes = std::mem::take(&mut graph.nodes);
    for node in &mut nodes {
        match &mut node.op {
            Op::BatchNorm(_) if node.inputs[1..3].iter().all(|id| frozen.contains(id)) => {}
            Op::BatchNorm(norm) => {
                let statistics = Shape::from([graph.shape(node.inputs[0])[1]]);
                let running: Vec<ValueId> = node.inputs.drain(3..).collect();
                for name in ["mean", "inverse_deviation"] {
                    let name = format!("{}.{name}", node.name);
                    node.outputs.push(graph.add_computed(name, statistics.clone()));
                }
                node.outputs.extend(running);
                let (norm, activation) = (norm.clone(), Activation::None);
                node.op = BatchNormTraining { norm, residual: false, activation }.into();
            }
            Op::Dropout(dropout) => {
                dropout.salt = name_key(&node.name);
                node.inputs.push(scalar(&mut graph, "seed", DType::I64));
                node.inputs.push(scalar(&mut graph, "step", DType::I64));
            }
            _ => {}
        }
    }
    graph.nodes = nodes;
    separate_readers(&mut graph);
    graph
}

/// Gives each parameter that several nodes read a single reader that passes it on, so that its gradient is
/// computed by one node.
fn separate_readers(graph: &mut Graph) {
    let mut readers = vec![0; graph.values.len()];
    graph.nodes.iter().flat_map(|node| &node.inputs).for_each(|id| readers[id.0] += 1);
    let is_shared = |id: &ValueId| {
        readers.get(id.0).is_some_and(|count| *count > 1) && graph.value(*id).role() == Some(Role::Parameter)
    };
    let shared: Vec<ValueId> = (0..readers.len()).map(ValueId).filter(is_shared).collect();
    if shared.is_empty() {
        return;
    }
    let mut copies: HashMap<ValueId, ValueId> = HashMap::new();
    let own = std::mem::take(&mut graph.nodes);
    for id in shared {
        let (name, shape) = (format!("shared/{}", graph.value(id).name), graph.shape(id).clone());
        let op = Constant { shape: shape.to_vec(), trained: true, initial: 0.0 };
        let copy = graph.add_computed(name.clone(), shape);
        graph.add_node(name, op, vec![id], vec![copy], Segment::Accumulate);
        copies.insert(id, copy);
    }
    for mut node in own {
        node.inputs.iter_mut().for_each(|id| *id = copies.get(id).copied().unwrap_or(*id));
        graph.nodes.push(node);
    }
}
