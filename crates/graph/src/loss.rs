//! What training minimizes, and which outputs it fits.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result};

use crate::Op;
use crate::graph::{Graph, ValueId};
use crate::ops::{ClassLoss, Criterion, CrossEntropy};

/// What is minimized: a mean over the batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "name",
    rename_all = "snake_case",
    deny_unknown_fields,
    expecting = "a loss such as { name = \"hinge\" }"
)]
pub enum Loss {
    /// Cross-entropy of the softmax with the labels.
    CrossEntropy {
        /// Share of the target spread over all classes.
        #[serde(default)]
        smoothing: f32,
    },
    /// Cross-entropy of each class's sigmoid with whether it is the label.
    BinaryCrossEntropy {},
    /// Squared distance to one at the label and zero elsewhere.
    MeanSquared {},
    /// How far other scores come within a margin of the label's.
    Hinge {
        /// The margin.
        #[serde(default = "one")]
        margin: f32,
        /// 1, or 2 for the squared form.
        #[serde(default = "first")]
        power: u8,
    },
    /// LeNet-5's own, for a network that ends in an RBF layer.
    Rbf {
        /// The penalty of a class that stands for none of them.
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
        &["cross_entropy", "binary_cross_entropy", "mean_squared", "hinge", "rbf"];

    /// The loss's name, as recipes and network texts write it.
    pub fn name(&self) -> &'static str {
        match self {
            Loss::CrossEntropy { .. } => "cross_entropy",
            Loss::BinaryCrossEntropy {} => "binary_cross_entropy",
            Loss::MeanSquared {} => "mean_squared",
            Loss::Hinge { .. } => "hinge",
            Loss::Rbf { .. } => "rbf",
        }
    }

    /// Refuses fields out of range.
    ///
    /// # Errors
    /// If there are such.
    pub fn check(&self) -> Result<()> {
        let rules = match *self {
            Loss::CrossEntropy { smoothing } => {
                [((0.0..1.0).contains(&smoothing), "loss.smoothing lies in [0, 1)"), (true, "")]
            }
            Loss::Hinge { margin, power } => [
                (margin > 0.0 && margin.is_finite(), "loss.margin is above 0"),
                ((1..=2).contains(&power), "loss.power is 1 or 2"),
            ],
            Loss::Rbf { j } => [(j.is_finite(), "loss.j is a number"), (true, "")],
            Loss::BinaryCrossEntropy {} | Loss::MeanSquared {} => [(true, ""); 2],
        };
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(Error::input(*rule)),
            None => Ok(()),
        }
    }

    /// The operation that computes it, times `scale`.
    pub(crate) fn op(self, scale: f32) -> Op {
        let criterion = match self {
            Loss::CrossEntropy { smoothing } => return CrossEntropy { smoothing, scale }.into(),
            Loss::BinaryCrossEntropy {} => Criterion::BinaryCrossEntropy,
            Loss::MeanSquared {} => Criterion::MeanSquared,
            Loss::Hinge { margin, power } => Criterion::Hinge { margin, power },
            Loss::Rbf { j } => Criterion::Rbf { j },
        };
        ClassLoss { criterion, scale }.into()
    }

    /// The value that the loss reads where the network's output, or a head's, is `output`: what a final
    /// softmax or sigmoid reads if the loss contains it.
    ///
    /// # Errors
    /// If the output ends in what the loss does not fit.
    pub(crate) fn reads(&self, graph: &Graph, output: ValueId) -> Result<ValueId> {
        self.check()?;
        let end = End::of(graph, output);
        let last = end.op.map_or("its input", Op::name);
        let refuse = |fits: &str| {
            Err(Error::input(format!("ends in {last}, and the loss {} takes {fits}", self.name())))
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
            (Loss::Hinge { .. }, Some(Op::Softmax(_) | Op::Sigmoid(_))) => refuse(
                "scores; use cross_entropy, binary_cross_entropy or mean_squared, or leave the layer out",
            ),
            (Loss::Rbf { .. }, op) if !matches!(op, Some(Op::Rbf(_))) => {
                refuse("the output of an rbf layer; use cross_entropy")
            }
            _ => Ok(output),
        }
    }
}

/// The last operation before an output that is more than another shape, and what it reads: the output
/// itself if that has another shape.
struct End<'g> {
    op: Option<&'g Op>,
    reads: ValueId,
}

impl End<'_> {
    fn of(graph: &Graph, output: ValueId) -> End<'_> {
        let mut id = output;
        while let Some(node) = graph.nodes.iter().find(|node| node.outputs.contains(&id)) {
            id = node.inputs[0];
            if !matches!(node.op, Op::Reshape(_) | Op::Flatten(_)) {
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
    fn a_loss_refuses_what_it_does_not_fit() {
        let linear = network(|x| x.linear(3));
        let softmax = network(|x| x.linear(3).softmax());
        let sigmoid = network(|x| x.linear(3).sigmoid());
        let rbf = network(|x| x.rbf(3));
        let hinge = Loss::Hinge { margin: 1.0, power: 1 };
        let binary = Loss::BinaryCrossEntropy {};
        for (network, loss, expected) in [
            (&sigmoid, Loss::default(), "ends in sigmoid, and the loss cross_entropy"),
            (&softmax, binary, "ends in softmax, and the loss binary_cross_entropy"),
            (&softmax, hinge, "ends in softmax, and the loss hinge takes scores"),
            (&linear, Loss::Rbf { j: 1.0 }, "ends in linear, and the loss rbf takes the output of an rbf"),
            (&linear, Loss::Hinge { margin: 1.0, power: 3 }, "loss.power is 1 or 2"),
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
    fn a_network_may_bring_its_loss() {
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
