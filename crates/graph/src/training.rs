//! The graph of a complete training step: forward computation, loss, gradients, update.

use std::collections::{HashMap, HashSet};

use striate_tensor::{DType, Error, Result, Shape};

use crate::gradient::backward;
use crate::graph::{Graph, Kind, Role, Segment, Value, ValueId};
use crate::init::name_key;
use crate::ops::{Activation, Adam, Add, BatchNormTraining, ClipNorm, Constant, Flatten, Sgd};
use crate::{Init, Loss, Op};

/// The rule that updates parameters from their gradients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd {
        /// The momentum coefficient.
        momentum: f32,
        /// Whether to use Nesterov momentum.
        nesterov: bool,
        /// The weight decay coefficient.
        weight_decay: f32,
    },
    /// Adam, or AdamW if the decay is decoupled.
    Adam {
        /// Decay rate of the first moment.
        beta1: f32,
        /// Decay rate of the second moment.
        beta2: f32,
        /// Added to the square root of the second moment.
        epsilon: f32,
        /// The weight decay coefficient.
        weight_decay: f32,
        /// Whether weight decay is applied to the parameter directly instead of through the gradient.
        decoupled: bool,
    },
}

/// The settings that turn a network into a training step.
#[derive(Debug, Clone, Copy, PartialEq)]
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
}

impl TrainingSpec {
    /// The network's own loss with this optimizer, and defaults for everything else.
    pub fn new(optimizer: Optimizer) -> Self {
        TrainingSpec { loss: None, optimizer, clip_norm: None, head_rate: 1.0 }
    }
}

