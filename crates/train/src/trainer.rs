//! The trainer: batches in, steps of the engine, checkpoints, models out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use striate_data::{Dataset, Loader, Order, Prepared, Sampling};
use striate_engine::{Cpu, Inference, Training};
use striate_formats::{
    Checkpoint, Checkpoints, Data, Evaluation, Golden, ModelFile, Position, Weights, fit, sha256,
    weights_sha256,
};
use striate_graph::{Network, Role};
use striate_predict::Tally;
use striate_tensor::{Error, Result, Shape};

use crate::run::{EpochMetrics, RunFolder, RunPath, refuse_run};
use crate::{Recipe, evaluate};

/// Where a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Ends this call once the run stands at this step.
    pub steps: Option<u64>,
    /// Whether a checkpoint of another instruction set may be continued; its bits then differ.
    pub any_isa: bool,
}

/// What is heard after each step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Epoch that is running, from 0.
    pub epoch: u64,
    /// Epochs in all.
    pub epochs: u64,
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Mean loss of the epoch so far.
    pub loss: f64,
    /// Images trained on per second, in this call.
    pub images_per_second: f64,
}

/// Someone who watches a training run.
pub trait Observer {
    /// A step was done.
    fn step(&mut self, progress: &Progress) {
        let _ = progress;
    }
    /// Something is to be told: the end of an epoch, a choice that was made.
    fn note(&mut self, text: &str) {
        let _ = text;
    }
    /// Asked after each step: whether to stop after a checkpoint.
    fn stop(&mut self) -> bool {
        false
    }
}

/// Watches nothing.
impl Observer for () {}

/// What a call of the trainer reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Epochs completed.
    pub epochs: u64,
    /// Steps done.
    pub steps: u64,
    /// Whether the whole schedule was run.
    pub finished: bool,
    /// Seconds of this call.
    pub seconds: f64,
    /// Images trained on per second with loading, without validation.
    pub images_per_second: f64,
    /// Mean loss of the last epoch (as far as it went).
    pub train_loss: f64,
    /// Guesses on the part of the data that is measured on; `None` before the end.
    pub tally: Option<Tally>,
    /// Which part that was.
    pub part: &'static str,
    /// The model of the last step.
    pub model: PathBuf,
    /// Fingerprint of its weights.
    pub weights_sha256: String,
    /// The loss of each step of this call.
    pub losses: Vec<f32>,
    /// The run's folder.
    pub run: PathBuf,
}

/// What a checkpoint keeps besides tensors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
struct Sums {
    epoch_loss: f64,
    epoch_batches: u64,
    best: Option<f64>,
}

/// A run, ready to go on.
pub struct Trainer {
    recipe: Recipe,
    network: Network,
    dataset: Dataset,
    cpu: Cpu,
    folder: Option<RunFolder>,
    training: Training,
    position: Position,
    sums: Sums,
    train: Arc<Prepared>,
    holdout: Option<Prepared>,
    measured: Prepared,
    fingerprint: String,
}

impl Trainer {
    /// A new run in the folder `out`. `weights`, with the file that they are from, replace the first weights,
    /// except those of a last layer for another number of classes; `observer` hears of it.
    ///
    /// # Errors
    /// If the folder holds a run, or network, data and recipe do not fit each other.
    pub fn create(
        recipe: Recipe,
        network: Network,
        dataset: Dataset,
        weights: Option<(&Path, Weights)>,
        cpu: Cpu,
        out: &RunPath,
        observer: &mut dyn Observer,
    ) -> Result<Trainer> {
        recipe.check()?;
        refuse_run(out)?;
        let mut trainer = Trainer::prepare(recipe, network, dataset, cpu)?;
        if let Some((file, weights)) = weights {
            let fitted = fit(&trainer.network, weights).map_err(|e| e.at(file.display()))?;
            fitted.notes.iter().for_each(|note| observer.note(note));
            trainer.training.set_variables(&fitted.weights)?;
        }
        trainer.folder = Some(RunFolder::create(out, &trainer.recipe, &trainer.network)?);
        Ok(trainer)
    }

