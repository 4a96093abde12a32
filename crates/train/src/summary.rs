//! What a run is about to do, as text for users and as JSON for programs, before its first step.

use serde::Serialize;
use striate_data::{Dataset, ImageFile, Survey};
use striate_graph::{Network, statistics};
use striate_tensor::Result;
use striate_tensor::preprocessing::Preprocessing;

use crate::fitting::{Batches, Parts};
use crate::settings::{Origin, Settings};

/// Training without gradient descent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WithoutDescent {
    /// The method.
    pub method: String,
    /// Features of an image that the last layer is trained on.
    pub features: usize,
}

/// Everything that a run is about to do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The data.
    pub data: DataSummary,
    /// The network.
    pub network: NetworkSummary,
    /// The recipe with the origin of each value.
    pub recipe: RecipeSummary,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Memory that a training step needs: weights, gradients, optimizer state, activations; without gradient descent,
    /// that of the features of all training images.
    pub memory_bytes: usize,
    /// How the network is trained without gradient descent; null for gradient descent.
    pub without_descent: Option<WithoutDescent>,
    /// Where it computes, such as `cpu avx2, 2 threads`.
    pub device: String,
}

/// The data of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DataSummary {
    /// The data set.
    pub spec: String,
    /// Its parts, by use.
    pub parts: Vec<PartSummary>,
    /// The class names.
    pub classes: Vec<String>,
    /// Smallest and largest height and width of the image files; null for data that is not image files.
    pub sizes: Option<[[usize; 2]; 2]>,
    /// How each sound or text is encoded; null for other data.
    pub encoding: Option<String>,
    /// The steps that resize each image to the input's size, such as `center crop 224x224`; empty if it has that size.
    pub steps: Vec<String>,
    /// Mean that is subtracted from each channel, of values in [0, 1]; empty for arrays, which are used
    /// unchanged, and for features.
    pub mean: Vec<f32>,
    /// Standard deviation by which each channel is then divided.
    pub std: Vec<f32>,
    /// Where mean and standard deviation come from; null without them.
    pub normalization: Option<String>,
    /// Skipped files, by kind.
    pub skipped: Vec<SkippedSummary>,
    /// Skipped unreadable images, with the reason.
    pub unreadable: Vec<UnreadableSummary>,
    /// Notes, such as an enclosing folder that was entered.
    pub notes: Vec<String>,
}

/// A part of the data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartSummary {
    /// `training`, `held-out`, `validation` or `test`.
    pub name: &'static str,
    /// Number of images.
    pub images: usize,
}

/// Skipped entries of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedSummary {
    /// The kind.
    pub kind: String,
    /// How many.
    pub count: usize,
    /// The first of them.
    pub first: String,
}

/// An image that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadableSummary {
    /// The file.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// The network of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NetworkSummary {
    /// Its name.
    pub name: String,
    /// Channels, height and width of its input.
    pub input: Vec<usize>,
    /// Parameters, without those of auxiliary heads.
    pub params: u64,
    /// The file of the initial weights; null if they are drawn.
    pub weights: Option<String>,
    /// A line for each change made to the network or its weights.
    pub changes: Vec<String>,
}

/// The recipe of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecipeSummary {
    /// The name of a built-in recipe, or a file.
    pub name: String,
    /// Why that one.
    pub reason: String,
    /// Every field.
    pub values: Vec<Value>,
}

/// A field of the recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Value {
    /// Its dotted name.
    pub field: String,
    /// Its value as TOML.
    pub value: String,
    /// Where the value comes from.
    #[serde(serialize_with = "as_text")]
    pub origin: Origin,
}

fn as_text<S: serde::Serializer>(origin: &Origin, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(origin)
}

impl DataSummary {
    pub(crate) fn new(settings: &Settings, dataset: &Dataset, parts: &Parts) -> DataSummary {
        let part = |name, images| PartSummary { name, images };
        let mut listed = vec![part("training", parts.train.len())];
        listed.extend(parts.watched.iter().map(|watched| part(watched.name, watched.images.len())));
        let test = parts.measured.iter().filter(|measured| measured.name == "test");
        listed.extend(test.map(|test| part(test.name, test.images.len())));
        let normalized = dataset.preprocessing.as_ref().filter(|form| form.features.is_none());
        let (mean, std) = normalized.map(|form| (form.mean.clone(), form.std.clone())).unwrap_or_default();
        // Image files were read with the preprocessing for other images.
        let form = match dataset.survey.sizes {
            Some(_) => dataset.predict.as_ref(),
            None => dataset.preprocessing.as_ref(),
        };
        let steps = form.map(Preprocessing::step_words).unwrap_or_default();
        let Survey { sizes, skipped, unreadable, mut notes, .. } = dataset.survey.clone();
        if settings.recipe.augments_originals() {
            notes.push("training images are augmented before they are resized".into());
        }
        if settings.recipe.data.share < 1.0 {
            notes
                .push(format!("{:.1} % of the training images are used", settings.recipe.data.share * 100.0));
        }
        if parts.measured.is_none() {
            notes.push(match settings.recipe.data.holdout {
                0.0 => "no error will be reported: data.holdout = 0 holds out no images".into(),
                share => format!(
                    "no error will be reported: too few images to hold out a share of {share}; raise data.holdout"
                ),
            });
        }
        let left = |left: striate_data::Skipped| SkippedSummary {
            kind: left.kind,
            count: left.count,
            first: left.first.display().to_string(),
        };
        let unread =
            |(file, reason): (ImageFile, String)| UnreadableSummary { file: file.to_string(), reason };
        DataSummary {
            spec: settings.recipe.data.spec.clone(),
            parts: listed,
            classes: dataset.classes.clone(),
            sizes,
            encoding: dataset.encoding.as_ref().map(ToString::to_string),
            steps,
            mean,
            std,
            normalization: normalized.map(|_| normalization(settings)),
            skipped: skipped.into_iter().map(left).collect(),
            unreadable: unreadable.into_iter().map(unread).collect(),
            notes,
        }
    }
}

/// Where the mean and deviation of the images come from.
fn normalization(settings: &Settings) -> String {
    match settings.origin("data.mean") {
        Origin::Default => "mean and standard deviation of the training images".into(),
        Origin::Recipe => "data.mean and data.std of the recipe".into(),
        Origin::Flag(flag) => flag,
        Origin::Rule(reason) => reason,
    }
}

impl NetworkSummary {
    pub(crate) fn new(
        network: &Network,
        weights: Option<String>,
        changes: Vec<String>,
    ) -> Result<NetworkSummary> {
        Ok(NetworkSummary {
            name: network.name.clone(),
            input: network.input.to_vec(),
            params: statistics(&network.graph(1)?).params,
            weights,
            changes,
        })
    }
}

impl RecipeSummary {
    pub(crate) fn new(settings: &Settings) -> RecipeSummary {
        let value =
            |(field, value): (String, String)| Value { origin: settings.origin(&field), field, value };
        RecipeSummary {
            name: settings.name.clone(),
            reason: settings.reason.clone(),
            values: settings.recipe.fields().into_iter().map(value).collect(),
        }
    }
}

/// Returns a line about the last batch, if it was joined.
pub(crate) fn joined(batches: Batches) -> Option<String> {
    let last = batches.count() - 1;
    batches.joins().then(|| {
        format!(
            "last batch: {} images, because batch norm needs at least {}",
            batches.len(last),
            batches.min_last
        )
    })
}
