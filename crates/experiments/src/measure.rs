//! What an experiment measures on each run.

use std::collections::BTreeMap;

use serde::Deserialize;
use striate_data::{Dataset, Pixels, Prepared, Split};
use striate_formats::ModelFile;
use striate_graph::{Network, statistics};
use striate_predict::Tally;
use striate_tensor::random::{Random, Stream};
use striate_tensor::{Error, Result};
use striate_train::RunFacts;
use striate_vision::Image;
use striate_vision::augment::{AffineMap, Compose, Interpolation, Operation};

use crate::figures::{Figure, Unit};
use crate::variant::Work;

/// What is measured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "figure", rename_all = "snake_case", deny_unknown_fields)]
pub enum Measure {
    /// The error on the test images.
    TestError {},
    /// The share of test images whose class is not among the first five predictions.
    Top5Error {},
    /// The mean probability of the true class of test images, with its standard error over the images.
    TrueProbability {},
    /// The mean difference of that probability to the baseline on the same image, with its standard error.
    Gain {},
    /// The number of views of an image.
    Views {},
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
    /// The mean error over several maps, each of which moves all test images.
    TestErrorMoved { name: String, maps: Vec<Map> },
    /// The number of parameters.
    Parameters {},
    /// The multiply-adds for an image.
    Macs {},
    /// The seconds of training, or of evaluation for each image.
    Seconds {},
}

/// How an image is moved about its center; places outside it are black.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Map {
    /// Rotation in degrees, clockwise.
    #[serde(default)]
    degrees: f64,
    /// Shift in pixels, right and down.
    #[serde(default)]
    translate: [f64; 2],
    /// Factor of the size.
    #[serde(default = "whole")]
    scale: f64,
}

fn whole() -> f64 {
    1.0
}

impl Map {
    fn apply(&self, image: &Image) -> Image {
        let Map { degrees, translate, scale } = *self;
        let map = AffineMap { angle: degrees, translate, scale, ..AffineMap::default() };
        map.apply(image, Interpolation::Bilinear, [0; 3])
    }
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

/// A model that was evaluated.
pub(crate) struct Evaluated<'a> {
    /// The model's network.
    pub network: &'a Network,
    /// The errors.
    pub tally: &'a Tally,
    /// The probability of its class for each image.
    pub probabilities: &'a [f64],
    /// The same of the baseline; its own if it has none.
    pub baseline: &'a [f64],
    /// The number of views of an image.
    pub views: usize,
    /// The time of the evaluation, in seconds.
    pub seconds: f64,
}

impl Measure {
    /// Whether runs that do this have the figure.
    pub(crate) fn fits(&self, work: &Work) -> bool {
        match self {
            Measure::TestError {} | Measure::Parameters {} | Measure::Macs {} | Measure::Seconds {} => true,
            Measure::Top5Error {} | Measure::TrueProbability {} | Measure::Gain {} | Measure::Views {} => {
                matches!(work, Work::Evaluation(_))
            }
            Measure::TestErrorMoved { maps, .. } => matches!(work, Work::Training(_)) && !maps.is_empty(),
            _ => matches!(work, Work::Training(_)),
        }
    }

    /// Returns the figures of a model that was evaluated.
    ///
    /// # Errors
    /// If the network does not fit its own input, or the figure is one of training.
    pub(crate) fn of_evaluation(&self, run: &Evaluated) -> Result<Vec<Figure>> {
        let images = run.probabilities.len() as f64;
        match self {
            Measure::TestError {} => one("test error", Unit::Share, Some(run.tally.top1_error())),
            Measure::Top5Error {} => one("top-5 error", Unit::Share, Some(run.tally.top5_error())),
            Measure::TrueProbability {} => Ok(with_error("probability", run.probabilities.iter().copied())),
            Measure::Gain {} => {
                let pairs = run.probabilities.iter().zip(run.baseline);
                Ok(with_error("gain", pairs.map(|(own, before)| own - before)))
            }
            Measure::Views {} => one("views", Unit::Count, Some(run.views as f64)),
            Measure::Parameters {} => parameters(run.network),
            Measure::Macs {} => macs(run.network),
            Measure::Seconds {} => one("seconds per image", Unit::Number, Some(run.seconds / images)),
            _ => Err(Error::input(format!("{self:?} is a figure of training"))),
        }
    }