    /// The run in the folder `run`, from its last checkpoint; `epochs` replaces the number of epochs.
    ///
    /// # Errors
    /// If there is no run, its data has changed, or its last checkpoint is damaged.
    pub fn resume(
        run: &Path,
        epochs: Option<u64>,
        load: impl FnOnce(&Recipe) -> Result<Dataset>,
        cpu: Cpu,
        limits: Limits,
        observer: &mut dyn Observer,
    ) -> Result<Trainer> {
        let (folder, mut recipe, network) = RunFolder::open(run)?;
        let written = recipe.clone();
        recipe.train.epochs = epochs.unwrap_or(recipe.train.epochs);
        recipe.check()?;
        let dataset = load(&recipe)?;
        let keep = recipe.checkpoint.keep;
        let mut trainer = Trainer::prepare(recipe, network, dataset, cpu)?;
        match Checkpoints::new(run, keep).latest()? {
            None => observer.note("no checkpoint yet: from step 0"),
            Some(checkpoint) => trainer.restore(checkpoint, run, limits, observer)?,
        }
        let (before, after) = (written.train.epochs, trainer.recipe.train.epochs);
        if trainer.position.step > trainer.steps() {
            return Err(Error::input(format!(
                "{}: {after} epochs are fewer than the run has done; it is at epoch {}",
                run.display(),
                trainer.position.epoch + 1
            )));
        }
        // A run that is refused keeps its recipe.
        if before != after {
            observer.note(&format!("epochs: {after} instead of {before}; a new schedule from this step on"));
            folder.write_recipe(&trainer.recipe)?;
        }
        trainer.folder = Some(folder);
        Ok(trainer)
    }

    fn prepare(recipe: Recipe, mut network: Network, dataset: Dataset, cpu: Cpu) -> Result<Trainer> {
        let (train, holdout) = match &dataset.validation {
            Some(validation) => (dataset.train.clone(), Some(validation.clone())),
            None if recipe.data.holdout > 0.0 => {
                let (train, holdout) = dataset.train.stratified(recipe.data.holdout, recipe.train.seed);
                (train, (!holdout.is_empty()).then_some(holdout))
            }
            None => (dataset.train.clone(), None),
        };
        let form = dataset.preprocessing.as_ref();
        let train = Arc::new(Prepared::new(&train, form)?);
        let holdout = holdout.map(|split| Prepared::new(&split, form)).transpose()?;
        let measured = Prepared::new(dataset.evaluation().1, form)?;
        network.image()?;
        network.set_input(train.shape());
        if network.classes()? != dataset.classes.len() {
            network.set_classes(dataset.classes.len())?;
        }
        let [c, h, w] = train.shape();
        let shape = Shape::from([recipe.train.batch.min(train.len()), c, h, w]);
        let training =
            Training::new(network.clone(), recipe.spec()?, &shape, recipe.train.seed, cpu.clone())?;
        let position = Position { seed: recipe.train.seed, epoch: 0, batch: 0, step: 0 };
        let fingerprint = dataset.fingerprint();
        let sums = Sums::default();
        Ok(Trainer {
            recipe,
            network,
            dataset,
            cpu,
            folder: None,
            training,
            position,
            sums,
            train,
            holdout,
            measured,
            fingerprint,
        })
    }

    fn restore(
        &mut self,
        checkpoint: Checkpoint,
        run: &Path,
        limits: Limits,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let here = self.cpu.isa().name();
        if checkpoint.isa != here {
            let made = &checkpoint.isa;
            let what = format!("the checkpoint was made on {made}, this is {here}: the bits will differ");
            if !limits.any_isa {
                return Err(Error::input(format!(
                    "{what}; allow it with --any-isa, or set STRIATE_ISA={made}"
                )));
            }
            observer.note(&what);
        }
        let extra = checkpoint.extra;
        if extra["fingerprint"] != serde_json::json!(self.fingerprint) {
            return Err(Error::input(format!(
                "the data {} has changed since the run began",
                self.recipe.data.spec
            )));
        }
        if extra["recipe"] != serde_json::json!(recipe_hash(&self.recipe)) {
            let path = run.join("recipe.toml");
            return Err(Error::input(format!(
                "{}: the recipe has changed since the checkpoint was made; only --epochs may change",
                path.display()
            )));
        }
        self.sums = serde_json::from_value(extra["sums"].clone())
            .map_err(|e| Error::input(format!("the checkpoint's figures are unreadable: {e}")))?;
        self.check_position(&checkpoint.position)?;
        let missing = self
            .training
            .infos()
            .find(|info| info.role != Role::Gradient && !checkpoint.state.contains_key(&info.name));
        if let Some(info) = missing {
            return Err(Error::input(format!("the checkpoint lacks {}", info.name)));
        }
        self.training.set_variables(&checkpoint.state)?;
        self.position = checkpoint.position;
        Ok(())
    }

    /// Refuses a position that no run with this recipe and these data comes to.
    fn check_position(&self, position: &Position) -> Result<()> {
        let Position { seed, epoch, batch, step } = *position;
        let batches = self.batches();
        let steps = epoch.checked_mul(batches).and_then(|steps| steps.checked_add(batch));
        let fits = seed == self.recipe.train.seed && batch < batches && steps == Some(step);
        match fits && self.sums.epoch_batches <= batches {
            true => Ok(()),
            false => Err(Error::input(format!(
                "the checkpoint stands where this run never does: step {step} as batch {batch} of epoch \
                 {epoch} under seed {seed}"
            ))),
        }
    }

