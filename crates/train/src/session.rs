//! A session: a network, the data and a recipe, fitted to each other, and ready for training steps.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use striate_data::{Batch, Dataset, Loader, Order, Sampling};
use striate_engine::{Clock, Device, PlanReport, Training};
use striate_formats::{Position, Weights, fit};
use striate_graph::{Network, Op, Role};
use striate_tensor::{Error, Result, Shape, zeroed};

use crate::Recipe;
use crate::fitting::{Batches, Changes, Parts, adapt, in_training, normalize};
use crate::meter::Meter;
use crate::mixing::Mixer;
use crate::norms::norms;
use crate::recipe::Replacement;
use crate::settings::Settings;
use crate::start::{SHALLOWER, from_shallower};
use crate::step::{Step, targets};
use crate::summary::{DataSummary, NetworkSummary, RecipeSummary, Summary, WithoutDescent, joined};

/// A network, the data and a recipe, fitted to each other, and ready for training steps. Has no run folder.
pub struct Session {
    pub(crate) settings: Settings,
    pub(crate) network: Network,
    pub(crate) dataset: Dataset,
    pub(crate) device: Arc<dyn Device>,
    pub(crate) training: Training,
    pub(crate) parts: Parts,
    pub(crate) batches: Batches,
    pub(crate) fingerprint: String,
    pub(crate) mixer: Option<Mixer>,
    /// Changes made to the network, one line each.
    changes: Changes,
    /// The file of the initial weights.
    weights_file: Option<String>,
}

impl Session {
    /// Fits network, data and recipe to each other. `weights`, with their file, replace the initial weights, except
    /// those of a last layer for another number of classes.
    ///
    /// # Errors
    /// If network, data and recipe do not match.
    pub fn new(
        settings: impl Into<Settings>,
        network: Network,
        dataset: Dataset,
        weights: Option<(&Path, Weights)>,
        device: impl Into<Arc<dyn Device>>,
    ) -> Result<Session> {
        let mut session = Session::fitted(settings.into(), network, dataset, device.into(), false)?;
        if let Some(method) = session.recipe().replacement() {
            session.check_method(method, weights.is_some())?;
        }
        if let Some((file, weights)) = weights {
            let place = |e: Error| e.at(file.display());
            if session.recipe().model.start.as_deref() == Some(SHALLOWER) {
                let (started, line) = from_shallower(&session.network, &weights).map_err(place)?;
                session.changes.lines.push(line);
                session.training.set_variables(&started)?;
            } else {
                let fitted = fit(&session.network, weights).map_err(place)?;
                session.changes.lines.extend(fitted.notes);
                session.training.set_variables(&fitted.weights)?;
            }
            session.weights_file = Some(file.display().to_string());
        }
        Ok(session)
    }

    /// As [`Session::new`]; the recipe of a resumed run already has the values that rules set.
    pub(crate) fn fitted(
        mut settings: Settings,
        mut network: Network,
        mut dataset: Dataset,
        device: Arc<dyn Device>,
        is_resumed: bool,
    ) -> Result<Session> {
        settings.check()?;
        normalize(&mut dataset, &settings.recipe)?;
        let fingerprint = dataset.fingerprint()?;
        let parts = Parts::new(&mut dataset, &settings.recipe)?;
        let image = parts.train.shape();
        parts.augmented(&settings.recipe)?;
        let changes = adapt(&mut network, &settings.recipe, image, dataset.classes.len())?;
        let has_steps = settings.recipe.replacement().is_none();
        if !is_resumed && has_steps {
            settings.fit_to(parts.train.len(), &network)?;
        }
        let recipe = &settings.recipe;
        refuse_without_validation(recipe, &parts)?;
        let batches = match has_steps {
            false => Batches::single(parts.train.len()),
            true => Batches::new(parts.train.len(), recipe.train.batch, &network)?,
        };
        let mixer = Mixer::new(recipe, parts.train.labels(), dataset.classes.len())?;
        let (spec, seed) = (recipe.spec()?, recipe.train.seed);
        let shape = network.batch_shape(batches.len(0), image);
        let training = Training::new(in_training(&network, recipe), spec, &shape, seed, device.clone())?;
        refuse_parts_of_batch_norms(recipe, &network, &training)?;
        Ok(Session {
            fingerprint,
            weights_file: None,
            settings,
            network,
            dataset,
            device,
            training,
            parts,
            batches,
            mixer,
            changes,
        })
    }

