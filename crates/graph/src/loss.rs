//! The losses that training can minimize, and the network outputs they accept.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result};

use crate::Op;
use crate::graph::{Graph, ValueId};
use crate::ops::{ClassLoss, Criterion, CrossEntropy, SoftCrossEntropy};

/// A loss: the mean over the batch that training minimizes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "name",
    rename_all = "snake_case",
    deny_unknown_fields,
    expecting = "a loss such as { name = \"hinge\" }"
)]
pub enum Loss {
    /// Cross-entropy between the softmax and the labels.
    CrossEntropy {
        /// Label smoothing: the share of the target distributed evenly over all classes.
        #[serde(default)]
        smoothing: f32,
    },
    /// Binary cross-entropy of each class's sigmoid, with target 1 for the label and 0 for the others.
    BinaryCrossEntropy {},
    /// Mean squared error, with target 1 for the label and 0 for the others.
    MeanSquared {},
    /// Hinge loss: penalizes scores that come within a margin of the label's score.
    Hinge {
        /// The margin.
        #[serde(default = "one")]
        margin: f32,
        /// 1, or 2 for the squared form.
        #[serde(default = "first")]
        power: u8,
    },
    /// The perceptron's loss: how far the highest score exceeds the label's. Each wrong answer raises the weights of
    /// the label and lowers those of the answer; a right one changes nothing.
    Perceptron {},
    /// LeNet-5's original loss, for a network that ends in an RBF layer.
    Rbf {
        /// The penalty of an additional "none of the classes" class.
        #[serde(default = "one")]
        j: f32,
    },
}

fn one() -> f32 {
    1.0
}

fn first() -> u8 {
    1
}

impl Default for Loss {
    fn default() -> Self {
        Loss::CrossEntropy { smoothing: 0.0 }
    }
}

impl Loss {
    /// The names of all losses, as recipes and network texts write them.
    pub const NAMES: &'static [&'static str] =
        &["cross_entropy", "binary_cross_entropy", "mean_squared", "hinge", "perceptron", "rbf"];

    /// The loss's name, as recipes and network texts write it.
    pub fn name(&self) -> &'static str {
        match self {
            Loss::CrossEntropy { .. } => "cross_entropy",
            Loss::BinaryCrossEntropy {} => "binary_cross_entropy",
            Loss::MeanSquared {} => "mean_squared",
            Loss::Hinge { .. } => "hinge",
            Loss::Perceptron {} => "perceptron",
            Loss::Rbf { .. } => "rbf",
        }
    }

    /// Checks that all fields are in range.
    ///
    /// # Errors
    /// If a field is out of range.
    pub fn check(&self) -> Result<()> {
        let rules = match *self {
            Loss::CrossEntropy { smoothing } => {
                [((0.0..1.0).contains(&smoothing), "loss.smoothing must be in [0, 1)"), (true, "")]
            }
            Loss::Hinge { margin, power } => [
                (margin > 0.0 && margin.is_finite(), "loss.margin must be positive and finite"),
                ((1..=2).contains(&power), "loss.power must be 1 or 2"),
            ],
            Loss::Rbf { j } => [(j.is_finite(), "loss.j must be finite"), (true, "")],
            Loss::BinaryCrossEntropy {} | Loss::MeanSquared {} | Loss::Perceptron {} => [(true, ""); 2],
        };
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(Error::input(*rule)),
            None => Ok(()),
        }
    }

    /// Returns the operation that computes the loss times `scale`.
    pub fn op(self, scale: f32) -> Op {
        let criterion = match self {
            Loss::CrossEntropy { smoothing } => return CrossEntropy { smoothing, scale }.into(),
            Loss::BinaryCrossEntropy {} => Criterion::BinaryCrossEntropy,
            Loss::MeanSquared {} => Criterion::MeanSquared,
            Loss::Hinge { margin, power } => Criterion::Hinge { margin, power },
            Loss::Perceptron {} => Criterion::Perceptron,
            Loss::Rbf { j } => Criterion::Rbf { j },
        };
        ClassLoss { criterion, scale }.into()
    }

    /// Returns the operation that computes the loss times `scale` for a target for each class, which already contains
    /// the smoothing.
    ///
    /// # Errors
    /// If this is not the cross-entropy.
    pub(crate) fn soft_op(self, scale: f32) -> Result<Op> {
        match self {
            Loss::CrossEntropy { .. } => Ok(SoftCrossEntropy { scale }.into()),
            other => Err(Error::input(format!(
                "mixed images and class weights need the loss cross_entropy, but the loss is {}",
                other.name()
            ))),
        }
    }

    /// The value that the loss reads for the output `output` of the network or an auxiliary head. If the loss
    /// includes the final softmax or sigmoid, that is the input of that layer.
    ///
    /// # Errors
    /// If the loss does not accept such an output.
    pub(crate) fn reads(&self, graph: &Graph, output: ValueId) -> Result<ValueId> {
        self.check()?;
        let end = End::of(graph, output);
        let last = end.op.map_or("its input", Op::name);
        let refuse = |fits: &str| {
            Err(Error::input(format!("ends in {last}, but the loss {} takes {fits}", self.name())))
        };
        match (self, end.op) {
            (Loss::CrossEntropy { .. }, Some(Op::Softmax(_)))
            | (Loss::BinaryCrossEntropy {}, Some(Op::Sigmoid(_))) => Ok(end.reads),
            (Loss::CrossEntropy { .. }, Some(Op::Sigmoid(_))) => {
                refuse("scores or a softmax; use binary_cross_entropy or mean_squared")
            }
            (Loss::BinaryCrossEntropy {}, Some(Op::Softmax(_))) => {
                refuse("scores or a sigmoid; use cross_entropy or mean_squared")
            }
            (Loss::Hinge { .. } | Loss::Perceptron {}, Some(Op::Softmax(_) | Op::Sigmoid(_))) => {
                refuse("scores; use cross_entropy, binary_cross_entropy or mean_squared, or remove the layer")
            }
            (Loss::Rbf { .. }, op) if !matches!(op, Some(Op::Rbf(_))) => {
                refuse("the output of an rbf layer; use cross_entropy")
            }
            _ => Ok(output),
        }
    }
}

