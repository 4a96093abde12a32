//! The meaning of a network's outputs: class scores, probabilities, a single score for two classes, independent scores.

use std::collections::{HashMap, HashSet};

use striate_engine::Inference;
use striate_graph::{Layer, Network, Op};
use striate_tensor::random::{Random, Stream};
use striate_tensor::{Error, Result, Shape};

use crate::tally::softmax;

/// Rounding tolerance for the sum of probabilities.
const TOLERANCE: f32 = 1e-3;
/// Number of inputs on which outputs of unknown meaning are probed.
const PROBES: u64 = 3;

/// The meaning of a network's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// A score for each class; softmax turns them into probabilities.
    Scores,
    /// Probabilities that sum to 1.
    Probabilities,
    /// One score for two classes; its sigmoid is the probability of the second.
    OneScore,
    /// The probability of the second of two classes.
    OneProbability,
    /// A probability for each class, independent of the others: an image may belong to several classes or to none.
    Independent,
}

/// The operations between the last layer with weights and the output.
#[derive(Debug, Clone, Copy, Default)]
struct End {
    /// The output is that of a softmax, possibly reshaped.
    is_softmax: bool,
    is_sigmoid: bool,
    /// A softmax, sigmoid or exponential precedes other operations, so the outputs may be probabilities.
    is_unclear: bool,
}

impl Head {
    /// Returns the meaning of the outputs of `inference`, judging by the graph's last operation; if arithmetic
    /// follows a softmax or a sigmoid, by the outputs for a few inputs.
    ///
    /// # Errors
    /// If the output is not one number per class of an image.
    pub fn of(inference: &Inference) -> Result<Head> {
        let network = inference.network();
        let outputs = outputs(network)?;
        let end = End::of(network);
        let (sum_to_one, are_shares) = match end {
            End { is_softmax: true, .. } => (true, true),
            End { is_sigmoid: true, .. } => (false, true),
            End { is_unclear: true, .. } => observe(inference)?,
            _ => (false, false),
        };
        Ok(match (outputs, are_shares) {
            (1, true) => Head::OneProbability,
            (1, false) => Head::OneScore,
            (_, true) if sum_to_one => Head::Probabilities,
            (_, true) => Head::Independent,
            (_, false) => Head::Scores,
        })
    }

    /// Returns the number of classes that `outputs` outputs distinguish.
    pub fn classes(outputs: usize) -> usize {
        outputs.max(2)
    }

    /// Whether the scores of an image are independent of each other, so that they do not sum to 1.
    pub fn is_independent(self) -> bool {
        self == Head::Independent
    }

    /// Describes how the outputs are used, unless that is a plain softmax.
    pub fn note(self) -> Option<&'static str> {
        match self {
            Head::Scores => None,
            Head::Probabilities => Some("outputs already sum to 1; no softmax is applied"),
            Head::OneScore => {
                Some("single output: sigmoid gives the probability of the second of two classes")
            }
            Head::OneProbability => Some("single output: the probability of the second of two classes"),
            Head::Independent => Some("outputs are independent scores from 0 to 1, which need not sum to 1"),
        }
    }

    /// Returns the score of each class, from 0 to 1, for the outputs of one image.
    pub fn probabilities(self, outputs: &[f32]) -> Vec<f32> {
        match (self, outputs) {
            (Head::Scores, _) => softmax(outputs),
            (Head::Probabilities | Head::Independent, _) => outputs.to_vec(),
            (Head::OneScore, [score]) => vec![sigmoid(-score), sigmoid(*score)],
            (Head::OneProbability, [p]) => vec![1.0 - p, *p],
            (Head::OneScore | Head::OneProbability, _) => unreachable!("one output was found"),
        }
    }

    /// Returns the score of each class, from 0 to 1, for the values of one image before the final softmax or sigmoid.
    pub fn before_last(self, values: &[f32]) -> Vec<f32> {
        match self {
            Head::Independent => values.iter().map(|value| sigmoid(*value)).collect(),
            Head::OneScore | Head::OneProbability => Head::OneScore.probabilities(values),
            Head::Scores | Head::Probabilities => softmax(values),
        }
    }

    /// Returns values whose softmax gives the class probabilities: scores unchanged, or the logarithms of
    /// probabilities. For independent scores, only their order is meaningful.
    pub fn scores(self, outputs: &[f32]) -> Vec<f32> {
        let log = |p: &f32| p.max(f32::MIN_POSITIVE).ln();
        match (self, outputs) {
            (Head::Scores, _) => outputs.to_vec(),
            (Head::OneScore, [score]) => vec![0.0, *score],
            _ => self.probabilities(outputs).iter().map(log).collect(),
        }
    }
}

