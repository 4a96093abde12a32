//! A run without gradient descent, in the place of the training loop.

use std::time::{Duration, Instant};

use striate_formats::Checkpoints;
use striate_tensor::{Error, Result};

use crate::meter::Meter;
use crate::progress::{Limits, Observer, Outcome};
use crate::recipe::Replacement;
use crate::trainer::Trainer;

impl Trainer {
    /// Trains by `method`: one epoch, which cannot be interrupted and continued.
    pub(crate) fn train_without_descent(
        &mut self,
        method: Replacement,
        limits: Limits,
        observer: &mut dyn Observer,
    ) -> Result<Outcome> {
        if limits.steps.is_some() {
            let what = format!("{} are not trained in steps; omit --steps", method.name());
            return Err(Error::input(what));
        }
        let start = Instant::now();
        let checkpoints = Checkpoints::new(&self.folder.path, self.session.recipe().checkpoint.keep);
        let mut meter = Meter::default();
        if !self.is_finished() {
            self.record_feature_plan()?;
            let Some(learned) = self.session.learn(observer)? else {
                checkpoints.save(&self.checkpoint()?)?;
                return self.finish(start, &meter, Vec::new(), false);
            };
            let images = self.session.parts.train.len();
            meter.add(images, start.elapsed(), Duration::ZERO);
            self.session.training.set_variables(&learned.variables)?;
            self.pass_epoch(learned.loss, images);
            self.end_epoch(&meter, observer)?;
            checkpoints.save(&self.checkpoint()?)?;
        }
        self.finish(start, &meter, Vec::new(), true)
    }

    /// Counts an epoch with this mean loss over its images.
    fn pass_epoch(&mut self, loss: f64, images: usize) {
        self.position.step = self.steps();
        self.position.batch = self.session.batches.count();
        self.state.epoch_loss = loss * images as f64;
        self.state.epoch_images = images as u64;
    }

    /// Records what computes the features and the scores.
    fn record_feature_plan(&mut self) -> Result<()> {
        let plan = self.session.feature_plan()?;
        self.folder.add_plan(self.position.step, &self.session.device.arithmetic(), &plan)
    }
}
