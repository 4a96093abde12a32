//! The part of a data set that a model is evaluated on, labeled with the model's classes.

use striate_tensor::{Error, Result};
use striate_vision::Preprocessing;

use crate::dataset::listed;
use crate::images::Purpose;
use crate::{Dataset, LoadOptions, Spec, Split, Survey, load, npy, sounds, texts};

/// Images to evaluate a model on.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The part they are from: `test`, or else `validation`, or else `all`.
    pub part: &'static str,
    /// The images; a label is an index into the model's classes.
    pub split: Split,
    /// Classes of the model without images, in the model's order.
    pub missing: Vec<String>,
    /// The preprocessing of the images if the model does not state one; `None` if they are arrays,
    /// which are used unchanged.
    pub preprocessing: Option<Preprocessing>,
    /// The report of loading the data.
    pub survey: Survey,
}

/// The part of a data set for evaluation, labeled with the data's own classes.
pub(crate) struct Measured {
    pub part: &'static str,
    pub split: Split,
    pub classes: Vec<String>,
    pub preprocessing: Option<Preprocessing>,
    pub survey: Survey,
}

impl From<Dataset> for Measured {
    fn from(dataset: Dataset) -> Measured {
        let part = dataset.evaluation().0;
        let Dataset { classes, train, validation, test, preprocessing, survey, .. } = dataset;
        Measured { part, split: test.or(validation).unwrap_or(train), classes, preprocessing, survey }
    }
}

/// Loads the part of a data set that a model with the classes `classes` is evaluated on: the test part, or else
/// the validation part, or else all of it. An image folder may contain only that part, or only class folders.
///
/// Classes of arrays are matched by number, all others by `align`, which returns for each class of its
/// second argument (the data's) the index of the first argument's (the model's). The data may lack classes.
///
/// # Errors
/// As [`load`], or if the data has a class that the model does not have.
pub fn load_for_evaluation(
    spec: &Spec,
    classes: &[String],
    options: &LoadOptions,
    align: impl FnOnce(&[String], &[String]) -> Result<Vec<usize>>,
) -> Result<Evaluation> {
    let measured = match (spec, spec.find(Purpose::Evaluation, classes)?) {
        (Spec::Audio(_), Some(found)) => sounds::measure(found, options)?,
        (_, Some(found)) => found.measure(options)?,
        (Spec::Npy(root), None) => npy::load_measured(root, options)?,
        (Spec::Text(path), None) => texts::measure(path, classes, options)?,
        (_, None) => load(spec, options)?.into(),
    };
    let indices = match spec {
        Spec::Npy(_) | Spec::Idx(_) => by_number(classes, &measured.classes)?,
        _ => align(classes, &measured.classes)?,
    };
    Ok(Evaluation::new(measured, &indices, classes))
}

/// The indices of the classes of arrays, whose names are numbers.
fn by_number(model: &[String], data: &[String]) -> Result<Vec<usize>> {
    if data.len() <= model.len() {
        return Ok((0..data.len()).collect());
    }
    let (classes, known) = (data.len(), model.len());
    Err(Error::input(format!(
        "the data has {classes} classes {}, but the model has only {known}: {}; use data with the model's classes",
        listed(data),
        listed(model)
    )))
}

impl Evaluation {
    /// Labels `measured` with indices into `classes`, where its own classes are at `indices`.
    fn new(measured: Measured, indices: &[usize], classes: &[String]) -> Evaluation {
        let Measured { part, mut split, preprocessing, mut survey, .. } = measured;
        split.labels.iter_mut().for_each(|label| *label = indices[*label as usize] as i64);
        let counts = split.counts(classes.len());
        let missing = classes.iter().zip(counts).filter(|(_, count)| *count == 0);
        let missing: Vec<String> = missing.map(|(name, _)| name.clone()).collect();
        survey
            .parts
            .iter_mut()
            .filter(|own| own.name == part)
            .for_each(|own| own.missing.clone_from(&missing));
        Evaluation { part, split, missing, preprocessing, survey }
    }
}
