//! Trains the last layer of a session's network as support vector machines.
//!
//! One of the layers before the last one may be a codebook of visual words. Machines that separate each class from the
//! rest are trained on the rows of features (`ancestors::svm`); their weights are those of the last layer.

mod codebook;
mod machines;

use striate_tensor::{Error, Result};

use super::features::Extractor;
use super::{Learned, Scored, Uncalibrated, last_layer};
use crate::progress::Observer;
use crate::recipe::Replacement;
use crate::session::Session;

const METHOD: Replacement = Replacement::SupportVectorMachines;

impl Session {
    /// Checks that the network can be trained as support vector machines; `has_weights`: whether weights are given.
    ///
    /// # Errors
    /// If it cannot, or layers before the last one would stay as they are initialized.
    pub(super) fn check_svm(&self, has_weights: bool) -> Result<()> {
        let last = last_layer(&self.network, METHOD)?;
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

    /// Learns the codebook, if there is one, and trains the last layer; `None` if `observer` stops it.
    pub(super) fn learn_svm(&mut self, observer: &mut dyn Observer) -> Result<Option<Learned>> {
        let svm = self.recipe().svm.clone().expect("the recipe has support vector machines");
        if let Some(name) = &svm.codebook {
            let Some(words) = self.learn_codebook(name, svm.descriptors, observer)? else { return Ok(None) };
            self.training.set_variables(&words)?;
        }
        let recipe = self.recipe();
        let extractor = Extractor::new(self, last_layer(&self.network, METHOD)?.input)?;
        let Some(train) = extractor.features("training", &self.parts.train, observer)? else {
            return Ok(None);
        };
        let classes = self.dataset.classes.len();
        let settings = svm.settings(recipe.train.seed);
        let machines = machines::trained(&train, classes, &settings, self.device.threads(), observer)?;
        let Some(machines) = machines else { return Ok(None) };
        let last = Uncalibrated { weights: &machines.weights, biases: &machines.biases };
        let Some(held_out) = self.held_out(&extractor, observer)? else { return Ok(None) };
        let [train, held_out] = [&train, &held_out].map(|features| -> Result<Scored> {
            Ok(Scored { scores: machines.scores(features.rows()?)?, labels: &features.labels })
        });
        self.calibrated(&last, &train?, &held_out?, observer).map(Some)
    }
}
