//! Resumes a run from its checkpoints.

use std::path::Path;
use std::sync::Arc;

use striate_data::{CifarKind, Dataset, Inventory, Spec};
use striate_engine::Device;
use striate_formats::{Checkpoint, Checkpoints, Position, sha256};
use striate_graph::{Network, Role};
use striate_tensor::{Error, Result};

use crate::metrics::{METRICS, read_metrics};
use crate::recorded::{Recorded, refuse_changed_data};
use crate::run::{RECIPE, RunFolder};
use crate::session::Session;
use crate::state::RunState;
use crate::{Limits, Observer, Recipe, Settings, Trainer};

impl Trainer {
    /// Opens the run in the folder `run` at its last checkpoint. `epochs` replaces the number of epochs;
    /// `load` loads the data for a recipe and the run's network.
    ///
    /// # Errors
    /// If the folder does not contain a run, its data has changed, or its last checkpoint is damaged.
    pub fn resume(
        run: &Path,
        epochs: Option<u64>,
        load: impl FnOnce(&Recipe, &Network) -> Result<Dataset>,
        device: impl Into<Arc<dyn Device>>,
        limits: Limits,
        observer: &mut dyn Observer,
    ) -> Result<Trainer> {
        let (folder, mut recipe, network) = RunFolder::open(run)?;
        let metrics = run.join(METRICS);
        // A link is replaced, never followed.
        if metrics.is_file() && !metrics.is_symlink() {
            read_metrics(run)?;
        }
        if let Some(method) = recipe.replacement().filter(|_| epochs.is_some()) {
            return Err(method.without_effect("train.epochs").at("--epochs"));
        }
        let before = recipe.train.epochs;
        let longer = epochs.filter(|epochs| *epochs != before);
        if let Some(epochs) = longer {
            recipe.train.epochs = epochs;
            recipe.check()?;
        }
        let mut dataset = load(&recipe, &network).map_err(|e| relative_data(e, &recipe, run))?;
        let keep = recipe.checkpoint.keep;
        let name = run.join("recipe.toml").display().to_string();
        let settings = Settings { name, reason: "recipe of the resumed run".into(), ..recipe.into() };
        let checkpoint = Checkpoints::new(run, keep).latest()?;
        if let Some(checkpoint) = &checkpoint {
            let then = checkpoint.extra["fingerprint"].as_str().unwrap_or_default();
            refuse_changed_data(run, then, &mut dataset, "; restore it, or start a new run")?;
        }
        let is_new = checkpoint.is_none();
        let inventory = is_new.then(|| Inventory::of(&dataset));
        let session = Session::fitted(settings, network, dataset, device.into(), true)?;
        let mut trainer = Trainer::new(session, folder);
        if is_new && trainer.folder.last_model().exists() {
            return Err(Error::input(format!(
                "{}: has a trained model, but its checkpoints are missing, so there is nothing to resume; train anew with \
                 --recipe {}",
                run.display(),
                run.join("recipe.toml").display()
            )));
        }
        if let Some(inventory) = inventory {
            let fingerprint = trainer.session.fingerprint.clone();
            trainer.folder.write_data(&Recorded { fingerprint, inventory })?;
        }
        if let Some(checkpoint) = checkpoint {
            trainer.restore(checkpoint, run, limits, observer)?;
        }
        let method = trainer.session.recipe().replacement();
        if let Some(method) = method.filter(|_| !is_new && trainer.position.step == 0) {
            observer.note(&format!("{} are not trained in steps: training starts over", method.name()));
        }
        if trainer.position.step > trainer.steps() {
            let Position { epoch, batch, .. } = trainer.position;
            return Err(Error::input(format!(
                "{}: --epochs {} is too low; the run needs at least {}",
                run.display(),
                trainer.session.recipe().train.epochs,
                epoch + u64::from(batch > 0)
            )));
        }
        let patience = trainer.session.recipe().train.patience;
        if longer.is_some() && trainer.state.has_stopped(patience) {
            return Err(Error::input(format!(
                "{}: early stopping ended the run (train.patience = {patience}), so more epochs have no effect; start a \
                 new run with a larger train.patience",
                run.display()
            )));
        }
        if let Some(epochs) = longer {
            trainer.folder.write_recipe(trainer.session.recipe())?;
            observer
                .note(&format!("epochs: {epochs} instead of {before}; a new schedule starts at this step"));
        }
        if is_new {
            observer.note("no checkpoint yet: training starts at step 0");
        }
        Ok(trainer)
    }

