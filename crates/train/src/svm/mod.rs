//! Trains the last layer of a session's network as support vector machines instead of by gradient descent.
//!
//! Layers before the last one, of which one may be a codebook of visual words, turn each training image into a row of
//! features, once. Machines that separate each class from the rest are trained on these rows (`ancestors::svm`); their
//! weights, times the factor that calibrates them on held-out images (`ancestors::temperature`), are those of the last
//! layer, so that the softmax of its output is the probability of each class. The factor is the same for all classes
//! and does not change which one is best.

mod codebook;
mod features;
mod machines;
mod run;

use striate_ancestors::temperature::factor;
use striate_engine::{Inference, PlanReport, Variables};
use striate_graph::{INPUT, Network, Op};
use striate_tensor::{Error, Result};

use crate::progress::Observer;
use crate::session::Session;
use features::Extractor;

/// Images that are computed at once.
const BATCH: usize = 100;

/// What was learned.
struct Learned {
    /// The variables of the last layer.
    variables: Variables,
    /// Mean cross-entropy over the training images.
    loss: f64,
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
fn last_layer(network: &Network) -> Result<LastLayer<'_>> {
    let refuse = |what: &str| Err(Error::input(format!("network {}: {what}", network.name)));
    if !network.heads.is_empty() {
        return refuse("support vector machines do not train auxiliary heads; remove them");
    }
    match network.layers.last() {
        Some(layer) if matches!(&layer.op, Op::Linear(linear) if linear.bias) && layer.inputs[0] != INPUT => {
            Ok(LastLayer { name: &layer.name, input: &layer.inputs[0] })
        }
        _ => refuse(
            "support vector machines need a linear last layer with biases that does not read the input directly; add a flatten and a linear layer",
        ),
    }
}

impl Session {
    /// Checks that the network can be trained as support vector machines; `has_weights`: whether weights are given.
    ///
    /// # Errors
    /// If it cannot, or layers before the last one would stay as they are initialized.
    pub(crate) fn check_svm(&self, has_weights: bool) -> Result<()> {
        let last = last_layer(&self.network)?;
        let codebook = self.recipe().svm.as_ref().and_then(|svm| svm.codebook.as_deref());
        codebook.map_or(Ok(0), |name| codebook::words(&self.network, name))?;
        let is_learned = |name: &str| {
            let layer = name.rsplit_once('.').map_or(name, |(layer, _)| layer);
            layer == last.name || Some(layer) == codebook
        };
        let before = self.network.variables()?.into_iter().find(|(name, _)| !is_learned(name));
        match before {
            Some((name, _)) if !has_weights => Err(Error::input(format!(
                "network {}: support vector machines train only the last layer, {}, and {name} would stay as it is \
                 initialized; give trained weights with --weights, or name a layer of visual words with svm.codebook",
                self.network.name, last.name
            ))),
            None if has_weights => Err(Error::input(format!(
                "network {}: given weights have no effect, because support vector machines train all of it; omit them",
                self.network.name
            ))),
            _ => Ok(()),
        }
    }

    /// The plan of the network for inference.
    ///
    /// # Errors
    /// If the network does not fit the device.
    pub(crate) fn svm_plan(&self) -> Result<PlanReport> {
        let shape = self.network.batch_shape(BATCH, self.parts.train.shape());
        Inference::plan(&self.network, &shape, &*self.device)
    }

    /// The bytes of the features of all training images.
    pub(crate) fn svm_bytes(&self) -> Result<usize> {
        let features = self.svm_features()?;
        Ok(features.saturating_mul(self.parts.train.len()).saturating_mul(size_of::<f32>()))
    }

    /// The number of features that the last layer reads.
    pub(crate) fn svm_features(&self) -> Result<usize> {
        let last = last_layer(&self.network)?.input;
        let graph = self.network.graph(1)?;
        let value = graph.find(last).expect("the layer is in the graph");
        Ok(graph.shape(value).numel())
    }

    /// Learns the codebook, if there is one, and trains the last layer; `None` if `observer` stops it.
    fn learn_svm(&mut self, observer: &mut dyn Observer) -> Result<Option<Learned>> {
        let svm = self.recipe().svm.clone().expect("the recipe has support vector machines");
        if let Some(name) = &svm.codebook {
            let Some(words) = self.learn_codebook(name, svm.descriptors, observer)? else { return Ok(None) };
            self.training.set_variables(&words)?;
        }
        let recipe = self.recipe();
        let last = last_layer(&self.network)?;
        let extractor = Extractor::new(self, last.input)?;
        let Some(train) = extractor.features("training", &self.parts.train, observer)? else {
            return Ok(None);
        };
        let classes = self.dataset.classes.len();
        let settings = svm.settings(recipe.train.seed);
        let machines = machines::trained(&train, classes, &settings, self.device.threads(), observer)?;
        let Some(machines) = machines else { return Ok(None) };
        let watched = self.parts.watched.as_ref().expect("images are held out");
        let Some(held_out) = extractor.features(watched.name, &watched.images, observer)? else {
            return Ok(None);
        };
        let factor = factor(&machines.scores(held_out.rows()?)?, &held_out.labels, classes)?;
        observer.note(&format!(
            "calibration: scores times {factor:.4}, by {} {} images",
            held_out.labels.len(),
            watched.name
        ));
        let scaled =
            |values: &[f32]| values.iter().map(|value| (f64::from(*value) * factor) as f32).collect();
        let scores = machines.scores(train.rows()?)?;
        let loss = mean_cross_entropy(&scores, factor, &train.labels, classes);
        let weights = ([classes, extractor.count].into(), scaled(&machines.weights));
        let biases = ([classes].into(), scaled(&machines.biases));
        let name = last.name;
        let variables = [(format!("{name}.weight"), weights), (format!("{name}.bias"), biases)];
        Ok(Some(Learned { variables: variables.into(), loss }))
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
