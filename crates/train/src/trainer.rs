//! The trainer: turns batches into steps of the engine, checkpoints and models.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use striate_data::{Batch, Dataset, Loader, Order, Sampling};
use striate_engine::{Clock, Device, PlanReport, Training};
use striate_formats::{Checkpoints, Position, Weights, fit, weights_sha256};
use striate_graph::Network;
use striate_predict::Tally;
use striate_tensor::{Error, Result, Shape, zeroed};

use crate::Recipe;
use crate::fitting::{Batches, Changes, Parts, adapt, in_training, normalize};
use crate::progress::{Limits, Observer, Outcome, Progress};
use crate::resume::Sums;
use crate::run::{EpochMetrics, RunFolder, RunPath, refuse_run};
use crate::settings::Settings;
use crate::summary::{DataSummary, NetworkSummary, RecipeSummary, Summary, joined};

/// A run that can be started or continued.
pub struct Trainer {
    pub(crate) settings: Settings,
    pub(crate) network: Network,
    pub(crate) dataset: Dataset,
    pub(crate) device: Arc<dyn Device>,
    /// `None` in a draft.
    pub(crate) folder: Option<RunFolder>,
    pub(crate) training: Training,
    pub(crate) position: Position,
    pub(crate) sums: Sums,
    pub(crate) parts: Parts,
    pub(crate) batches: Batches,
    pub(crate) fingerprint: String,
    /// Changes made to the network, one line each.
    changes: Changes,
    /// The file of the initial weights.
    weights_file: Option<String>,
}

impl Trainer {
    /// Creates a run in the folder that `out` names; [`Trainer::run`] starts it. `weights`, with their file,
    /// replace the initial weights, except those of a last layer for another number of classes.
    ///
    /// # Errors
    /// If the folder contains a run, or network, data and recipe do not match.
    pub fn create(
        settings: impl Into<Settings>,
        network: Network,
        dataset: Dataset,
        weights: Option<(&Path, Weights)>,
        device: impl Into<Arc<dyn Device>>,
        out: &RunPath,
    ) -> Result<Trainer> {
        refuse_run(out)?;
        let mut trainer = Trainer::draft(settings, network, dataset, weights, device)?;
        let folder = RunFolder::create(out, &trainer.settings.recipe, &trainer.network)?;
        folder.write_unreadable(&trainer.dataset.survey.unreadable)?;
        trainer.folder = Some(folder);
        Ok(trainer)
    }

    /// As [`Trainer::create`], without a folder: can be inspected but not run.
    ///
    /// # Errors
    /// If network, data and recipe do not match.
    pub fn draft(
        settings: impl Into<Settings>,
        network: Network,
        dataset: Dataset,
        weights: Option<(&Path, Weights)>,
        device: impl Into<Arc<dyn Device>>,
    ) -> Result<Trainer> {
        let mut trainer = Trainer::new(settings.into(), network, dataset, device.into(), None)?;
        if let Some((file, weights)) = weights {
            let fitted = fit(&trainer.network, weights).map_err(|e| e.at(file.display()))?;
            trainer.changes.lines.extend(fitted.notes);
            trainer.training.set_variables(&fitted.weights)?;
            trainer.weights_file = Some(file.display().to_string());
        }
        Ok(trainer)
    }

    pub(crate) fn new(
        mut settings: Settings,
        mut network: Network,
        mut dataset: Dataset,
        device: Arc<dyn Device>,
        resumed: Option<RunFolder>,
    ) -> Result<Trainer> {
        settings.recipe.check()?;
        normalize(&mut dataset, &settings.recipe)?;
        let fingerprint = dataset.fingerprint()?;
        let parts = Parts::new(&mut dataset, &settings.recipe)?;
        let image = parts.train.shape();
        parts.augmented(&settings.recipe)?;
        let changes = adapt(&mut network, &settings.recipe, image, dataset.classes.len())?;
        // A resumed run already has its values.
        if resumed.is_none() {
            settings.fit_to(parts.train.len(), &network)?;
        }
        let recipe = &settings.recipe;
        let batches = Batches::new(parts.train.len(), recipe.train.batch, &network)?;
        let (spec, seed) = (recipe.spec()?, recipe.train.seed);
        let [c, h, w] = image;
        let shape = Shape::from([batches.len(0), c, h, w]);
        let training = Training::new(in_training(&network, recipe), spec, &shape, seed, device.clone())?;
        Ok(Trainer {
            position: Position { seed, epoch: 0, batch: 0, step: 0 },
            fingerprint,
            sums: Sums::default(),
            weights_file: None,
            settings,
            network,
            dataset,
            device,
            folder: resumed,
            training,
            parts,
            batches,
            changes,
        })
    }

