//! The preprocessing of a data set's images for a model.

use striate_data::Spec;
use striate_predict::Classifier;
use striate_tensor::{Error, Result};
use striate_vision::Preprocessing;

/// The preprocessing of images from the data set `spec`, from the original on; `None` for arrays, which are used
/// unchanged. `is_given`: whether a flag states the preprocessing.
pub fn form(classifier: &Classifier, spec: &Spec, is_given: bool) -> Result<Option<Preprocessing>> {
    match (spec, classifier.preprocessing()) {
        (Spec::Npy(_), _) if is_given => {
            Err(Error::input("--preprocessing applies only to images; arrays are used unchanged"))
        }
        (Spec::Npy(_), _) => Ok(None),
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
