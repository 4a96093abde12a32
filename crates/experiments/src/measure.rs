//! What an experiment measures on each run.

use std::collections::BTreeMap;

use serde::Deserialize;
use striate_data::{Dataset, Pixels, Prepared, Split};
use striate_formats::ModelFile;
use striate_graph::statistics;
use striate_predict::Tally;
use striate_tensor::random::{Random, Stream};
use striate_tensor::{Error, Result};
use striate_train::RunFacts;
use striate_vision::augment::{Compose, Operation};
use striate_vision::network_input;

use crate::figures::{Figure, Unit};

/// What is measured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "figure", rename_all = "snake_case", deny_unknown_fields)]
pub enum Measure {
    /// The error on the test images.
    TestError {},
    /// The error on the training images, without augmentation and dropout.
    TrainError {},
    /// The mean loss of the last epoch.
    TrainLoss {},
    /// The steps after which the mean training loss of an epoch is below a bound.
    StepsToLoss { below: f64 },
    /// The steps after which the error on held-out images is below a bound.
    StepsToError { below: f64 },
    /// The norms of the initial gradients of some layers.
    GradientNorm { layers: Vec<String> },
    /// The error on test images to which something was done.
    TestErrorAfter { name: String, transforms: Compose },
    /// The number of parameters.
    Parameters {},
    /// The multiply-adds for an image.
    Macs {},
    /// The seconds of training steps.
    Seconds {},
}

/// A run whose training has ended.
pub(crate) struct Trained<'a> {
    /// What its folder tells.
    pub facts: &'a RunFacts,
    /// The model of the last step.
    pub model: &'a ModelFile,
    /// The figures on the test images.
    pub test: Option<&'a Tally>,
    /// Evaluates the network on the training images.
    pub training: &'a dyn Fn() -> Result<Tally>,
    /// Computes the norms of the initial gradients by layer.
    pub gradients: &'a dyn Fn() -> Result<BTreeMap<String, f64>>,
    /// Evaluates the network on these images.
    pub evaluate: &'a dyn Fn(&Prepared) -> Result<Tally>,
    /// Loads the data.
    pub data: &'a dyn Fn() -> Result<Dataset>,
}

impl Measure {
    /// Returns the figures of a run.
    ///
    /// # Errors
    /// If the data has no test images, or a layer is unknown.
    pub(crate) fn figures(&self, run: &Trained) -> Result<Vec<Figure>> {
        let one = |name: &str, unit, value| Ok(vec![Figure { name: name.to_owned(), unit, value }]);
        match self {
            Measure::TestError {} => {
                let test = run.test.ok_or_else(|| Error::input("the data has no test images"))?;
                one("test error", Unit::Share, Some(test.top1_error()))
            }
            Measure::TrainError {} => {
                one("training error", Unit::Share, Some((run.training)()?.top1_error()))
            }
            Measure::TrainLoss {} => one("training loss", Unit::Number, run.facts.last("train_loss")),
            Measure::StepsToLoss { below } => one(
                &format!("steps to loss {below}"),
                Unit::Count,
                steps_below(run.facts, "train_loss", *below),
            ),
            Measure::StepsToError { below } => {
                let name = format!("steps to {}", Unit::Share.text(*below));
                one(&name, Unit::Count, steps_below(run.facts, "val_top1_error", *below))
            }
            Measure::GradientNorm { layers } => {
                let norms = (run.gradients)()?;
                let figure = |layer: &String| {
                    let norm = norms.get(layer).ok_or_else(|| Error::input(format!("no layer {layer}")))?;
                    Ok(Figure {
                        name: format!("gradient of {layer}"),
                        unit: Unit::Number,
                        value: Some(*norm),
                    })
                };
                layers.iter().map(figure).collect()
            }
            Measure::TestErrorAfter { name, transforms } => {
                let dataset = (run.data)()?;
                let test = dataset.test.ok_or_else(|| Error::input("the data has no test images"))?;
                let tally = (run.evaluate)(&transformed(&test, transforms, run.model)?)?;
                one(name, Unit::Share, Some(tally.top1_error()))
            }
            Measure::Parameters {} => {
                let count = statistics(&run.model.network.graph(1)?).params;
                one("parameters", Unit::Count, Some(count as f64))
            }
            Measure::Macs {} => {
                let count = statistics(&run.model.network.graph(1)?).cost.macs;
                one("multiply-adds", Unit::Count, Some(count as f64))
            }
            Measure::Seconds {} => one("training time", Unit::Seconds, run.facts.seconds()),
        }
    }
}

/// The step at the end of the first epoch whose figure in `column` is below `bound`.
fn steps_below(facts: &RunFacts, column: &str, bound: f64) -> Option<f64> {
    let (epoch, _) = facts.column(column).iter().find(|(_, value)| *value < bound)?;
    facts.column("step").iter().find(|(other, _)| other == epoch).map(|(_, step)| *step)
}

/// The images of `split` after `transforms`, as the input of the network of `model`.
fn transformed(split: &Split, transforms: &Compose, model: &ModelFile) -> Result<Prepared> {
    let form = model.preprocessing.as_ref().ok_or_else(|| Error::input("arrays cannot be transformed"))?;
    transforms.check()?;
    let (mut numbers, mut shape) = (Vec::new(), split.shape);
    for index in 0..split.len() {
        let mut random = Random::new(0, Stream::Augmentation, index as u64);
        let (own, values) = network_input(form, &transforms.apply(split.image(index)?, &mut random)?)?;
        shape = own;
        numbers.extend(values);
    }
    let pixels = Pixels::Numbers(numbers);
    Prepared::new(Split { shape, pixels, labels: split.labels.clone(), files: None }, None)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use striate_train::Recipe;

    use super::*;

    #[test]
    fn steps_are_those_of_the_first_epoch_below_the_bound() {
        let column = |name: &str, values: [f64; 3]| {
            (name.to_owned(), (1..).map(f64::from).zip(values).collect::<Vec<_>>())
        };
        let metrics = vec![column("step", [79.0, 158.0, 237.0]), column("train_loss", [1.5, 0.9, 0.95])];
        let facts = RunFacts {
            path: PathBuf::new(),
            network: String::new(),
            recipe: Recipe::default(),
            metrics,
            test: None,
        };
        for (bound, expected) in [(2.0, Some(79.0)), (1.0, Some(158.0)), (0.9, None)] {
            assert_eq!(steps_below(&facts, "train_loss", bound), expected, "{bound}");
        }
    }
}