    /// Returns what the run is about to do.
    ///
    /// # Errors
    /// If the network cannot be trained on a batch of the data.
    pub fn summary(&mut self) -> Result<Summary> {
        let memory_bytes = self.training.peak_bytes(&self.batches.largest(self.parts.train.shape()))?;
        let mut changes = self.changes.lines.clone();
        if self.weights_file.is_none() {
            changes.extend(self.changes.init.clone());
        }
        changes.extend(joined(self.batches));
        Ok(Summary {
            data: DataSummary::new(&self.settings, &self.dataset, &self.parts),
            network: NetworkSummary::new(&self.network, self.weights_file.clone(), changes)?,
            recipe: RecipeSummary::new(&self.settings),
            steps_per_epoch: self.batches.count(),
            steps: self.steps(),
            memory_bytes,
            device: self.device.name(),
        })
    }

    /// Runs up to `steps` steps, or for about `limit` seconds, at a learning rate of 0 on the first batch.
    /// Returns the plan with the mean time of each part, and the batch size.
    ///
    /// # Errors
    /// If the network cannot be trained on a batch of the data.
    pub fn profile(&mut self, clock: &dyn Clock, steps: usize, limit: f64) -> Result<(PlanReport, usize)> {
        let count = self.batches.len(0);
        let [c, h, w] = self.parts.train.shape();
        let shape = Shape::from([count, c, h, w]);
        let mut images = zeroed(shape.checked_len()?)?;
        self.parts.train.write_all(0, &mut images)?;
        let labels = &self.parts.train.labels()[..count];
        let plan = self.training.profile(&shape, &images, labels, (steps, limit), clock)?;
        Ok((plan, count))
    }

    pub(crate) fn folder(&self) -> Result<&RunFolder> {
        self.folder.as_ref().ok_or_else(|| Error::failed("a run without a folder cannot be started"))
    }

    /// Returns the total number of steps.
    pub fn steps(&self) -> u64 {
        self.batches.count() * self.settings.recipe.train.epochs
    }

    /// Returns the recipe, with rules applied.
    pub fn recipe(&self) -> &Recipe {
        &self.settings.recipe
    }

    /// Returns the network, adapted to the data.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Trains until the schedule ends, or `limits` or `observer` stop it.
    ///
    /// # Errors
    /// If loading fails, the loss is not finite, or a file cannot be written; the last checkpoint stays.
    pub fn run(mut self, limits: Limits, observer: &mut dyn Observer) -> Result<Outcome> {
        self.train(limits, observer)
    }

