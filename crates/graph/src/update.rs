//! The updates of a training step: sums over the parts of a batch, clipping, the optimizer, running averages.

use std::collections::HashSet;

use striate_tensor::{DType, Result, Shape};

use crate::graph::{Graph, Kind, Role, Segment, Value, ValueId};
use crate::ops::{Average, ClipNorm};
use crate::optimizer::Optimizer;
use crate::{Init, TrainingSpec, pattern};

/// Returns the decay rate of a running average at update number `step`, from 0: at most `decay`, and low at first, so
/// that the average soon forgets the initial weights; 0 at the first update, which copies them. TensorFlow's
/// `ExponentialMovingAverage` with `num_updates`, which starts after that copy.
pub fn average_decay(decay: f32, step: u64) -> f32 {
    let updates = step as f64;
    f64::from(decay).min(updates / (9.0 + updates)) as f32
}

/// Adds everything that follows the gradients in `graph`, the training form of `network`.
pub(crate) fn add_updates(graph: &mut Graph, network: &Graph, spec: &TrainingSpec) -> Result<()> {
    if spec.in_parts {
        sum_parts(graph);
    }
    if let Some(max_norm) = spec.clip_norm {
        clip(graph, max_norm);
    }
    let rates = Rates::new(network, spec)?;
    for (parameter, gradient) in graph.gradients.clone() {
        let rate = rates.of(graph, parameter);
        let decays = spec.decays_norms || graph.shape(parameter).len() > 1;
        let optimizer = if decays { spec.optimizer } else { spec.optimizer.without_decay() };
        update(graph, optimizer, parameter, gradient, rate);
    }
    if spec.average.is_some() {
        average(graph);
    }
    Ok(())
}

/// The factors on the learning rate.
struct Rates<'s> {
    /// The parameters of the last layers, with their factor.
    head: (HashSet<ValueId>, f32),
    /// The parameters that a pattern matches, with their factor.
    by_pattern: Vec<(HashSet<ValueId>, &'s f32)>,
}

impl<'s> Rates<'s> {
    fn new(network: &Graph, spec: &'s TrainingSpec) -> Result<Rates<'s>> {
        let head = if spec.head_rate == 1.0 { HashSet::new() } else { head_parameters(network) };
        let of = |(pattern, factor): &'s (String, f32)| Ok((pattern::select(network, [&**pattern])?, factor));
        Ok(Rates {
            head: (head, spec.head_rate),
            by_pattern: spec.rates.iter().map(of).collect::<Result<_>>()?,
        })
    }

    /// The scalar variable with the learning rate of `parameter`.
    fn of(&self, graph: &mut Graph, parameter: ValueId) -> ValueId {
        let (head, of_head) = (&self.head.0, self.head.1);
        let all = self.by_pattern.iter().map(|(parameters, factor)| (parameters, **factor));
        let own = all.chain([(head, of_head)]).filter(|(parameters, _)| parameters.contains(&parameter));
        match own.map(|(_, factor)| factor).product::<f32>() {
            1.0 => scalar(graph, "rate", DType::F32),
            factor => scalar(graph, &format!("{RATE_TIMES}{factor}"), DType::F32),
        }
    }
}

/// The start of the names of scalars for the learning rate times a factor, which follows.
pub const RATE_TIMES: &str = "rate*";

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

/// Adds the sums of the gradients over the parts of a batch, which replace the gradients before the update.
fn sum_parts(graph: &mut Graph) {
    let [keep, share, zero, one] =
        ["part_keep", "part_share", "zero", "one"].map(|name| scalar(graph, name, DType::F32));
    for (parameter, gradient) in graph.gradients.clone() {
        let (name, shape) = (graph.value(parameter).name.clone(), graph.shape(parameter).clone());
        let total = variable(graph, format!("total.{name}"), shape, DType::F32, Role::Total);
        let add = vec![gradient, keep, share];
        graph.add_node(format!("add_part/{name}"), Average, add, vec![total], Segment::Accumulate);
        let copy = vec![total, zero, one];
        graph.add_node(format!("total/{name}"), Average, copy, vec![gradient], Segment::Update);
    }
}

fn clip(graph: &mut Graph, max_norm: f32) {
    let norm = graph.add_computed("gradient_norm", Shape::from([1]));
    let mut outputs: Vec<ValueId> = graph.gradients.iter().map(|(_, gradient)| *gradient).collect();
    outputs.push(norm);
    graph.add_node("clip_norm", ClipNorm { max_norm }, vec![], outputs, Segment::Update);
    graph.outputs.push(norm);
}

fn update(graph: &mut Graph, optimizer: Optimizer, parameter: ValueId, gradient: ValueId, rate: ValueId) {
    let (name, shape) = (graph.value(parameter).name.clone(), graph.shape(parameter).clone());
    let mut inputs = vec![gradient, rate];
    if let Optimizer::Adam { .. } = optimizer {
        inputs.push(scalar(graph, "step", DType::I64));
    }
    let mut outputs = vec![parameter];
    for kind in optimizer.states() {
        let state = format!("{kind}.{name}");
        outputs.push(variable(graph, state, shape.clone(), DType::F32, Role::State));
    }
    graph.add_node(format!("update/{name}"), optimizer.op(), inputs, outputs, Segment::Update);
}

/// Adds running averages of all parameters and buffers that the step changes.
fn average(graph: &mut Graph) {
    let [keep, share] = ["average_keep", "average_share"].map(|name| scalar(graph, name, DType::F32));
    let written: HashSet<ValueId> =
        graph.nodes.iter().flat_map(|node| node.outputs.iter().copied()).collect();
    let stored = graph.variables(Role::Parameter).chain(graph.variables(Role::Buffer));
    let changing: Vec<ValueId> = stored.map(|(id, _)| id).filter(|id| written.contains(id)).collect();
    for id in changing {
        let (name, shape) = (graph.value(id).name.clone(), graph.shape(id).clone());
        let average = variable(graph, format!("{AVERAGE}{name}"), shape, DType::F32, Role::State);
        let operands = vec![id, keep, share];
        graph.add_node(format!("average/{name}"), Average, operands, vec![average], Segment::Update);
    }
}

/// The start of the names of running averages, which the name of the variable follows.
pub const AVERAGE: &str = "average.";

/// The scalar variable `name`, which the caller sets before each step.
pub(crate) fn scalar(graph: &mut Graph, name: &str, dtype: DType) -> ValueId {
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