/// Builds the graph of a training step of `network`.
///
/// Inputs: images `[N, C, H, W]`, labels `[N]` i64. Outputs: loss `[1]`, probabilities `[N, K]`, and, with
/// gradient clipping, the gradient norm `[1]`. Scalars set before each step: `rate` f32, `step` i64
/// from 0, `seed` i64, and, if the last layer has its own learning rate, `head_rate` f32.
///
/// Each auxiliary head adds its own loss, times the head's weight, to the loss of the output.
///
/// # Errors
/// If the network's output is not scores `[N, K]` or does not fit the loss, or an operation has no gradient.
pub fn training_graph(network: &Graph, spec: &TrainingSpec) -> Result<Graph> {
    let mut graph = forward_in_training_form(network);
    let head = if spec.head_rate == 1.0 { HashSet::new() } else { head_parameters(network) };
    let objective = spec.loss.or(network.loss).unwrap_or_default();
    let output = graph.outputs[0];
    let scores = scores_of(&mut graph, output, objective)?;
    let [batch, _] = **graph.shape(scores) else {
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
    let labels = graph.add_value("labels", Shape::from([batch]), DType::I64, Kind::Input);
    graph.inputs.push(labels);
    let [mut total, probabilities] = loss(&mut graph, objective, scores, labels, 1.0, "");
    for (index, (head, weight)) in std::mem::take(&mut graph.heads).into_iter().enumerate() {
        let scores = scores_of(&mut graph, head, objective)?;
        let name = format!("/{}", graph.value(head).name);
        let [of_head, _] = loss(&mut graph, objective, scores, labels, weight, &name);
        let sum = graph.add_computed(format!("loss.sum{index}"), Shape::from([1]));
        graph.add_node(format!("loss+{name}"), Add {}, vec![total, of_head], vec![sum], Segment::Accumulate);
        total = sum;
    }
    graph.outputs = vec![total, probabilities];

    backward(&mut graph)?;
    if let Some(max_norm) = spec.clip_norm {
        clip(&mut graph, max_norm);
    }
    update(&mut graph, spec.optimizer, &head);
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

/// Adds the loss of `scores`, times `scale`. Returns its value and the probabilities.
fn loss(
    graph: &mut Graph,
    loss: Loss,
    scores: ValueId,
    labels: ValueId,
    scale: f32,
    suffix: &str,
) -> [ValueId; 2] {
    let value = graph.add_computed(format!("loss{suffix}"), Shape::from([1]));
    let probabilities = graph.add_computed(format!("probabilities{suffix}"), graph.shape(scores).clone());
    let op = loss.op(scale);
    let outputs = vec![value, probabilities];
    graph.add_node(format!("loss{suffix}"), op, vec![scores, labels], outputs, Segment::Accumulate);
    [value, probabilities]
}

/// The forward computation in training mode: batch norm with the statistics of the batch, dropout with its
/// random mask.
fn forward_in_training_form(network: &Graph) -> Graph {
    let mut graph = network.clone();
    let mut nodes = std::mem::take(&mut graph.nodes);
    for node in &mut nodes {
        match &mut node.op {
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
        let op = Constant { shape: shape.to_vec(), trained: true };
        let copy = graph.add_computed(name.clone(), shape);
        graph.add_node(name, op, vec![id], vec![copy], Segment::Accumulate);
        copies.insert(id, copy);
    }
    for mut node in own {
        node.inputs.iter_mut().for_each(|id| *id = copies.get(id).copied().unwrap_or(*id));
        graph.nodes.push(node);
    }
}

/// The scalar variable `name`, which the caller sets before each step.
fn scalar(graph: &mut Graph, name: &str, dtype: DType) -> ValueId {
    // Scalars follow the values of the network, so a search from the end is short.
    let is_known = |value: &Value| value.role() == Some(Role::Scalar) && value.name == name;
    match graph.values.iter().rposition(is_known) {
        Some(index) => ValueId(index),
        None => variable(graph, name.into(), Shape::from([1]), dtype, Role::Scalar),
    }
}

fn variable(graph: &mut Graph, name: String, shape: Shape, dtype: DType, role: Role) -> ValueId {
    graph.add_value(
        name,
        shape,
        dtype,
        Kind::Variable { role, init: Init::Constant(0.0), fan: (1, 1).into() },
    )
}

fn clip(graph: &mut Graph, max_norm: f32) {
    let norm = graph.add_computed("gradient_norm", Shape::from([1]));
    let mut outputs: Vec<ValueId> = graph.gradients.iter().map(|(_, gradient)| *gradient).collect();
    outputs.push(norm);
    graph.add_node("clip_norm", ClipNorm { max_norm }, vec![], outputs, Segment::Update);
    graph.outputs.push(norm);
}

/// Returns the parameters of the last layer with parameters before the output and before each auxiliary head.
fn head_parameters(network: &Graph) -> HashSet<ValueId> {
    let ends = network.outputs.iter().copied().chain(network.heads.iter().map(|(head, _)| *head));
    let is_parameter = |id: &ValueId| network.value(*id).role() == Some(Role::Parameter);
    let mut found = HashSet::new();
    for mut id in ends {
        while let Some(node) = network.nodes.iter().find(|node| node.outputs.contains(&id)) {
            let own: Vec<ValueId> = node.inputs.iter().copied().filter(is_parameter).collect();
            id = node.inputs[0];
            if !own.is_empty() {
                found.extend(own);
                break;
            }
        }
    }
    found
}

fn update(graph: &mut Graph, optimizer: Optimizer, head: &HashSet<ValueId>) {
    let body_rate = scalar(graph, "rate", DType::F32);
    for (parameter, gradient) in graph.gradients.clone() {
        let rate = if head.contains(&parameter) { scalar(graph, "head_rate", DType::F32) } else { body_rate };
        let (name, shape) = (graph.value(parameter).name.clone(), graph.shape(parameter).clone());
        let state = |graph: &mut Graph, kind: &str| {
            variable(graph, format!("{kind}.{name}"), shape.clone(), DType::F32, Role::State)
        };
        let (op, inputs, outputs): (Op, _, _) = match optimizer {
            Optimizer::Sgd { momentum, nesterov, weight_decay } => {
                let mut outputs = vec![parameter];
                if momentum != 0.0 {
                    outputs.push(state(graph, "momentum"));
                }
                (Sgd { momentum, nesterov, weight_decay }.into(), vec![gradient, rate], outputs)
            }
            Optimizer::Adam { beta1, beta2, epsilon, weight_decay, decoupled } => {
                let step = scalar(graph, "step", DType::I64);
                let outputs = vec![parameter, state(graph, "moment1"), state(graph, "moment2")];
                let op = Adam { beta1, beta2, epsilon, weight_decay, decoupled };
                (op.into(), vec![gradient, rate, step], outputs)
            }
        };
        graph.add_node(format!("update/{name}"), op, inputs, outputs, Segment::Update);
    }
}
