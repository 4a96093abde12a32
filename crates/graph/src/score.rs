//! The graph of class scores at inference and of their gradients with respect to intermediate values.

use striate_tensor::{DType, Error, Result};

use crate::Op;
use crate::gradient::backward_from;
use crate::graph::{Graph, Kind, ValueId};
use crate::loss::End;

/// The gradients of class scores, as [`score_gradients`] derives them from a network.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreGradients {
    /// Inputs: that of the network, and the *direction*, which has the shape of the scores. Outputs: that of the
    /// network, then for each wanted value the value itself, unless it is the network's input, and its gradient.
    pub graph: Graph,
    /// The name of the value that contains the scores.
    pub scores: String,
}

/// Returns the value that contains the class scores of `network`: what a final softmax, log-softmax or sigmoid reads,
/// or else the output.
fn score_of(network: &Graph) -> ValueId {
    let output = network.outputs[0];
    match End::of(network, output) {
        End { op: Some(Op::Softmax(_) | Op::LogSoftmax(_) | Op::Sigmoid(_)), reads } => reads,
        _ => output,
    }
}

/// Derives from `network` the graph that computes the gradient of Σ direction·scores with respect to each of the
/// `wanted` values, the outputs of layers or the input, at inference: batch norms use their running statistics, and
/// dropout does nothing. A direction that is 1 for a class and 0 for all others selects its score.
///
/// # Errors
/// If a wanted value does not exist, or no score depends on it, or an operation has no gradient.
pub fn score_gradients(network: &Graph, wanted: &[&str]) -> Result<ScoreGradients> {
    let mut graph = network.clone();
    let refuse = |what: String| Error::input(format!("network {}: {what}", network.name));
    let scores = score_of(&graph);
    let find = |name: &&str| match network.find(name).filter(|id| network.value(*id).role().is_none()) {
        None => Err(refuse(format!("no layer {name}"))),
        Some(id) if id == scores => Err(refuse(format!("layer {name} is the scores themselves"))),
        Some(id) => Ok(id),
    };
    let targets = wanted.iter().map(find).collect::<Result<Vec<ValueId>>>()?;
    let shape = graph.shape(scores).clone();
    let direction = graph.add_value("direction", shape, DType::F32, Kind::Input);
    graph.inputs.push(direction);
    let gradients = backward_from(&mut graph, scores, direction, &targets)?;
    for target in targets {
        let gradient = gradients.get(&target).copied();
        let name = &network.value(target).name;
        let gradient = gradient.ok_or_else(|| refuse(format!("no score depends on layer {name}")))?;
        if graph.value(target).kind != Kind::Input {
            graph.outputs.push(target);
        }
        graph.outputs.push(gradient);
    }
    graph.remove_dead_nodes();
    Ok(ScoreGradients { scores: graph.value(scores).name.clone(), graph })
}
