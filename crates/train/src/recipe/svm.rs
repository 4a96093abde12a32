//! The table `svm` of a recipe: support vector machines instead of gradient descent.

use serde::{Deserialize, Serialize};
use striate_ancestors::svm::{Loss, Settings};
use striate_tensor::{Error, Result};

use super::unknown;

/// Trains the last layer, a linear one, as support vector machines, one class against the rest. Everything before it
/// stays as it is, but for the codebook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SvmPart {
    /// C: how much the losses count relative to half the squared norm of the weights.
    pub c: f64,
    /// `squared_hinge` or `hinge`.
    pub loss: String,
    /// The solution is accurate enough when the projected gradients lie in an interval of this length.
    pub tolerance: f64,
    /// Largest number of passes over the training images for a class.
    pub passes: usize,
    /// The layer whose kernels become visual words, by k-means on places of its input: a 1×1 convolution of the
    /// network's input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codebook: Option<String>,
    /// The number of places that visual words are found on.
    #[serde(skip_serializing_if = "is_usual")]
    pub descriptors: usize,
}

impl Default for SvmPart {
    fn default() -> Self {
        let Settings { c, tolerance, passes, .. } = Settings::default();
        let loss = SQUARED_HINGE.into();
        SvmPart { c, loss, tolerance, passes, codebook: None, descriptors: DESCRIPTORS }
    }
}

/// The default of `svm.descriptors`.
const DESCRIPTORS: usize = 20_000;

fn is_usual(descriptors: &usize) -> bool {
    *descriptors == DESCRIPTORS
}

const HINGE: &str = "hinge";
const SQUARED_HINGE: &str = "squared_hinge";

impl SvmPart {
    pub(super) fn check(&self) -> Result<()> {
        if ![HINGE, SQUARED_HINGE].contains(&self.loss.as_str()) {
            return Err(unknown("svm.loss", &self.loss, &[HINGE, SQUARED_HINGE]));
        }
        let fields = [
            (is_positive(self.c), "svm.c must be a finite number above 0"),
            (is_positive(self.tolerance), "svm.tolerance must be a finite number above 0"),
            ((1..=1 << 20).contains(&self.passes), "svm.passes must be from 1 to 1048576"),
            ((1..=1 << 24).contains(&self.descriptors), "svm.descriptors must be from 1 to 16777216"),
            (
                self.codebook.is_some() || is_usual(&self.descriptors),
                "svm.descriptors has no effect without svm.codebook; omit it",
            ),
        ];
        match fields.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(Error::input(*rule)),
            None => Ok(()),
        }
    }

    /// Returns the settings of the machines.
    pub(crate) fn settings(&self, seed: u64) -> Settings {
        Settings {
            loss: if self.loss == HINGE { Loss::Hinge } else { Loss::SquaredHinge },
            c: self.c,
            tolerance: self.tolerance,
            passes: self.passes,
            seed,
            ..Settings::default()
        }
    }
}

fn is_positive(number: f64) -> bool {
    number > 0.0 && number.is_finite()
}