/// Returns 1 / (1 + e^−x) without overflow.
fn sigmoid(x: f32) -> f32 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

/// The number of outputs for an image: of shape `[N, K]`, `[N]` or `[N, K, 1, …]`.
fn outputs(network: &Network) -> Result<usize> {
    let graph = network.graph(1)?;
    let shape = graph.shape(graph.outputs[0]);
    let classes = shape.get(1).copied().unwrap_or(1);
    match shape.iter().skip(2).all(|extent| *extent == 1) {
        true => Ok(classes),
        false => {
            let rest = shape.iter().skip(1).fold("[N".to_owned(), |form, extent| format!("{form}, {extent}"));
            Err(Error::input(format!(
                "network {}: its output {rest}] is not one score per class; select another with --output, or \
                 compute it with `striate run`",
                network.name
            )))
        }
    }
}

impl End {
    /// Returns the operations between the last layers with weights and the output.
    fn of(network: &Network) -> End {
        let layers: HashMap<&str, &Layer> =
            network.layers.iter().map(|layer| (layer.name.as_str(), layer)).collect();
        let mut end = End::default();
        let Some(mut last) = network.layers.last() else { return end };
        while is_reshaping(&last.op)
            && let Some(before) = last.inputs.first().and_then(|name| layers.get(name.as_str()))
        {
            last = before;
        }
        end.is_softmax = matches!(last.op, Op::Softmax(_));
        end.is_sigmoid = matches!(last.op, Op::Sigmoid(_));
        // Logarithms of probabilities can be used as scores.
        let mut open = if matches!(last.op, Op::LogSoftmax(_)) { vec![] } else { vec![last] };
        let mut seen: HashSet<&str> = HashSet::new();
        while let Some(layer) = open.pop() {
            if has_weights(&layer.op) || !seen.insert(&layer.name) {
                continue;
            }
            end.is_unclear |= makes_shares(&layer.op);
            open.extend(layer.inputs.iter().filter_map(|name| layers.get(name.as_str())));
        }
        end
    }
}

/// Whether the operation only changes the shape.
fn is_reshaping(op: &Op) -> bool {
    matches!(op, Op::Reshape(_) | Op::Flatten(_) | Op::Dropout(_) | Op::Transpose(_))
}

/// Whether the range of the operation's output is independent of the range of its input.
fn has_weights(op: &Op) -> bool {
    matches!(op, Op::Linear(_) | Op::Conv(_) | Op::Rbf(_) | Op::BatchNorm(_) | Op::LocallyConnected(_))
}

/// Whether the operation yields values from 0 to 1, or positive ones.
fn makes_shares(op: &Op) -> bool {
    matches!(op, Op::Softmax(_) | Op::LogSoftmax(_) | Op::Sigmoid(_))
        || ["exp", "hard_sigmoid"].contains(&op.name())
}

/// Whether the outputs for a few inputs sum to 1, and whether they lie between 0 and 1.
fn observe(inference: &Inference) -> Result<(bool, bool)> {
    let shape = inference.network().input_shape(1);
    let (mut sum_to_one, mut are_shares) = (true, true);
    for probe in 0..PROBES {
        let mut random = Random::new(0, Stream::Other, probe);
        let input: Vec<f32> =
            (0..Shape::checked_len(&shape)?).map(|_| random.below(512) as f32 / 128.0 - 2.0).collect();
        let (_, outputs) = inference.run(&shape, &input)?;
        are_shares &= outputs.iter().all(|p| (-TOLERANCE..=1.0 + TOLERANCE).contains(p));
        sum_to_one &= (outputs.iter().sum::<f32>() - 1.0).abs() <= TOLERANCE;
    }
    Ok((sum_to_one && are_shares, are_shares))
}

