//! Training without gradient descent: a method replaces the training loop if the recipe has its table.
//!
//! Layers before the last one turn each training image into a row of features, once. What the method learns becomes the
//! variables of the last layer, and of layers before it, so that everything else sees a network. Weights and biases of
//! the last layer are multiplied by the factor that calibrates their softmax on held-out images
//! (`ancestors::temperature`); it is the same for all classes and does not change which one is best.

mod features;
mod run;
mod self_organization;
mod svm;

use striate_ancestors::temperature::factor;
use striate_engine::{Inference, PlanReport, Variables};
use striate_graph::{INPUT, Network, Op};
use striate_tensor::{Error, Result};

use crate::progress::Observer;
use crate::recipe::Replacement;
use crate::session::Session;
use features::{Extractor, Features};

/// Images that are computed at once.
const BATCH: usize = 100;

/// What was learned.
struct Learned {
    /// The variables of the last layer.
    variables: Variables,
    /// Mean cross-entropy over the training images.
    loss: f64,
}

/// A last layer before its calibration: weights `[classes, features]`, a bias for each class.
struct Uncalibrated<'a> {
    weights: &'a [f32],
    biases: &'a [f32],
}

/// The scores `[N, classes]` of images before the calibration, with their classes.
struct Scored<'a> {
    scores: Vec<f32>,
    labels: &'a [usize],
}

/// The last layer, and the one that it reads.
struct LastLayer<'a> {
    name: &'a str,
    input: &'a str,
}

/// Returns the last layer of `network`.
///
/// # Errors
/// If it is not a linear one with biases, or the network has auxiliary heads.
fn last_layer(network: &Network, method: Replacement) -> Result<LastLayer<'_>> {
    let refuse = |what: String| Err(Error::input(format!("network {}: {what}", network.name)));
    let name = method.name();
    if !network.heads.is_empty() {
        return refuse(format!("{name} do not train auxiliary heads; remove them"));
    }
    match network.layers.last() {
        Some(layer) if matches!(&layer.op, Op::Linear(linear) if linear.bias) && layer.inputs[0] != INPUT => {
            Ok(LastLayer { name: &layer.name, input: &layer.inputs[0] })
        }
        _ => refuse(format!(
            "{name} need a linear last layer with biases that does not read the input directly; add a flatten and a \
             linear layer"
        )),
    }
}

impl Session {
    /// Checks that the network can be trained by `method`; `has_weights`: whether weights are given.
    ///
    /// # Errors
    /// If it cannot, or layers before the last one would stay as they are initialized.
    pub(crate) fn check_method(&self, method: Replacement, has_weights: bool) -> Result<()> {
        match method {
            Replacement::SupportVectorMachines => self.check_svm(has_weights),
            Replacement::SelfOrganization => self.check_self_organization(has_weights),
        }
    }

    /// The plan of the network for inference.
    ///
    /// # Errors
    /// If the network does not fit the device.
    pub(crate) fn feature_plan(&self) -> Result<PlanReport> {
        let shape = self.network.batch_shape(BATCH, self.parts.train.shape());
        Inference::plan(&self.network, &shape, &*self.device)
    }

    /// The bytes of the features of all training images.
    pub(crate) fn feature_bytes(&self) -> Result<usize> {
        let features = self.feature_count()?;
        Ok(features.saturating_mul(self.parts.train.len()).saturating_mul(size_of::<f32>()))
    }

    /// The number of features that the last layer reads.
    pub(crate) fn feature_count(&self) -> Result<usize> {
        let last = last_layer(&self.network, self.method())?.input;
        let graph = self.network.graph(1)?;
        let value = graph.find(last).expect("the layer is in the graph");
        Ok(graph.shape(value).numel())
    }

    fn method(&self) -> Replacement {
        self.recipe().replacement().expect("the recipe has a method")
    }

    /// Trains by the recipe's method; `None` if `observer` stops it.
    fn learn(&mut self, observer: &mut dyn Observer) -> Result<Option<Learned>> {
        match self.method() {
            Replacement::SupportVectorMachines => self.learn_svm(observer),
            Replacement::SelfOrganization => self.self_organize(observer),
        }
    }

    /// Returns the features of the held-out images; `None` if `observer` stops it.
    fn held_out(&self, extractor: &Extractor, observer: &mut dyn Observer) -> Result<Option<Features>> {
        let watched = self.parts.watched.as_ref().expect("images are held out");
        extractor.features(watched.name, &watched.images, observer)
    }

    /// Returns the last layer times the factor that calibrates its scores `[N, classes]` of the held-out images.
    fn calibrated(
        &self,
        last: &Uncalibrated,
        train: &Scored,
        held_out: &Scored,
        observer: &mut dyn Observer,
    ) -> Result<Learned> {
        let classes = self.dataset.classes.len();
        let factor = factor(&held_out.scores, held_out.labels, classes)?;
        observer.note(&format!(
            "calibration: scores times {factor:.4}, by {} {} images",
            held_out.labels.len(),
            self.parts.watched.as_ref().expect("images are held out").name
        ));
        let scaled =
            |values: &[f32]| values.iter().map(|value| (f64::from(*value) * factor) as f32).collect();
        let loss = mean_cross_entropy(&train.scores, factor, train.labels, classes);
        let name = last_layer(&self.network, self.method())?.name;
        let weights = ([classes, last.weights.len() / classes].into(), scaled(last.weights));
        let biases = ([classes].into(), scaled(last.biases));
        let variables = [(format!("{name}.weight"), weights), (format!("{name}.bias"), biases)];
        Ok(Learned { variables: variables.into(), loss })
    }
}

/// The mean cross-entropy of the softmax of `scores` times `factor`.
fn mean_cross_entropy(scores: &[f32], factor: f64, labels: &[usize], classes: usize) -> f64 {
    let loss = |(row, label): (&[f32], &usize)| {
        let largest = row.iter().copied().fold(f32::MIN, f32::max);
        let above = |score: f32| factor * (f64::from(score) - f64::from(largest));
        row.iter().map(|score| above(*score).exp()).sum::<f64>().ln() - above(row[*label])
    };
    scores.chunks_exact(classes).zip(labels).map(loss).sum::<f64>() / labels.len() as f64
}