    fn restore(
        &mut self,
        checkpoint: Checkpoint,
        run: &Path,
        limits: Limits,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let here = self.session.device.arithmetic();
        // Checkpoints of earlier versions name only the instruction set.
        let made = match checkpoint.arithmetic.contains(' ') {
            true => checkpoint.arithmetic.clone(),
            false => format!("cpu {} f32", checkpoint.arithmetic),
        };
        let other = (made != here).then(|| {
            format!("the checkpoint was computed by {made}, but this run uses {here}: results will not be bit-identical")
        });
        if let Some(what) = other.as_ref().filter(|_| !limits.any_isa) {
            let [made, here] = [&made, &here].map(|arithmetic| arithmetic.split(' ').collect::<Vec<_>>());
            let same = match (made[0], here[0]) {
                (device, other) if device != other => format!(", or use --device {device}"),
                _ if made.last() != here.last() => format!(", or use --precision {}", made[made.len() - 1]),
                ("cpu", _) => format!(", or set STRIATE_ISA={}", made[1]),
                _ => String::new(),
            };
            return Err(Error::input(format!("{what}; allow it with --any-isa{same}")));
        }
        let extra = checkpoint.extra;
        if extra["recipe"] != serde_json::json!(recipe_hash(self.session.recipe())) {
            let path = run.join("recipe.toml");
            return Err(Error::input(format!(
                "{}: the recipe has changed since the checkpoint was written; only --epochs may change",
                path.display()
            )));
        }
        let state: RunState = serde_json::from_value(extra["sums"].clone())
            .map_err(|e| Error::input(format!("the checkpoint's figures are unreadable: {e}")))?;
        self.state = state.over_images(self.session.recipe().train.batch);
        self.check_position(&checkpoint.position)?;
        let missing = self.session.training.infos().find(|info| {
            !matches!(info.role, Role::Gradient | Role::Total) && !checkpoint.state.contains_key(&info.name)
        });
        if let Some(info) = missing {
            return Err(Error::input(format!("the checkpoint lacks {}", info.name)));
        }
        self.session.training.set_variables(&checkpoint.state)?;
        self.position = checkpoint.position;
        other.iter().for_each(|what| observer.note(what));
        Ok(())
    }

    /// Refuses a position or a count of images that no run with this recipe and these data reaches.
    fn check_position(&self, position: &Position) -> Result<()> {
        let Position { seed, epoch, batch, step } = *position;
        let (session, recipe) = (&self.session, self.session.recipe());
        let (batches, accumulate) = (session.batches.count(), recipe.train.accumulate);
        let steps = epoch.checked_mul(session.steps_per_epoch());
        let steps = steps.and_then(|steps| steps.checked_add(batch / accumulate));
        let is_whole = batch < batches && batch % accumulate == 0;
        let fits = seed == recipe.train.seed && is_whole && steps == Some(step);
        // A small last batch joins the one before it.
        let most_images = batches.saturating_mul(2 * recipe.train.batch as u64);
        match fits && self.state.epoch_images <= most_images {
            true => Ok(()),
            false => Err(Error::input(format!(
                "the checkpoint's position does not belong to this run: step {step} as batch {batch} of epoch {epoch} \
                 with seed {seed}"
            ))),
        }
    }

    /// The state of the run.
    ///
    /// # Errors
    /// If the last update has made a variable non-finite, so that earlier checkpoints are kept.
    pub(crate) fn checkpoint(&self) -> Result<Checkpoint> {
        let state = self.session.training.variables(&[Role::Parameter, Role::Buffer, Role::State])?;
        let overflown = state.iter().filter(|(_, (_, values))| values.iter().any(|value| !value.is_finite()));
        if let Some(name) = overflown.map(|(name, _)| name).min() {
            let step = self.position.step.saturating_sub(1);
            return Err(self.non_finite(step, &format!("the updated {name}")));
        }
        Ok(Checkpoint {
            position: self.position,
            arithmetic: self.session.device.arithmetic(),
            extra: serde_json::json!({
                "sums": self.state,
                "fingerprint": self.session.fingerprint,
                "recipe": recipe_hash(self.session.recipe()),
            }),
            state,
        })
    }
}

/// A hash of everything that a checkpoint depends on, which excludes the number of epochs.
fn recipe_hash(recipe: &Recipe) -> String {
    let mut recipe = recipe.clone();
    recipe.train.epochs = 1;
    sha256(recipe.to_text().as_bytes())
}

/// Explains the error about data that the recipe of the run in `run` specifies by a relative path.
fn relative_data(error: Error, recipe: &Recipe, run: &Path) -> Error {
    let spec = &recipe.data.spec;
    let is_path = |form: &&str| ["npy", "idx", "list"].contains(form) || CifarKind::find(form).is_some();
    let path = match spec.split_once(':').filter(|(form, _)| is_path(form)) {
        Some((_, path)) => Path::new(path),
        None => Path::new(spec),
    };
    let is_built_in = matches!(Spec::parse(spec), Ok(Spec::Digits | Spec::Mnist(_) | Spec::Cifar(_, None)));
    if is_built_in || path.is_absolute() || path.exists() {
        return error;
    }
    let advice = "its relative path starts from the folder in which the run was started; resume from there";
    error.advising(advice).at(run.join(RECIPE).display())
}
