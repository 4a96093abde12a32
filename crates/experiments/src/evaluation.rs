//! Runs that evaluate a trained model instead of training one.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use striate_data::{LoadOptions, Spec, load_for_evaluation};
use striate_engine::Device;
use striate_formats::weights_sha256;
use striate_graph::{Loss, Network};
use striate_predict::{
    Classifier, Dense, Ensemble, Member, OpenOptions, Tally, Views, Whole, align, dense, open_model,
};
use striate_tensor::{Error, Result};
use striate_train::{Observer, Work, evaluate_ensemble, trained_scales};

use crate::data::DataSet;
use crate::variant::Evaluation;

/// A model after its evaluation.
pub(crate) struct Outcome {
    /// The network, as its file has it.
    pub network: Network,
    /// SHA-256 of the weights.
    pub weights_sha256: String,
    /// The errors.
    pub tally: Tally,
    /// The probability of its class for each image.
    pub probabilities: Vec<f64>,
    /// The number of views of an image.
    pub views: usize,
    /// The time of the evaluation, in seconds.
    pub seconds: f64,
}

/// Evaluates a model on the test images of `data`, or else all, as `striate eval` does.
pub(crate) fn evaluate(
    evaluation: &Evaluation,
    data: &DataSet,
    device: Arc<dyn Device>,
    observer: &mut dyn Observer,
) -> Result<Outcome> {
    let files = data
        .files
        .as_ref()
        .ok_or_else(|| Error::input("the data has no image files to evaluate the model on"))?;
    let spec = files.find(0)?;
    let path = evaluation.model.find(0)?;
    let (mut model, _) = open_model(Path::new(&path), &OpenOptions::default())?;
    let (network, jitter) = (model.network.clone(), trained_scales(&model));
    let weights_sha256 = weights_sha256(&model.weights);
    let mut whole = Whole::Pooled;
    if evaluation.protocol.is_whole() {
        let rewritten = dense(&model.network, &mut model.weights).map_err(|e| e.at(&path))?;
        Dense { network: model.network, whole } = rewritten;
    }
    let classifier = Classifier::new(model, device).map_err(|e| e.at(&path))?;
    let form = classifier.image_preprocessing().map_err(|e| e.at(&path))?.clone();
    let (steps, channels) = (Some(form.steps.clone()), Some(form.channels));
    let options = LoadOptions { steps, channels, keeps_originals: true, ..LoadOptions::default() };
    let by_name = |model: &[String], data: &[String]| Ok(align(model, data)?.indices);
    let loaded = load_for_evaluation(&Spec::parse(&spec)?, classifier.classes(), &options, by_name)?;
    let views = Views::new(evaluation.protocol, false, &form, whole, jitter).map_err(|e| e.at(&path))?;
    let count = views.count();
    let ensemble = Ensemble::new(vec![Member::of_images(classifier, views, &form)?])?;
    let (start, all) = (Instant::now(), loaded.split.len());
    let mut probabilities = Vec::new();
    let tally = evaluate_ensemble(&ensemble, Loss::default(), &loaded.split, |scored| {
        probabilities.push(f64::from(scored.probabilities[scored.label as usize]));
        let done = probabilities.len();
        observer.work(&Work { name: "images", done, all, details: String::new() });
    })?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Outcome { network, weights_sha256, tally, probabilities, views: count, seconds })
}
