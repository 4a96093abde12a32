//! What takes the place of gradient descent, and which fields of a recipe then have an effect.

use striate_tensor::{Error, Result};

use super::Recipe;

/// A method of learning without gradient descent: a table of the recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// The table `svm`.
    SupportVectorMachines,
    /// The table `self_organization`.
    SelfOrganization,
}

/// The fields of other tables that have an effect on every method.
const EFFECTIVE: [&str; 14] = [
    "model.name",
    "data.spec",
    "data.holdout",
    "data.share",
    "data.sample_rate",
    "data.seconds",
    "data.mels",
    "data.size",
    "data.mean",
    "data.std",
    "data.unreadable",
    "data.max_pixels",
    "data.features",
    "train.seed",
];

impl Replacement {
    /// The name of the method, a plural.
    pub fn name(self) -> &'static str {
        match self {
            Replacement::SupportVectorMachines => "support vector machines",
            Replacement::SelfOrganization => "self-organizing cells",
        }
    }

    /// What the method trains, in a line.
    pub fn description(self) -> &'static str {
        match self {
            Replacement::SupportVectorMachines => "support vector machines, one class against the rest",
            Replacement::SelfOrganization => "self-organizing cells, layer by layer",
        }
    }

    /// The table of the recipe.
    fn table(self) -> &'static str {
        match self {
            Replacement::SupportVectorMachines => "svm",
            Replacement::SelfOrganization => "self_organization",
        }
    }

    /// Whether a field of the recipe has an effect on this method.
    pub(crate) fn has_effect(self, field: &str) -> bool {
        let (table, _) = field.split_once('.').unwrap_or((field, ""));
        table == self.table() || EFFECTIVE.iter().any(|own| is_in(field, own))
    }

    /// The error about a field without effect.
    pub(crate) fn without_effect(self, field: &str) -> Error {
        Error::input(format!("{field} has no effect on {}; omit it", self.name()))
    }
}

/// Whether `field` is `other` or a field of it.
fn is_in(field: &str, other: &str) -> bool {
    field.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Recipe {
    /// Returns the method that takes the place of gradient descent, if there is one.
    pub fn replacement(&self) -> Option<Replacement> {
        let svm = self.svm.as_ref().map(|_| Replacement::SupportVectorMachines);
        svm.or(self.self_organization.as_ref().map(|_| Replacement::SelfOrganization))
    }

    /// Checks the table of a method without gradient descent, and that nothing else is set that has no effect on it.
    pub(super) fn check_replacement(&self) -> Result<()> {
        if self.svm.is_some() && self.self_organization.is_some() {
            return Err(Error::input("svm and self_organization exclude each other; omit one"));
        }
        let Some(method) = self.replacement() else { return Ok(()) };
        self.svm.iter().try_for_each(|part| part.check())?;
        self.self_organization.iter().try_for_each(|part| part.check())?;
        let defaults = Recipe::default().every_field();
        let mut set = self.every_field().into_iter().filter(|field| !defaults.contains(field));
        match set.find(|(field, _)| !method.has_effect(field)) {
            Some((field, _)) => Err(method.without_effect(&field)),
            None => Ok(()),
        }
    }
}