    /// Returns the figures of a training run.
    ///
    /// # Errors
    /// If the data has no test images, or a layer is unknown.
    pub(crate) fn of_training(&self, run: &Trained) -> Result<Vec<Figure>> {
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
                transforms.check()?;
                let apply = |image: Image, random: &mut Random| transforms.apply(image, random);
                one(name, Unit::Share, Some(error_after(run, &test_part(run)?, apply)?))
            }
            Measure::TestErrorMoved { name, maps } => {
                let test = test_part(run)?;
                let error = |map: &Map| error_after(run, &test, |image, _| Ok(map.apply(&image)));
                let errors = maps.iter().map(error).collect::<Result<Vec<_>>>()?;
                one(name, Unit::Share, Some(errors.iter().sum::<f64>() / errors.len() as f64))
            }
            Measure::Parameters {} => parameters(&run.model.network),
            Measure::Macs {} => macs(&run.model.network),
            Measure::Seconds {} => one("training time", Unit::Seconds, run.facts.seconds()),
            Measure::Top5Error {} | Measure::TrueProbability {} | Measure::Gain {} | Measure::Views {} => {
                Err(Error::input(format!("{self:?} is a figure of evaluation")))
            }
        }
    }
}

fn one(name: &str, unit: Unit, value: Option<f64>) -> Result<Vec<Figure>> {
    Ok(vec![Figure { name: name.to_owned(), unit, value }])
}

fn parameters(network: &Network) -> Result<Vec<Figure>> {
    one("parameters", Unit::Count, Some(statistics(&network.graph(1)?).params as f64))
}

fn macs(network: &Network) -> Result<Vec<Figure>> {
    one("multiply-adds", Unit::Count, Some(statistics(&network.graph(1)?).cost.macs as f64))
}

/// The mean of `values`, and the standard error of the mean; none for fewer than two.
fn with_error(name: &str, values: impl Iterator<Item = f64> + Clone) -> Vec<Figure> {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
    let error = (count > 1.0).then(|| (squares / (count - 1.0) / count).sqrt());
    let figure = |name: String, value| Figure { name, unit: Unit::Number, value };
    vec![figure(name.to_owned(), Some(mean)), figure(format!("standard error ({name})"), error)]
}

/// The step at the end of the first epoch whose figure in `column` is below `bound`.
fn steps_below(facts: &RunFacts, column: &str, bound: f64) -> Option<f64> {
    let (epoch, _) = facts.column(column).iter().find(|(_, value)| *value < bound)?;
    facts.column("step").iter().find(|(other, _)| other == epoch).map(|(_, step)| *step)
}

/// The test part of the data of a run.
fn test_part(run: &Trained) -> Result<Split> {
    (run.data)()?.test.ok_or_else(|| Error::input("the data has no test images"))
}

/// The error of a run on the images of `split` after `change`, which gets the random numbers of the image.
fn error_after(
    run: &Trained,
    split: &Split,
    change: impl Fn(Image, &mut Random) -> Result<Image>,
) -> Result<f64> {
    let form = run.model.preprocessing.as_ref();
    let form = form.ok_or_else(|| Error::input("arrays cannot be transformed"))?;
    let (mut bytes, mut shape) = (Vec::new(), split.shape);
    for index in 0..split.len() {
        let mut random = Random::new(0, Stream::Augmentation, index as u64);
        let image = change(split.image(index)?, &mut random)?;
        let (channels, pixels) = (image.channels(), image.pixels());
        shape = [channels, image.height(), image.width()];
        (0..channels).for_each(|channel| bytes.extend(pixels.iter().skip(channel).step_by(channels)));
    }
    let pixels = Pixels::Bytes(bytes);
    let changed = Split { shape, pixels, labels: split.labels.clone(), files: None };
    Ok((run.evaluate)(&Prepared::new(changed, Some(form))?)?.top1_error())
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

    #[test]
    fn maps_move_images_by_whole_pixels() {
        let image = Image::new(3, 3, 1, vec![1, 2, 3, 4, 5, 6, 7, 8, 9]).unwrap();
        let map = Map { degrees: 0.0, translate: [1.0, -1.0], scale: 1.0 };
        assert_eq!(map.apply(&image).pixels(), [0, 4, 5, 0, 7, 8, 0, 0, 0]);
    }

    #[test]
    fn mean_has_the_error_that_its_definition_gives() {
        // Values 1, 2, 3: deviation 1, so that the error of their mean is 1 / √3.
        let figures = with_error("a", [1.0, 2.0, 3.0].into_iter());
        assert_eq!(figures[0].value, Some(2.0));
        assert!((figures[1].value.unwrap() - 1.0 / 3f64.sqrt()).abs() < 1e-12);
        assert_eq!(with_error("a", [1.0].into_iter())[1].value, None);
    }
}