    /// As [`Trainer::run`], but keeps the trainer for [`Trainer::measure_training`].
    ///
    /// # Errors
    /// As [`Trainer::run`].
    pub fn train(&mut self, limits: Limits, observer: &mut dyn Observer) -> Result<Outcome> {
        let start = Instant::now();
        let end = limits.steps.map_or(self.steps(), |steps| steps.min(self.steps()));
        let every_seconds = self.settings.recipe.checkpoint.every_seconds;
        let checkpoints = Checkpoints::new(&self.folder()?.path, self.settings.recipe.checkpoint.keep);
        let mut meter = Meter::default();
        let mut losses = Vec::new();
        let mut saved_at = self.position.step;
        let mut saved = Instant::now();
        let mut stopped = false;
        if self.position.step < end {
            self.record_plan()?;
            let mut loader = self.loader();
            while self.position.step < end && !stopped {
                let lap = Instant::now();
                let batch = match loader.next_batch() {
                    Ok(batch) => batch,
                    // An image file may be gone; the run can be resumed when it is back.
                    Err(error) => {
                        if saved_at != self.position.step {
                            checkpoints.save(&self.checkpoint()?)?;
                        }
                        return Err(error);
                    }
                };
                let waited = lap.elapsed();
                let loss = self.step(&batch)?;
                losses.push(loss);
                meter.add(batch.labels.len(), lap.elapsed(), waited);
                loader.recycle(batch);
                observer.step(&self.progress(&meter));
                if self.position.batch == self.batches.count() {
                    self.end_epoch(&meter, observer)?;
                }
                if saved.elapsed().as_secs_f64() >= every_seconds {
                    checkpoints.save(&self.checkpoint()?)?;
                    (saved, saved_at) = (Instant::now(), self.position.step);
                }
                stopped = observer.stop();
            }
        }
        if saved_at != self.position.step || (self.position.step == 0 && limits.steps.is_some()) {
            checkpoints.save(&self.checkpoint()?)?;
        }
        let measures = self.position.step >= self.steps() && !stopped;
        self.finish(start, &meter, losses, measures)
    }

    /// Records what computes the run from here on in its folder.
    fn record_plan(&mut self) -> Result<()> {
        let [c, h, w] = self.parts.train.shape();
        let plan = self.training.report(&Shape::from([self.batches.len(0), c, h, w]), None)?;
        self.folder()?.add_plan(self.position.step, &self.device.arithmetic(), &plan)
    }

    fn loader(&self) -> Loader {
        let recipe = &self.settings.recipe;
        let [_, h, w] = self.parts.train.shape();
        let size = [h, w];
        let sampling = Sampling {
            batch: recipe.train.batch,
            min_last: self.batches.min_last,
            order: if recipe.data.shuffle { Order::Shuffled(recipe.train.seed) } else { Order::AsStored },
            augmentation: recipe.augmentation(size).expect("was checked with the recipe"),
            seed: recipe.train.seed,
        };
        Loader::new(self.parts.train.clone(), sampling, self.position.epoch, self.position.batch)
    }

    /// The learning rate of step number `step`.
    fn rate(&self, step: u64) -> f64 {
        f64::from(self.settings.recipe.optim.lr) * self.settings.recipe.schedule.share(step, self.steps())
    }

    /// One step; returns the loss.
    fn step(&mut self, batch: &Batch) -> Result<f32> {
        let (step, count) = (self.position.step, batch.labels.len());
        let [c, h, w] = self.parts.train.shape();
        let shape = Shape::from([count, c, h, w]);
        self.training.accumulate(&shape, &batch.images, &batch.labels, step, None)?;
        let loss = self.training.loss(&shape);
        if !self.training.is_finite(&shape)? {
            let culprit = self.training.first_non_finite(&shape, &batch.images, &batch.labels)?;
            let culprit = culprit.unwrap_or_else(|| "an unknown place, since a rerun is finite".into());
            return Err(self.non_finite(step, &format!("{culprit} (loss {loss})"))?);
        }
        let rate = self.rate(step);
        self.training.update(&shape, rate as f32, None)?;
        self.position.step += 1;
        self.position.batch += 1;
        self.sums.epoch_loss += f64::from(loss) * count as f64;
        self.sums.epoch_images += count as u64;
        Ok(loss)
    }

    /// The error that step number `step` produces non-finite values, first in `culprit`.
    pub(crate) fn non_finite(&self, step: u64, culprit: &str) -> Result<Error> {
        let has_checkpoint = matches!(Checkpoints::new(&self.folder()?.path, 1).latest(), Ok(Some(_)));
        let intact = if has_checkpoint { " the last checkpoint is intact;" } else { "" };
        Ok(Error::failed(format!(
            "step {step} produces non-finite values, first in {culprit};{intact} start a new run with a smaller --lr"
        )))
    }