    fn folder(&self) -> &RunFolder {
        self.folder.as_ref().expect("a trainer that is returned has its folder")
    }

    /// Batches in an epoch.
    fn batches(&self) -> u64 {
        self.train.len().div_ceil(self.recipe.train.batch) as u64
    }

    /// Steps of the whole schedule.
    pub fn steps(&self) -> u64 {
        self.batches() * self.recipe.train.epochs
    }

    /// The network in training, as it was fitted to the data.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Trains until the schedule ends, or as `limits` and `observer` say.
    ///
    /// # Errors
    /// If loading fails, the loss is no number, or the disk refuses; the last checkpoint stays.
    pub fn run(mut self, limits: Limits, observer: &mut dyn Observer) -> Result<Outcome> {
        let start = Instant::now();
        let end = limits.steps.map_or(self.steps(), |steps| steps.min(self.steps()));
        let checkpoints = Checkpoints::new(&self.folder().path, self.recipe.checkpoint.keep);
        let mut meter = Meter::default();
        let mut losses = Vec::new();
        let mut saved_at = self.position.step;
        let mut saved = Instant::now();
        let mut stopped = false;
        if self.position.step < end {
            let mut loader = self.loader();
            while self.position.step < end && !stopped {
                let lap = Instant::now();
                let loss = self.step(&mut loader)?;
                losses.push(loss);
                meter.add(self.train_batch_len(), lap);
                observer.step(&self.progress(&meter));
                if self.position.batch == self.batches() {
                    self.end_epoch(&meter, limits, observer)?;
                }
                if saved.elapsed().as_secs_f64() >= self.recipe.checkpoint.every_seconds {
                    checkpoints.save(&self.checkpoint())?;
                    (saved, saved_at) = (Instant::now(), self.position.step);
                }
                stopped = observer.stop();
            }
        }
        if saved_at != self.position.step || (self.position.step == 0 && limits.steps.is_some()) {
            checkpoints.save(&self.checkpoint())?;
        }
        self.finish(start, &meter, losses, limits, stopped)
    }

    fn loader(&self) -> Loader {
        let seed = self.recipe.train.seed;
        let order = if self.recipe.data.shuffle { Order::Shuffled(seed) } else { Order::AsStored };
        let augmentation = self.recipe.augmentation().expect("was checked with the recipe");
        let sampling = Sampling { batch: self.recipe.train.batch, order, augmentation, seed };
        Loader::new(self.train.clone(), sampling, self.position.epoch, self.position.batch)
    }

    /// One step; the position moves on.
    fn step(&mut self, loader: &mut Loader) -> Result<f32> {
        let batch = loader.next_batch()?;
        let [c, h, w] = self.train.shape();
        let shape = Shape::from([batch.labels.len(), c, h, w]);
        let rate =
            f64::from(self.recipe.optim.lr) * self.recipe.schedule.share(self.position.step, self.steps());
        let step = self.position.step;
        self.training.accumulate(&shape, &batch.images, &batch.labels, step, None)?;
        let loss = self.training.loss(&shape);
        if !self.training.is_finite(&shape) {
            let culprit = self.training.first_non_finite(&shape, &batch.images, &batch.labels);
            let culprit = culprit.unwrap_or("nothing when it is rerun").to_owned();
            return Err(Error::failed(format!(
                "step {step} makes numbers that are not finite, first in {culprit} (loss {loss}); \
                 the last checkpoint is whole, try a smaller --lr"
            )));
        }
        self.training.update(&shape, rate as f32, None);
        loader.recycle(batch);
        self.position.step += 1;
        self.position.batch += 1;
        self.sums.epoch_loss += f64::from(loss);
        self.sums.epoch_batches += 1;
        Ok(loss)
    }

    /// Images of the batch that was trained on last.
    fn train_batch_len(&self) -> usize {
        let first = (self.position.batch as usize - 1) * self.recipe.train.batch;
        self.recipe.train.batch.min(self.train.len() - first)
    }

    fn mean_loss(&self) -> f64 {
        self.sums.epoch_loss / self.sums.epoch_batches.max(1) as f64
    }

    fn progress(&self, meter: &Meter) -> Progress {
        Progress {
            epoch: self.position.epoch,
            epochs: self.recipe.train.epochs,
            step: self.position.step,
            steps: self.steps(),
            loss: self.mean_loss(),
            images_per_second: meter.rate(),
        }
    }

