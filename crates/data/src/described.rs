//! The parts of a data set, for a description.

use crate::images::Purpose;
use crate::{Dataset, LoadOptions, Medium, Spec, Split, Survey, dataset, load, sounds, texts};
use striate_tensor::Result;

/// A data set with its parts, which need not include a training part.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// The name by which it was loaded.
    pub name: String,
    /// Class names; a label is an index into them.
    pub classes: Vec<String>,
    /// The parts with their names: `train`, `validation`, `test`, in this order; at least one.
    pub parts: Vec<(&'static str, Split)>,
    /// The report of loading the set.
    pub survey: Survey,
}

impl From<Dataset> for Described {
    fn from(set: Dataset) -> Described {
        let Dataset { name, classes, train, validation, test, survey, .. } = set;
        let parts = [("train", Some(train)), ("validation", validation), ("test", test)];
        let parts = parts.into_iter().filter_map(|(name, split)| Some((name, split?))).collect();
        Described { name, classes, parts, survey }
    }
}

impl Described {
    /// Returns the fingerprint of the data; for a set with a training part, that of [`Dataset::fingerprint`].
    ///
    /// # Errors
    /// As [`Dataset::fingerprint`].
    pub fn fingerprint(&self) -> Result<String> {
        if let Some(fingerprint) = &self.survey.fingerprint {
            return Ok(fingerprint.clone());
        }
        let part = |name| self.parts.iter().find(|(own, _)| *own == name).map(|(_, split)| split);
        dataset::fingerprint(&self.classes, ["train", "validation", "test"].map(part))
    }
}

/// Loads the data set that `spec` names with all its parts; an image folder may lack the training part.
///
/// # Errors
/// As [`load`].
pub fn describe(spec: &Spec, options: &LoadOptions) -> Result<Described> {
    if let Spec::Text(path) = spec {
        return texts::describe(path, options);
    }
    match spec.find(Purpose::Description, &[])? {
        Some(found) if spec.medium() == Some(Medium::Sound) => sounds::describe(found, options),
        Some(found) => found.describe(options),
        None => Ok(load(spec, options)?.into()),
    }
}
