//! The training loop: turns a session's batches into steps, checkpoints and models in a run folder.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use striate_data::{Dataset, Inventory};
use striate_engine::Device;
use striate_formats::{Checkpoints, Position, Weights, weights_sha256};
use striate_graph::Network;
use striate_predict::Tally;
use striate_tensor::{Error, Result};

use crate::export::Export;
use crate::meter::Meter;
use crate::metrics::EpochMetrics;
use crate::progress::{Limits, Observer, Outcome, Progress};
use crate::recorded::Recorded;
use crate::run::{RunFolder, RunPath, refuse_run};
use crate::session::Session;
use crate::settings::Settings;
use crate::state::RunState;
use crate::step::Step;
use crate::summary::Summary;
use crate::tensorboard::{self, EpochEnd};

/// A run that can be started or continued: a session with a run folder.
pub struct Trainer {
    pub(crate) session: Session,
    pub(crate) folder: RunFolder,
    pub(crate) position: Position,
    pub(crate) state: RunState,
    /// The network at the end of the last epoch, until the next step.
    export: Option<Export>,
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
        // The images move into the session.
        let inventory = Inventory::of(&dataset);
        let session = Session::new(settings, network, dataset, weights, device)?;
        let folder = RunFolder::create(out, &session.settings.recipe, &session.network)?;
        folder.write_data(&Recorded { fingerprint: session.fingerprint.clone(), inventory })?;
        folder.write_unreadable(&session.dataset.survey.unreadable)?;
        Ok(Trainer::new(session, folder))
    }

    pub(crate) fn new(session: Session, folder: RunFolder) -> Trainer {
        let seed = session.settings.recipe.train.seed;
        let position = Position { seed, epoch: 0, batch: 0, step: 0 };
        Trainer { session, folder, position, state: RunState::default(), export: None }
    }

    /// Returns what the run is about to do.
    ///
    /// # Errors
    /// If the network cannot be trained on a batch of the data.
    pub fn summary(&mut self) -> Result<Summary> {
        self.session.summary()
    }

    /// Returns the total number of steps.
    pub fn steps(&self) -> u64 {
        self.session.steps()
    }

    /// Returns the session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Trains until the schedule ends, or early stopping, `limits` or `observer` stop it.
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
        if let Some(method) = self.session.recipe().replacement() {
            return self.train_without_descent(method, limits, observer);
        }
        let start = Instant::now();
        let end = limits.steps.map_or(self.steps(), |steps| steps.min(self.steps()));
        let recipe = &self.session.settings.recipe;
        let every_seconds = recipe.checkpoint.every_seconds;
        let checkpoints = Checkpoints::new(&self.folder.path, recipe.checkpoint.keep);
        let mut meter = Meter::default();
        let mut losses = Vec::new();
        let mut saved_at = self.position.step;
        let mut saved = Instant::now();
        let mut stopped = false;
        if self.position.step < end && !self.is_finished() {
            self.record_plan()?;
            let mut loader = self.session.loader(self.position.epoch, self.position.batch);
            while self.position.step < end && !self.is_finished() && !stopped {
                let rate = self.rate(self.position.step);
                match self.session.step(&mut loader, &mut meter, &self.position, rate)? {
                    Step::Done { sum, images, next } => {
                        losses.push((sum / images as f64) as f32);
                        self.advance(sum, images, next);
                    }
                    Step::NonFinite(place) => return Err(self.non_finite(self.position.step, &place)),
                    // An image file may be gone; the run can be resumed when it is back.
                    Step::NotBegun(error) => {
                        if saved_at != self.position.step {
                            checkpoints.save(&self.checkpoint()?)?;
                        }
                        return Err(error);
                    }
                }
                observer.step(&self.progress(&meter));
                if self.position.batch == self.session.batches.count() {
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
        let measures = self.is_finished() && !stopped;
        self.finish(start, &meter, losses, measures)
    }

    /// Whether all steps are done, or early stopping has ended the run.
    pub(crate) fn is_finished(&self) -> bool {
        self.position.step >= self.steps() || self.state.has_stopped(self.session.recipe().train.patience)
    }

    /// Records what computes the run from here on in its folder.
    fn record_plan(&mut self) -> Result<()> {
        let shape = self.session.shape(self.session.batches.len(0));
        let plan = self.session.training.report(&shape, None)?;
        self.folder.add_plan(self.position.step, &self.session.device.arithmetic(), &plan)
    }

    /// The learning rate of step number `step` in the current epoch.
    fn rate(&self, step: u64) -> f64 {
        let recipe = &self.session.settings.recipe;
        let lowered = recipe.schedule.factor.powi(self.state.plateau.reductions);
        f64::from(recipe.optim.lr) * recipe.schedule.share(step, self.steps()) * lowered
    }

    /// Counts a step.
    fn advance(&mut self, sum: f64, images: usize, next: u64) {
        self.export = None;
        self.position.step += 1;
        self.position.batch = next;
        self.state.epoch_loss += sum;
        self.state.epoch_images += images as u64;
    }

    /// The error that step number `step` produces non-finite values, first in `culprit`.
    pub(crate) fn non_finite(&self, step: u64, culprit: &str) -> Error {
        let has_checkpoint = matches!(Checkpoints::new(&self.folder.path, 1).latest(), Ok(Some(_)));
        let intact = if has_checkpoint { " the last checkpoint is intact;" } else { "" };
        Error::failed(format!(
            "step {step} produces non-finite values, first in {culprit};{intact} start a new run with a smaller --lr"
        ))
    }

    fn progress(&self, meter: &Meter) -> Progress {
        Progress {
            epoch: self.position.epoch,
            epochs: self.session.recipe().epochs(),
            step: self.position.step,
            steps: self.steps(),
            loss: self.state.mean_loss().expect("a step precedes every report"),
            images_per_second: meter.rate(),
            waiting: meter.waiting(),
        }
    }

    /// Evaluates the validation set, keeps the best model, and records the figures.
    pub(crate) fn end_epoch(&mut self, meter: &Meter, observer: &mut dyn Observer) -> Result<()> {
        let export = self.session.export()?;
        let watched = self.session.parts.watched.clone();
        let tally = watched.as_ref().map(|part| export.measure(&self.session, part)).transpose()?;
        let (epoch, epochs) = (self.position.epoch + 1, self.session.recipe().epochs());
        let train_loss = self.state.mean_loss().expect("an epoch has images");
        let metrics = EpochMetrics {
            epoch,
            step: self.position.step,
            rate: self.session.recipe().replacement().is_none().then(|| self.rate(self.position.step - 1)),
            train_loss,
            val_loss: tally.as_ref().map(Tally::loss),
            val_top1_error: tally.as_ref().map(Tally::top1_error),
            images_per_second: meter.rate(),
        };
        self.folder.add_metrics(&metrics)?;
        let mut line = format!("epoch {epoch:>3}/{epochs}  loss {train_loss:.4}");
        if let (Some(part), Some(tally)) = (&watched, &tally) {
            let (error, loss) = (tally.top1_error() * 100.0, tally.loss());
            line += &format!("  {} error {error:.2} %, loss {loss:.4}", part.name);
            if self.state.is_best(loss) {
                export.model(&self.session, Some((part.name, tally)))?.save(&self.folder.best_model())?;
            }
        }
        observer.note(&line);
        self.position.epoch += 1;
        self.position.batch = 0;
        self.state.end_epoch();
        if let Some(tally) = tally {
            self.watch(tally.loss(), observer);
        }
        // Events are for display only; failing to write them must not end the run.
        if let Err(error) = self.add_events(&metrics, &export) {
            observer.note(&format!("no events for TensorBoard: {error}"));
        }
        self.export = Some(export);
        Ok(())
    }

    /// Lowers the rate or ends the run if the validation loss no longer falls.
    fn watch(&mut self, loss: f64, observer: &mut dyn Observer) {
        let recipe = &self.session.settings.recipe;
        if recipe.schedule.is_plateau() && self.state.plateau.observe(loss, recipe.schedule.patience) {
            let rate = self.rate(self.position.step);
            observer.note(&format!("plateau: the learning rate is {rate:.3e} from here on"));
        }
        let patience = self.session.recipe().train.patience;
        if self.state.has_stopped(patience) && self.position.step < self.steps() {
            let best = self.state.best.unwrap_or(f64::NAN);
            observer.note(&format!(
                "early stopping: no validation loss below {best:.4} in {patience} epochs (train.patience)"
            ));
        }
    }

    /// Adds the figures of an epoch to the event file for TensorBoard.
    fn add_events(&self, metrics: &EpochMetrics, export: &Export) -> Result<()> {
        tensorboard::add_epoch(&EpochEnd {
            folder: &self.folder.path,
            metrics,
            is_last: self.is_finished(),
            weights: &export.weights,
            network: &self.session.network,
            training: &self.session.training,
            device: &self.session.device,
            train: &self.session.parts.augmented(&self.session.settings.recipe)?,
            form: self.session.dataset.preprocessing.as_ref(),
        })
    }

    /// Evaluates the network on images that were not trained on, if `measures`, and writes the model of the last step.
    pub(crate) fn finish(
        &mut self,
        start: Instant,
        meter: &Meter,
        losses: Vec<f32>,
        measures: bool,
    ) -> Result<Outcome> {
        let export = match self.export.take() {
            Some(export) => export,
            None => self.session.export()?,
        };
        let measured = self.session.parts.measured.clone();
        let measure = |part| export.measure(&self.session, part);
        let tally = measured.as_ref().filter(|_| measures).map(measure).transpose()?;
        let part = measured.map(|part| part.name);
        let path = self.folder.last_model();
        export.model(&self.session, part.zip(tally.as_ref()))?.save(&path)?;
        Ok(Outcome {
            epochs: self.position.epoch,
            steps: self.position.step,
            finished: self.is_finished(),
            seconds: start.elapsed().as_secs_f64(),
            images_per_second: meter.rate(),
            waiting: meter.waiting(),
            train_loss: self.state.mean_loss(),
            tally,
            part,
            model: path,
            weights_sha256: weights_sha256(&export.weights),
            losses,
            run: self.folder.path.clone(),
        })
    }

    /// Evaluates the current network, in inference form, on the training images.
    ///
    /// # Errors
    /// If memory runs out.
    pub fn measure_training(&self) -> Result<Tally> {
        self.session.export()?.measure_training(&self.session)
    }
}