    /// Measures on what was held out, keeps the best model, notes the figures.
    fn end_epoch(&mut self, meter: &Meter, limits: Limits, observer: &mut dyn Observer) -> Result<()> {
        let measure = limits.steps.is_none();
        let tally = match &self.holdout {
            Some(holdout) if measure => Some(evaluate(&self.inference()?, holdout, |_| {})?),
            _ => None,
        };
        let (epoch, epochs) = (self.position.epoch + 1, self.recipe.train.epochs);
        let metrics = EpochMetrics {
            epoch,
            step: self.position.step,
            rate: f64::from(self.recipe.optim.lr)
                * self.recipe.schedule.share(self.position.step - 1, self.steps()),
            train_loss: self.mean_loss(),
            val_loss: tally.as_ref().map(Tally::loss),
            val_top1_error: tally.as_ref().map(Tally::top1_error),
            images_per_second: meter.rate(),
        };
        self.folder().add_metrics(&metrics)?;
        let mut line = format!("epoch {epoch:>3}/{epochs}  loss {:.4}", metrics.train_loss);
        if let Some(tally) = &tally {
            line +=
                &format!("  held-out error {:.2} %, loss {:.4}", tally.top1_error() * 100.0, tally.loss());
        }
        observer.note(&line);
        if let Some(tally) = &tally
            && self.sums.best.is_none_or(|best| tally.loss() < best)
        {
            self.sums.best = Some(tally.loss());
            self.model(Some(("held-out", tally)))?.save(&self.folder().best_model())?;
        }
        self.position.epoch += 1;
        self.position.batch = 0;
        self.sums.epoch_loss = 0.0;
        self.sums.epoch_batches = 0;
        if self.position.epoch == epochs {
            // The last epoch's mean is what is reported.
            self.sums.epoch_loss = metrics.train_loss;
            self.sums.epoch_batches = 1;
        }
        Ok(())
    }

    fn finish(
        self,
        start: Instant,
        meter: &Meter,
        losses: Vec<f32>,
        limits: Limits,
        stopped: bool,
    ) -> Result<Outcome> {
        let finished = self.position.step >= self.steps();
        let part = self.dataset.evaluation().0;
        let measure = limits.steps.is_none() && !stopped;
        let tally = if measure { Some(evaluate(&self.inference()?, &self.measured, |_| {})?) } else { None };
        let path = self.folder().last_model();
        let model = self.model(tally.as_ref().map(|tally| (part, tally)))?;
        model.save(&path)?;
        Ok(Outcome {
            epochs: self.position.epoch,
            steps: self.position.step,
            finished,
            seconds: start.elapsed().as_secs_f64(),
            images_per_second: meter.rate(),
            train_loss: self.mean_loss(),
            tally,
            part,
            model: path,
            weights_sha256: weights_sha256(&model.weights),
            losses,
            run: self.folder().path.clone(),
        })
    }

    fn weights(&self) -> Weights {
        self.training.variables(&[Role::Parameter, Role::Buffer])
    }

    fn inference(&self) -> Result<Inference> {
        Inference::new(self.network.clone(), &self.weights(), self.cpu.clone())
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            position: self.position,
            isa: self.cpu.isa().name().into(),
            extra: serde_json::json!({
                "sums": self.sums,
                "fingerprint": self.fingerprint,
                "recipe": recipe_hash(&self.recipe),
            }),
            state: self.training.variables(&[Role::Parameter, Role::Buffer, Role::State]),
        }
    }

    fn model(&self, measured: Option<(&str, &Tally)>) -> Result<ModelFile> {
        let weights = self.weights();
        let [c, h, w] = self.measured.shape();
        let shape = Shape::from([1, c, h, w]);
        let mut input = vec![0.0; c * h * w];
        self.measured.write(0, &mut input);
        let output = self.inference()?.run(&shape, &input)?;
        let json = |form: &Option<striate_vision::Preprocessing>| {
            serde_json::to_value(form).expect("plain data has a JSON form")
        };
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
            data: Some(Data { spec: self.recipe.data.spec.clone(), fingerprint: self.fingerprint.clone() }),
            recipe: Some(self.recipe.to_text()),
            golden: Some(Golden { input: (shape, input), output }),
            weights,
        })
    }
}

/// A fingerprint of all that a checkpoint depends on; a longer run is the same run.
fn recipe_hash(recipe: &Recipe) -> String {
    let mut recipe = recipe.clone();
    recipe.train.epochs = 1;
    sha256(recipe.to_text().as_bytes())
}

/// Images over the time spent on training steps.
#[derive(Default)]
struct Meter {
    images: usize,
    seconds: f64,
}

impl Meter {
    fn add(&mut self, images: usize, since: Instant) {
        self.images += images;
        self.seconds += since.elapsed().as_secs_f64();
    }

    fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.images as f64 / self.seconds } else { 0.0 }
    }
}
