//! The network as it is exported: its weights, evaluation, and model file.

use striate_engine::Inference;
use striate_formats::{Data, Evaluation, Golden, ModelFile, Weights};
use striate_graph::Loss;
use striate_predict::Tally;
use striate_tensor::{Result, zeroed};

use crate::evaluate::{evaluate, own_loss};
use crate::fitting::Part;
use crate::session::Session;

/// The network at one step: copied from the device once, then evaluated and saved. With a running average, that is what
/// is exported.
pub(crate) struct Export {
    pub weights: Weights,
    inference: Inference,
}

impl Session {
    /// Copies the weights from the device.
    pub(crate) fn export(&self) -> Result<Export> {
        let weights = self.training.weights()?;
        let inference = Inference::with_weights(self.network.clone(), weights.clone(), self.device.clone())?;
        Ok(Export { weights, inference })
    }

    /// The loss used in training, without class weights.
    fn loss(&self) -> Loss {
        let given = self.settings.recipe.loss.as_ref().map(|part| part.loss);
        given.unwrap_or_else(|| own_loss(&self.network))
    }
}

impl Export {
    /// Evaluates the network on `part`.
    pub fn measure(&self, session: &Session, part: &Part) -> Result<Tally> {
        evaluate(&self.inference, session.loss(), &part.images, |_| {})
    }

    /// Evaluates the network on the training images.
    pub fn measure_training(&self, session: &Session) -> Result<Tally> {
        evaluate(&self.inference, session.loss(), &session.parts.train, |_| {})
    }

    /// Returns the model file.
    pub fn model(&self, session: &Session, measured: Option<(&str, &Tally)>) -> Result<ModelFile> {
        let parts = &session.parts;
        let example = parts.measured.as_ref().map_or(&parts.train, |measured| &measured.images);
        let shape = session.network.batch_shape(1, example.shape());
        let mut input = zeroed(shape.numel())?;
        example.write(0, &mut input)?;
        let output = self.inference.run(&shape, &input)?;
        let (recipe, dataset) = (&session.settings.recipe, &session.dataset);
        Ok(ModelFile {
            network: session.network.clone(),
            classes: dataset.classes.clone(),
            preprocessing: dataset.preprocessing.clone(),
            predict: dataset.predict.clone(),
            encoding: dataset.encoding.clone(),
            evaluation: measured.map(|(part, tally)| Evaluation {
                part: part.into(),
                n: tally.n(),
                top1_error: tally.top1_error(),
                top5_error: tally.top5_error(),
                loss: tally.loss(),
            }),
            data: Some(Data { spec: recipe.data.spec.clone(), fingerprint: session.fingerprint.clone() }),
            recipe: Some(recipe.to_text()),
            golden: Some(Golden { input: (shape, input), output }),
            weights: self.weights.clone(),
        })
    }
}