#[cfg(test)]
mod tests {
    use striate_engine::Cpu;
    use striate_graph::{Builder, Tensor};

    use super::*;

    fn head(end: impl for<'b> Fn(Tensor<'b>) -> Tensor<'b>) -> Result<Head> {
        let net = Builder::new("net", [1, 2, 2]);
        let network = end(net.input()).finish().unwrap();
        let weights = Inference::initial_weights(&network, 1).unwrap();
        Head::of(&Inference::new(network, &weights, Cpu::new(1).unwrap()).unwrap())
    }

    #[test]
    fn end_of_network_decides_the_meaning_of_outputs() {
        assert_eq!(head(|x| x.flatten().linear(3)).unwrap(), Head::Scores);
        assert_eq!(head(|x| x.flatten().linear(3).softmax()).unwrap(), Head::Probabilities);
        assert_eq!(head(|x| x.flatten().linear(3).softmax().flatten()).unwrap(), Head::Probabilities);
        assert_eq!(head(|x| x.flatten().linear(3).sigmoid()).unwrap(), Head::Independent);
        assert_eq!(head(|x| x.flatten().linear(1)).unwrap(), Head::OneScore);
        assert_eq!(head(|x| x.flatten().linear(1).sigmoid()).unwrap(), Head::OneProbability);
        // A sigmoid before the last weights does not affect the meaning of the output.
        assert_eq!(head(|x| x.flatten().linear(4).sigmoid().linear(3)).unwrap(), Head::Scores);
    }

    #[test]
    fn outputs_after_arithmetic_are_probed() {
        let mean = head(|x| {
            let x = x.flatten();
            (x.linear(3).softmax() + x.linear(3).softmax()).multiply_by(0.5)
        });
        assert_eq!(mean.unwrap(), Head::Probabilities);
        let scaled = head(|x| x.flatten().linear(3).softmax().multiply_by(5.0));
        assert_eq!(scaled.unwrap(), Head::Scores);
    }

    #[test]
    fn maps_are_refused() {
        let error = head(|x| x.conv(3, 1)).unwrap_err().to_string();
        assert!(error.contains("its output [N, 3, 2, 2] is not one score per class"), "{error}");
    }

    #[test]
    fn scores_become_probabilities_by_their_meaning() {
        assert_eq!(Head::OneScore.probabilities(&[0.0]), [0.5, 0.5]);
        let [first, second] = Head::OneScore.probabilities(&[2.0])[..] else { panic!("two classes") };
        assert!((second - 0.880_797_1).abs() < 1e-6 && (first - 0.119_202_92).abs() < 1e-6);
        assert_eq!(Head::OneScore.probabilities(&[-200.0]), [1.0, 0.0]);
        assert_eq!(Head::OneProbability.probabilities(&[0.25]), [0.75, 0.25]);
        assert_eq!(Head::Probabilities.probabilities(&[0.2, 0.8]), [0.2, 0.8]);
        assert_eq!(Head::Independent.probabilities(&[0.9, 0.8, 0.0]), [0.9, 0.8, 0.0]);
        assert_eq!(Head::Scores.probabilities(&[1.0, 1.0]), [0.5, 0.5]);
        assert_eq!(Head::Independent.before_last(&[0.0, 0.0]), [0.5, 0.5]);
        assert_eq!(Head::Probabilities.before_last(&[1.0, 1.0]), [0.5, 0.5]);
        assert_eq!(Head::OneProbability.before_last(&[0.0]), [0.5, 0.5]);
        assert_eq!(Head::OneScore.scores(&[3.0]), [0.0, 3.0]);
        assert_eq!(Head::Probabilities.scores(&[1.0, 0.0]), [0.0, f32::MIN_POSITIVE.ln()]);
    }
}