/// The last operation before an output that is not a reshape, and the value it reads; or the output itself if
/// the shapes of the two are incompatible.
pub(crate) struct End<'g> {
    pub op: Option<&'g Op>,
    pub reads: ValueId,
}

impl End<'_> {
    pub fn of(graph: &Graph, output: ValueId) -> End<'_> {
        let mut id = output;
        while let Some(node) = graph.nodes.iter().find(|node| node.outputs.contains(&id)) {
            id = node.inputs[0];
            if !node.op.is_view() {
                let (rows, whole) = (graph.shape(id), graph.shape(output));
                let same = whole.starts_with(rows) && whole.numel() == rows.numel();
                return End { op: Some(&node.op), reads: if same { id } else { output } };
            }
        }
        End { op: None, reads: output }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Builder, Network, Optimizer, Tensor, TrainingSpec, training_graph};

    fn network(end: impl for<'b> Fn(Tensor<'b>) -> Tensor<'b>) -> Network {
        let net = Builder::new("net", [1, 2, 2]);
        end(net.input().flatten()).finish().unwrap()
    }

    fn trained(network: &Network, loss: Option<Loss>) -> Result<Graph> {
        let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
        training_graph(&network.graph(2)?, &TrainingSpec { loss, ..TrainingSpec::new(sgd) })
    }

    #[test]
    fn losses_refuse_outputs_they_do_not_accept() {
        let linear = network(|x| x.linear(3));
        let softmax = network(|x| x.linear(3).softmax());
        let sigmoid = network(|x| x.linear(3).sigmoid());
        let rbf = network(|x| x.rbf(3));
        let hinge = Loss::Hinge { margin: 1.0, power: 1 };
        let binary = Loss::BinaryCrossEntropy {};
        for (network, loss, expected) in [
            (&sigmoid, Loss::default(), "ends in sigmoid, but the loss cross_entropy"),
            (&softmax, binary, "ends in softmax, but the loss binary_cross_entropy"),
            (&softmax, hinge, "ends in softmax, but the loss hinge takes scores"),
            (&linear, Loss::Rbf { j: 1.0 }, "ends in linear, but the loss rbf takes the output of an rbf"),
            (&linear, Loss::Hinge { margin: 1.0, power: 3 }, "loss.power must be 1 or 2"),
        ] {
            let error = trained(network, Some(loss)).unwrap_err();
            assert!(error.is_input() && error.to_string().contains(expected), "{error}");
        }
        for (network, loss) in [
            (&linear, hinge),
            (&softmax, Loss::default()),
            (&sigmoid, binary),
            (&softmax, Loss::MeanSquared {}),
            (&rbf, Loss::Rbf { j: 1.0 }),
        ] {
            trained(network, Some(loss)).unwrap();
        }
    }

    #[test]
    fn network_text_can_specify_the_loss() {
        let text = r#"
            name = "net"
            input = [1, 2, 2]
            loss = { name = "hinge", margin = 0.5 }
            layers = [{ op = "flatten" }, { op = "linear", out_features = 3 }]"#;
        let network = Network::from_text(text).unwrap();
        assert_eq!(network.loss, Some(Loss::Hinge { margin: 0.5, power: 1 }));
        assert_eq!(Network::from_text(&network.to_text()).unwrap(), network);
        let uses = |loss, name: &str| {
            trained(&network, loss).unwrap().nodes.iter().any(|node| node.op.name() == name)
        };
        assert!(uses(None, "class_loss") && uses(Some(Loss::default()), "cross_entropy"));
    }
}
