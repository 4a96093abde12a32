//! One step of a session: the gradients of its batches, and the update.

use std::time::Instant;

use striate_data::{Batch, Loader};
use striate_engine::{Part, Targets};
use striate_formats::Position;
use striate_tensor::{Error, Result};

use crate::meter::Meter;
use crate::session::Session;

/// The outcome of a step.
pub(crate) enum Step {
    /// It is done.
    Done {
        /// Sum of the losses of its images.
        sum: f64,
        /// Number of its images.
        images: usize,
        /// The next batch of the epoch.
        next: u64,
    },
    /// Its first batch could not be loaded.
    NotBegun(Error),
    /// It produces non-finite values, first in this place.
    NonFinite(String),
}

impl Session {
    /// Makes the step at `position` with the learning rate `rate`, whose batches `loader` gives.
    ///
    /// # Errors
    /// If another batch than the first cannot be loaded, or the device fails.
    pub(crate) fn step(
        &mut self,
        loader: &mut Loader,
        meter: &mut Meter,
        position: &Position,
        rate: f64,
    ) -> Result<Step> {
        let first = position.batch;
        let next = (first + self.settings.recipe.train.accumulate).min(self.batches.count());
        let images = (first..next).map(|batch| self.batches.len(batch)).sum();
        let mut sum = 0.0;
        for index in first..next {
            let lap = Instant::now();
            let mut batch = match loader.next_batch() {
                Ok(batch) => batch,
                Err(error) if index == first => return Ok(Step::NotBegun(error)),
                // The statistics of batch norms have changed, so this is no place for a checkpoint.
                Err(error) => return Err(error),
            };
            let waited = lap.elapsed();
            let count = batch.labels.len();
            let part = Part { is_first: index == first, share: count as f32 / images as f32 };
            // Numbers the batch among all of the run, so that each has its own masks and mixtures.
            let draw = position.epoch * self.batches.count() + index;
            match self.accumulate(&mut batch, part, draw)? {
                Ok(loss) => sum += f64::from(loss) * count as f64,
                Err(place) => return Ok(Step::NonFinite(place)),
            }
            if index + 1 == next {
                self.training.update(&self.shape(count), rate as f32, position.step, None)?;
            }
            meter.add(count, lap.elapsed(), waited);
            loader.recycle(batch);
        }
        Ok(Step::Done { sum, images, next })
    }

    /// Adds the gradients of a batch. Returns the loss, or else the place of the first non-finite value.
    fn accumulate(
        &mut self,
        batch: &mut Batch,
        part: Part,
        draw: u64,
    ) -> Result<std::result::Result<f32, String>> {
        let shape = self.shape(batch.labels.len());
        let soft = self.mix(batch, draw);
        let targets = targets(batch, soft.as_deref());
        self.training.accumulate_part(&shape, &batch.images, targets, draw, part, None)?;
        let loss = self.training.loss(&shape);
        if self.training.is_finite(&shape)? {
            return Ok(Ok(loss));
        }
        let place = self.training.first_non_finite(&shape, &batch.images, targets)?;
        let place = place.unwrap_or_else(|| "an unknown place, since a rerun is finite".into());
        Ok(Err(format!("{place} (loss {loss})")))
    }

    /// Mixes the images of a batch, if the recipe does; returns the targets, if they are not plain labels.
    pub(crate) fn mix(&self, batch: &mut Batch, draw: u64) -> Option<Vec<f32>> {
        self.mixer.as_ref().map(|mixer| mixer.mix(batch, self.parts.train.shape(), draw))
    }
}

pub(crate) fn targets<'b>(batch: &'b Batch, soft: Option<&'b [f32]>) -> Targets<'b> {
    soft.map_or(Targets::Classes(&batch.labels), Targets::Soft)
}