    fn progress(&self, meter: &Meter) -> Progress {
        Progress {
            epoch: self.position.epoch,
            epochs: self.settings.recipe.train.epochs,
            step: self.position.step,
            steps: self.steps(),
            loss: self.sums.mean_loss().expect("a step precedes every report"),
            images_per_second: meter.rate(),
            waiting: meter.waiting(),
        }
    }

    /// Evaluates the validation set, keeps the best model, and records the figures.
    fn end_epoch(&mut self, meter: &Meter, observer: &mut dyn Observer) -> Result<()> {
        let watched = self.parts.watched.clone();
        let tally = watched.as_ref().map(|part| self.measure(part)).transpose()?;
        let (epoch, epochs) = (self.position.epoch + 1, self.settings.recipe.train.epochs);
        let train_loss = self.sums.mean_loss().expect("an epoch has images");
        let metrics = EpochMetrics {
            epoch,
            step: self.position.step,
            rate: self.rate(self.position.step - 1),
            train_loss,
            val_loss: tally.as_ref().map(Tally::loss),
            val_top1_error: tally.as_ref().map(Tally::top1_error),
            images_per_second: meter.rate(),
        };
        self.folder()?.add_metrics(&metrics)?;
        let mut line = format!("epoch {epoch:>3}/{epochs}  loss {train_loss:.4}");
        if let (Some(part), Some(tally)) = (&watched, &tally) {
            let (error, loss) = (tally.top1_error() * 100.0, tally.loss());
            line += &format!("  {} error {error:.2} %, loss {loss:.4}", part.name);
            if is_better(loss, self.sums.best) {
                self.sums.best = Some(loss);
                self.model(Some((part.name, tally)))?.save(&self.folder()?.best_model())?;
            }
        }
        observer.note(&line);
        self.position.epoch += 1;
        self.position.batch = 0;
        (self.sums.epoch_loss, self.sums.epoch_images) = (0.0, 0);
        self.sums.last_epoch = Some(train_loss);
        Ok(())
    }

    fn finish(&mut self, start: Instant, meter: &Meter, losses: Vec<f32>, measures: bool) -> Result<Outcome> {
        let finished = self.position.step >= self.steps();
        let measured = self.parts.measured.clone();
        let tally = measured.as_ref().filter(|_| measures).map(|part| self.measure(part)).transpose()?;
        let part = measured.map(|part| part.name);
        let path = self.folder()?.last_model();
        let model = self.model(part.zip(tally.as_ref()))?;
        model.save(&path)?;
        Ok(Outcome {
            epochs: self.position.epoch,
            steps: self.position.step,
            finished,
            seconds: start.elapsed().as_secs_f64(),
            images_per_second: meter.rate(),
            waiting: meter.waiting(),
            train_loss: self.sums.mean_loss(),
            tally,
            part,
            model: path,
            weights_sha256: weights_sha256(&model.weights),
            losses,
            run: self.folder()?.path.clone(),
        })
    }
}

/// Whether a loss is better than the best so far; NaN never is, and anything is better than NaN.
fn is_better(loss: f64, best: Option<f64>) -> bool {
    !loss.is_nan() && best.is_none_or(|best| best.is_nan() || loss < best)
}

/// Images over the time spent on training steps.
#[derive(Default)]
struct Meter {
    images: usize,
    seconds: f64,
    /// Those of them in which training waited for images.
    waited: f64,
}

impl Meter {
    fn add(&mut self, images: usize, time: Duration, waited: Duration) {
        self.images += images;
        self.seconds += time.as_secs_f64();
        self.waited += waited.as_secs_f64();
    }

    fn waiting(&self) -> f64 {
        if self.seconds > 0.0 { self.waited / self.seconds } else { 0.0 }
    }

    fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.images as f64 / self.seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_never_the_best_epoch() {
        assert!(is_better(1.0, None) && is_better(0.5, Some(1.0)) && !is_better(1.0, Some(1.0)));
        assert!(!is_better(f64::NAN, None) && !is_better(f64::NAN, Some(1.0)));
        assert!(is_better(1.0, Some(f64::NAN)));
    }
}
