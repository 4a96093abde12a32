//! The trained network as a model file.

use striate_engine::Inference;
use striate_formats::{Data, Evaluation, Golden, ModelFile, Weights};
use striate_graph::{Loss, Role};
use striate_predict::Tally;
use striate_tensor::{Result, Shape, zeroed};

use crate::Trainer;
use crate::evaluate::{evaluate, own_loss};
use crate::fitting::Part;

impl Trainer {
    pub(crate) fn weights(&self) -> Result<Weights> {
        self.training.variables(&[Role::Parameter, Role::Buffer])
    }

    pub(crate) fn inference(&self) -> Result<Inference> {
        Inference::with_weights(self.network.clone(), self.weights()?, self.device.clone())
    }

    /// The loss used in training.
    fn loss(&self) -> Loss {
        self.settings.recipe.loss.unwrap_or_else(|| own_loss(&self.network))
    }

    /// Evaluates the current network on `part`.
    pub(crate) fn measure(&self, part: &Part) -> Result<Tally> {
        evaluate(&self.inference()?, self.loss(), &part.images, |_| {})
    }

    /// Evaluates the current network, in inference form, on the training images.
    ///
    /// # Errors
    /// If memory runs out.
    pub fn measure_training(&self) -> Result<Tally> {
        evaluate(&self.inference()?, self.loss(), &self.parts.train, |_| {})
    }

    /// Returns the model file of the current network.
    pub(crate) fn model(&self, measured: Option<(&str, &Tally)>) -> Result<ModelFile> {
        let weights = self.weights()?;
        let example = self.parts.measured.as_ref().map_or(&self.parts.train, |measured| &measured.images);
        let [c, h, w] = example.shape();
        let shape = Shape::from([1, c, h, w]);
        let mut input = zeroed(c * h * w)?;
        example.write(0, &mut input)?;
        let output = self.inference()?.run(&shape, &input)?;
        let json = |form: &Option<striate_vision::Preprocessing>| {
            serde_json::to_value(form).expect("plain data has a JSON form")
        };
        let recipe = &self.settings.recipe;
        Ok(ModelFile {
            network: self.network.clone(),
            classes: self.dataset.classes.clone(),
            preprocessing: json(&self.dataset.preprocessing),
            predict: json(&self.dataset.predict),
            evaluation: measured.map(|(part, tally)| Evaluation {
                part: part.into(),
                n: tally.n(),
                top1_error: tally.top1_error(),
                top5_error: tally.top5_error(),
                loss: tally.loss(),
            }),
            data: Some(Data { spec: recipe.data.spec.clone(), fingerprint: self.fingerprint.clone() }),
            recipe: Some(recipe.to_text()),
            golden: Some(Golden { input: (shape, input), output }),
            weights,
        })
    }
}