    /// Returns what a run is about to do.
    ///
    /// # Errors
    /// If the network cannot be trained on a batch of the data.
    pub fn summary(&mut self) -> Result<Summary> {
        let method = self.recipe().replacement();
        let without_descent = match method {
            Some(method) => {
                Some(WithoutDescent { method: method.description().into(), features: self.feature_count()? })
            }
            None => None,
        };
        let memory_bytes = match without_descent {
            Some(_) => self.feature_bytes()?,
            None => {
                self.training.peak_bytes(&self.batches.largest(&self.network, self.parts.train.shape()))?
            }
        };
        let mut changes = self.changes.lines.clone();
        if self.weights_file.is_none() {
            changes.extend(self.changes.init.clone());
        }
        changes.extend(joined(self.batches));
        Ok(Summary {
            data: DataSummary::new(&self.settings, &self.dataset, &self.parts),
            network: NetworkSummary::new(&self.network, self.weights_file.clone(), changes)?,
            recipe: RecipeSummary::new(&self.settings),
            steps_per_epoch: self.steps_per_epoch(),
            steps: self.steps(),
            memory_bytes,
            without_descent,
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
        let shape = self.shape(count);
        let mut images = zeroed(shape.checked_len()?)?;
        self.parts.train.write_all(0, &mut images)?;
        let mut batch = Batch { images, labels: self.parts.train.labels()[..count].to_vec() };
        let soft = self.mix(&mut batch, 0);
        let targets = targets(&batch, soft.as_deref());
        let plan = self.training.profile(&shape, &batch.images, targets, (steps, limit), clock)?;
        Ok((plan, count))
    }

    /// Returns the norm of the gradient of each layer's parameters on the first batch, with the initial weights. Ends
    /// with a step at a learning rate of 0, so that the session can still be trained.
    ///
    /// # Errors
    /// If the network cannot be trained on a batch of the data.
    pub fn gradient_norms(&mut self) -> Result<BTreeMap<String, f64>> {
        let mut loader = self.loader(0, 0);
        let position = Position { seed: self.settings.recipe.train.seed, epoch: 0, batch: 0, step: 0 };
        match self.step(&mut loader, &mut Meter::default(), &position, 0.0)? {
            Step::Done { .. } => norms(&self.training, Role::Gradient),
            Step::NonFinite(place) => Err(Error::failed(format!("the first step is not finite in {place}"))),
            Step::NotBegun(error) => Err(error),
        }
    }

    /// Returns the plan of the network for features and scores, if it is trained without gradient descent.
    ///
    /// # Errors
    /// If the network does not fit the device.
    pub fn plan_without_descent(&self) -> Result<Option<PlanReport>> {
        self.recipe().replacement().map(|_| self.feature_plan()).transpose()
    }

    /// Returns the number of steps of an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.batches.count().div_ceil(self.settings.recipe.train.accumulate)
    }

    /// Returns the total number of steps.
    pub fn steps(&self) -> u64 {
        self.steps_per_epoch() * self.settings.recipe.epochs()
    }

    /// Returns the recipe, with rules applied.
    pub fn recipe(&self) -> &Recipe {
        &self.settings.recipe
    }

    /// Returns the network, adapted to the data.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The shape of a batch of `count` images.
    pub(crate) fn shape(&self, count: usize) -> Shape {
        self.network.batch_shape(count, self.parts.train.shape())
    }

    /// The batches from this one on, in all epochs.
    pub(crate) fn loader(&self, epoch: u64, batch: u64) -> Loader {
        let recipe = &self.settings.recipe;
        let [_, h, w] = self.parts.train.shape();
        let sampling = Sampling {
            batch: recipe.train.batch,
            min_last: self.batches.min_last,
            order: if recipe.data.shuffle { Order::Shuffled(recipe.train.seed) } else { Order::AsStored },
            augmentation: recipe.augmentation([h, w]).expect("was checked with the recipe"),
            seed: recipe.train.seed,
        };
        Loader::new(self.parts.train.clone(), sampling, epoch, batch)
    }
}

/// Refuses what needs validation images when none are held out.
fn refuse_without_validation(recipe: &Recipe, parts: &Parts) -> Result<()> {
    let method = recipe.replacement().map_or("", Replacement::name);
    let calibrated = format!("the scores of {method} are calibrated on validation images");
    let needs = [
        ("train.patience needs a validation loss", recipe.train.patience > 0),
        ("schedule.name = plateau needs a validation loss", recipe.schedule.is_plateau()),
        (calibrated.as_str(), recipe.replacement().is_some()),
    ];
    match needs.into_iter().find(|(_, needs)| *needs && parts.watched.is_none()) {
        Some((what, _)) => {
            Err(Error::input(format!("{what}, but no images are held out; raise data.holdout")))
        }
        None => Ok(()),
    }
}

/// Refuses parts of a batch for a network with batch norms, whose statistics would be those of a part, unless the
/// recipe allows them or the norms are frozen.
fn refuse_parts_of_batch_norms(recipe: &Recipe, network: &Network, training: &Training) -> Result<()> {
    let count = recipe.train.accumulate;
    if count == 1 || recipe.train.accumulate_batch_norm {
        return Ok(());
    }
    let is_trained = |name: &str| {
        let gradients = ["weight", "bias"].map(|variable| format!("gradient.{name}.{variable}"));
        training.infos().any(|info| gradients.contains(&info.name))
    };
    let mut norms = network.layers.iter().filter(|layer| matches!(layer.op, Op::BatchNorm(_)));
    match norms.find(|layer| is_trained(&layer.name)) {
        Some(layer) => Err(Error::input(format!(
            "train.accumulate = {count}: the batch norm {} would normalize each of the {count} parts of a batch by itself; \
             allow this with train.accumulate_batch_norm = true",
            layer.name
        ))),
        None => Ok(()),
    }
}
