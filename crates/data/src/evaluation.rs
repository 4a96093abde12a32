//! The part of a data set that a model is measured on, labeled with the model's classes.

use striate_tensor::{Error, Result};
use striate_vision::Preprocessing;

use crate::dataset::listed;
use crate::{Dataset, LoadOptions, Spec, Split, Survey, load};

/// Images to measure a model on.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The part they are from: `test`, else `validation`, else `all`.
    pub part: &'static str,
    /// The images; a label is an index into the model's classes.
    pub split: Split,
    /// Classes of the model of which there is no image, in the model's order.
    pub missing: Vec<String>,
    /// How the images become a network's input if the model does not say; `None` if they are numbers,
    /// which are used as they are.
    pub preprocessing: Option<Preprocessing>,
    /// What loading found besides the images.
    pub survey: Survey,
}

/// Loads the part of a data set that a model with the classes `classes` is measured on: the test part, else
/// the validation part, else all of it. Classes are matched by name, those of arrays by number; the data
/// may lack classes.
///
/// # Errors
/// As [`load`], or if the data has a class that the model does not have.
pub fn load_for_evaluation(spec: &Spec, classes: &[String], options: &LoadOptions) -> Result<Evaluation> {
    Evaluation::new(load(spec, options)?, matches!(spec, Spec::Npy(_)), classes)
}

impl Evaluation {
    /// The part of `dataset` that is measured, with labels that are indices into `classes`.
    fn new(dataset: Dataset, by_number: bool, classes: &[String]) -> Result<Evaluation> {
        let part = dataset.evaluation().0;
        let Dataset { classes: found, train, validation, test, preprocessing, survey, .. } = dataset;
        let mut split = test.or(validation).unwrap_or(train);
        let index = |(label, name): (usize, &String)| match by_number {
            true => (label < classes.len()).then_some(label as i64),
            false => classes.iter().position(|class| class == name).map(|at| at as i64),
        };
        let indices: Option<Vec<i64>> = found.iter().enumerate().map(index).collect();
        let indices = indices.ok_or_else(|| unknown(classes, &found))?;
        split.labels.iter_mut().for_each(|label| *label = indices[*label as usize]);
        let counts = split.counts(classes.len());
        let missing = classes.iter().zip(counts).filter(|(_, count)| *count == 0);
        let missing = missing.map(|(name, _)| name.clone()).collect();
        Ok(Evaluation { part, split, missing, preprocessing, survey })
    }
}

/// The refusal of data with classes that a model does not have.
fn unknown(model: &[String], data: &[String]) -> Error {
    let extra: Vec<String> = data.iter().filter(|name| !model.contains(name)).cloned().collect();
    Error::input(format!(
        "the data has classes that the model does not have: {}; the data's are {}, the model's {}",
        listed(&extra),
        listed(data),
        listed(model)
    ))
}
