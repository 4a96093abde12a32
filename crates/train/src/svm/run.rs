//! A run of support vector machines, in the place of the training loop.

use std::time::{Duration, Instant};

use striate_formats::Checkpoints;
use striate_tensor::{Error, Result};

use crate::meter::Meter;
use crate::progress::{Limits, Observer, Outcome};
use crate::trainer::Trainer;

impl Trainer {
    /// Trains support vector machines: one epoch, which cannot be interrupted and continued.
    pub(crate) fn train_svm(&mut self, limits: Limits, observer: &mut dyn Observer) -> Result<Outcome> {
        if limits.steps.is_some() {
            return Err(Error::input("support vector machines are not trained in steps; omit --steps"));
        }
        let start = Instant::now();
        let checkpoints = Checkpoints::new(&self.folder.path, self.session.recipe().checkpoint.keep);
        let mut meter = Meter::default();
        if !self.is_finished() {
            self.record_svm_plan()?;
            let Some(learned) = self.session.learn_svm(observer)? else {
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
    fn record_svm_plan(&mut self) -> Result<()> {
        let plan = self.session.svm_plan()?;
        self.folder.add_plan(self.position.step, &self.session.device.arithmetic(), &plan)
    }
}
