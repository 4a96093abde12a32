//! The images, sounds or texts that a model is measured on, and their preprocessing.

use std::path::Path;

use striate_data::{Evaluation, LoadOptions, Medium, Spec, load_for_evaluation};
use striate_predict::{Classifier, align};
use striate_tensor::text::printable_path;
use striate_tensor::{Error, Result};
use striate_vision::Preprocessing;

/// What is reported where a model is measured on all data that it was trained on.
pub const SEEN: &str = "trained on most of these images, so this error says little about new ones";

/// Loads the part of the data `spec` that the model at `path` is measured on, with the model's classes. Image files are
/// loaded with the steps of the model's preprocessing, as in `predict`. Findings are added to `notes`.
pub fn load(
    spec: &Spec,
    classifier: &Classifier,
    path: &Path,
    options: LoadOptions,
    notes: &mut Vec<String>,
) -> Result<Evaluation> {
    let by_name = |model: &[String], data: &[String]| {
        let aligned = align(model, data).map_err(|e| e.at(format!("{} on {spec}", printable_path(path))))?;
        notes.extend(aligned.notes);
        Ok(aligned.indices)
    };
    let options = of_model(spec, classifier, path, options)?;
    load_for_evaluation(spec, classifier.classes(), &options, by_name)
}

/// The options for loading images of the data `spec` for the model at `path`.
pub fn of_model(
    spec: &Spec,
    classifier: &Classifier,
    path: &Path,
    mut options: LoadOptions,
) -> Result<LoadOptions> {
    let at = |e: striate_tensor::Error| e.at(printable_path(path));
    let (taken, given) = (Medium::of_encoding(classifier.encoding()), spec.medium().unwrap_or(Medium::Image));
    if taken != given && !matches!(spec, Spec::Npy(_)) {
        let (taken, given, form) = (taken.name(), given.name(), taken.form());
        let what = format!("the model takes {taken}s, but {spec} has {given}s; use --data {form}");
        return Err(at(Error::input(what)));
    }
    options.encoding = classifier.encoding().cloned();
    if spec.has_image_files() {
        let form = classifier.image_preprocessing().map_err(at)?;
        (options.steps, options.channels) = (Some(form.steps.clone()), Some(form.channels));
    }
    Ok(options)
}

/// The preprocessing of images from the data set `spec`, from the original on; `None` for arrays, which are used
/// unchanged, and for sounds and texts, which are encoded when they are loaded. `is_given`: whether a flag states the
/// preprocessing.
pub fn form(classifier: &Classifier, spec: &Spec, is_given: bool) -> Result<Option<Preprocessing>> {
    match (spec, classifier.preprocessing()) {
        (Spec::Npy(_) | Spec::Audio(_) | Spec::Text(_), _) if is_given => {
            Err(Error::input("--preprocessing applies only to images; omit it"))
        }
        (Spec::Npy(_) | Spec::Audio(_) | Spec::Text(_), _) => Ok(None),
        (spec, Some(form)) if !spec.has_image_files() => Ok(Some(form.clone())),
        _ => classifier.image_preprocessing().map(|form| Some(form.clone())),
    }
}

/// As [`form`], without the steps, which are applied when image files are loaded.
pub fn remaining_form(classifier: &Classifier, spec: &Spec, is_given: bool) -> Result<Option<Preprocessing>> {
    let form = form(classifier, spec, is_given)?;
    Ok(form.map(|form| match spec.has_image_files() {
        true => Preprocessing { steps: vec![], ..form },
        false => form,
    }))
}
