//! The loss of a recipe, with weights of classes.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use striate_graph::Loss;
use striate_tensor::{Error, Result};

use super::unknown;

/// The loss.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LossPart {
    /// What is minimized.
    #[serde(flatten)]
    pub loss: Loss,
    /// Factors on the loss of each class's images in training; evaluation counts all images the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<ClassWeights>,
}

/// Weights of classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassWeights {
    /// `balanced`: all classes count the same, however many images they have.
    Named(String),
    /// The weight of each class.
    Listed(Vec<f32>),
}

const BALANCED: &str = "balanced";
pub(super) const CLASS_WEIGHTS: &str = "class_weights";

impl LossPart {
    pub(super) fn check(&self) -> Result<()> {
        self.loss.check()?;
        match &self.class_weights {
            Some(ClassWeights::Named(name)) if name != BALANCED => {
                Err(unknown("loss.class_weights", name, &[BALANCED]))
            }
            Some(ClassWeights::Listed(weights)) if !weights.iter().all(|w| *w >= 0.0 && w.is_finite()) => {
                Err(Error::input("loss.class_weights must be finite numbers, 0 or more"))
            }
            Some(ClassWeights::Listed(weights)) if weights.iter().all(|weight| *weight == 0.0) => {
                Err(Error::input("loss.class_weights must not all be 0"))
            }
            _ => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for LossPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<LossPart, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let weights = table.remove(CLASS_WEIGHTS);
        let weights = weights.map(|value| {
            value
                .try_into()
                .map_err(|_| D::Error::custom(r#"class_weights must be "balanced" or a list of numbers"#))
        });
        let loss = table.try_into().map_err(|e: toml::de::Error| D::Error::custom(e.message()))?;
        Ok(LossPart { loss, class_weights: weights.transpose()? })
    }
}
