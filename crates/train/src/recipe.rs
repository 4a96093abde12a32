//! Recipes: everything that determines the result of a training run, as TOML.

mod augmentation;
mod loss;
mod parts;
mod replacement;
mod self_organization;
mod shipped;
mod svm;
mod text;
mod transforms;

use serde::{Deserialize, Serialize};
use striate_data::{Augmentation, LONGEST_SECONDS, Medium};
use striate_graph::{Loss, Optimizer, TrainingSpec};
use striate_tensor::{Error, Result, nearest};
use striate_vision::augment::{Mixing, Operation};

pub(crate) use augmentation::{NONE, PHOTOGRAPHS, SOUNDS, TUNING};
pub use loss::{ClassWeights, LossPart};
pub use parts::{CheckpointPart, DataPart, ModelPart, OptimPart, TrainPart};
use parts::{REFUSE, SKIP};
pub use replacement::Replacement;
pub(crate) use self_organization::LayerPart;
pub use self_organization::SelfOrganizationPart;
pub(crate) use shipped::{BATCH_NORM, FINE_TUNING, NO_BATCH_NORM, PERCEPTRON, PLAIN, RBF, SMALL};
pub use shipped::{SHIPPED, ShippedRecipe, shipped};
pub use svm::SvmPart;

use crate::schedule::Schedule;
use crate::start::SHALLOWER;

/// Everything that determines the result of a training run. Every field has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// The network.
    pub model: ModelPart,
    /// The data.
    pub data: DataPart,
    /// The training loop.
    pub train: TrainPart,
    /// The loss, if not the network's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<LossPart>,
    /// Support vector machines in place of gradient descent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub svm: Option<SvmPart>,
    /// Self-organizing cells in place of gradient descent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_organization: Option<SelfOrganizationPart>,
    /// The optimizer.
    pub optim: OptimPart,
    /// The learning rate schedule.
    pub schedule: Schedule,
    /// When checkpoints are written.
    pub checkpoint: CheckpointPart,
}

impl Recipe {
    /// Checks that every field is in range.
    ///
    /// # Errors
    /// If a field is out of range; the message names it.
    pub fn check(&self) -> Result<()> {
        let momentum = self.train.batch_norm_momentum.unwrap_or(0.5);
        let sides = self.data.size.unwrap_or([1, 1]);
        let fields = [
            ((1..=1 << 20).contains(&self.train.epochs), "train.epochs must be from 1 to 1048576"),
            ((1..=1 << 20).contains(&self.train.batch), "train.batch must be from 1 to 1048576"),
            (
                self.model.batch_norm_bias.is_none_or(f32::is_finite),
                "model.batch_norm_bias must be a finite number",
            ),
            (self.train.min_batch > 0, "train.min_batch must be above 0"),
            (i64::try_from(self.train.seed).is_ok(), "train.seed must be below 2^63"),
            (is_from_zero(self.train.clip_norm), "train.clip_norm must be a finite number, 0 or more"),
            (momentum > 0.0 && momentum <= 1.0, "train.batch_norm_momentum must be above 0 and at most 1"),
            (self.optim.lr > 0.0 && self.optim.lr.is_finite(), "optim.lr must be a finite number above 0"),
            ((0.0..1.0).contains(&self.optim.momentum), "optim.momentum must be in [0, 1)"),
            (is_from_zero(self.optim.weight_decay), "optim.weight_decay must be a finite number, 0 or more"),
            ((0.0..1.0).contains(&self.optim.beta1), "optim.beta1 must be in [0, 1)"),
            ((0.0..1.0).contains(&self.optim.beta2), "optim.beta2 must be in [0, 1)"),
            (
                self.optim.epsilon > 0.0 && self.optim.epsilon.is_finite(),
                "optim.epsilon must be a finite number above 0",
            ),
            (is_from_zero(self.optim.head_factor), "optim.head_factor must be a finite number, 0 or more"),
            ((0.0..0.9).contains(&self.data.holdout), "data.holdout must be in [0, 0.9)"),
            (self.data.share > 0.0 && self.data.share <= 1.0, "data.share must be above 0 and at most 1"),
            (
                sides.iter().all(|side| (1..=1 << 14).contains(side)),
                "data.size must be a height and a width from 1 to 16384",
            ),
            (
                self.data.mean.as_ref().map(Vec::len) == self.data.std.as_ref().map(Vec::len),
                "data.mean and data.std must have the same number of values",
            ),
            (
                self.data.mean.iter().flatten().all(|mean| mean.is_finite())
                    && self.data.std.iter().flatten().all(|std| *std > 0.0 && std.is_finite()),
                "data.mean must be finite, data.std above 0",
            ),
            (self.data.max_pixels != Some(0), "data.max_pixels must be 1 or more"),
            (self.checkpoint.every_seconds >= 0.0, "checkpoint.every_seconds must be 0 or more"),
        ];
        if let Some((_, rule)) = fields.iter().find(|(holds, _)| !holds) {
            return Err(Error::input(format!("recipe: {rule}")));
        }
        if let Some(start) = self.model.start.as_deref().filter(|start| *start != SHALLOWER) {
            return Err(unknown("model.start", start, &[SHALLOWER]));
        }
        self.check_loop()?;
        self.check_encoding()?;
        if ![REFUSE, SKIP].contains(&self.data.unreadable.as_str()) {
            return Err(unknown("data.unreadable", &self.data.unreadable, &[REFUSE, SKIP]));
        }
        self.loss.iter().try_for_each(LossPart::check).map_err(|e| e.at("recipe"))?;
        let has_weights = self.loss.as_ref().is_some_and(|part| part.class_weights.is_some());
        if self.has_soft_targets()
            && let Some(LossPart { loss, .. }) = &self.loss
            && !matches!(loss, Loss::CrossEntropy { .. })
        {
            let field = if has_weights { "loss.class_weights" } else { "data.mixup or data.cutmix" };
            let name = loss.name();
            return Err(Error::input(format!("recipe: {field}: needs the loss cross_entropy, not {name}")));
        }
        self.mixings().iter().try_for_each(Mixing::check).map_err(|e| e.at("recipe"))?;
        self.optimizer()?;
        self.augmentation(USUAL_SIZE)?;
        self.schedule.check()?;
        self.check_features()?;
        self.check_replacement().map_err(|e| e.at("recipe"))
    }

    /// Checks the features that take the place of pixels.
    fn check_features(&self) -> Result<()> {
        let Some(features) = &self.data.features else { return Ok(()) };
        features.check().map_err(|e| e.at("recipe: data.features"))?;
        let mixes = self.data.mixup > 0.0 || self.data.cutmix > 0.0;
        for (field, is_set) in
            [("data.mean and data.std", self.data.mean.is_some()), ("data.mixup and data.cutmix", mixes)]
        {
            if is_set {
                let what =
                    format!("recipe: {field} are for pixels, but data.features replaces them; omit one");
                return Err(Error::input(what));
            }
        }
        Ok(())
    }

    /// Returns the number of epochs; without gradient descent, it is one.
    pub fn epochs(&self) -> u64 {
        if self.replacement().is_some() { 1 } else { self.train.epochs }
    }

    /// Returns the number of images of a step; without gradient descent, each image is one.
    pub(crate) fn step_images(&self) -> usize {
        match self.replacement() {
            Some(_) => 1,
            None => self.train.batch.saturating_mul(self.train.accumulate as usize),
        }
    }

    /// Whether unreadable images are skipped instead of refused.
    pub fn skips_unreadable(&self) -> bool {
        self.data.unreadable == SKIP
    }

    /// Whether images are mixed during training, and how: each batch in one of these ways.
    pub fn mixings(&self) -> Vec<Mixing> {
        let (mixup, cutmix) = (self.data.mixup, self.data.cutmix);
        let mixup = (mixup > 0.0).then_some(Mixing::MixUp { alpha: mixup });
        mixup.into_iter().chain((cutmix > 0.0).then_some(Mixing::CutMix { alpha: cutmix })).collect()
    }

    /// Whether training needs a target for each class instead of labels.
    pub(crate) fn has_soft_targets(&self) -> bool {
        !self.mixings().is_empty() || self.loss.as_ref().is_some_and(|part| part.class_weights.is_some())
    }

    /// The training step of this recipe.
    ///
    /// # Errors
    /// If the optimizer is unknown.
    pub fn spec(&self) -> Result<TrainingSpec> {
        Ok(TrainingSpec {
            loss: self.loss.as_ref().map(|part| part.loss),
            clip_norm: (self.train.clip_norm > 0.0).then_some(self.train.clip_norm),
            head_rate: self.optim.head_factor,
            rates: self.optim.rates.clone().into_iter().collect(),
            frozen: self.train.freeze.clone(),
            decays_norms: self.optim.decay_norms,
            average: (self.train.ema > 0.0).then_some(self.train.ema),
            in_parts: self.train.accumulate > 1,
            soft_targets: self.has_soft_targets(),
            ..TrainingSpec::new(self.optimizer()?)
        })
    }

    fn optimizer(&self) -> Result<Optimizer> {
        let OptimPart { momentum, nesterov, weight_decay, beta1, beta2, epsilon, decay, trust, .. } =
            self.optim;
        let nesterov = nesterov && momentum > 0.0;
        let adam = |decoupled| Optimizer::Adam { beta1, beta2, epsilon, weight_decay, decoupled };
        match self.optim.name.as_str() {
            "sgd" => Ok(Optimizer::Sgd { momentum, nesterov, weight_decay }),
            "adam" => Ok(adam(false)),
            "adamw" => Ok(adam(true)),
            "rmsprop" => Ok(Optimizer::RmsProp { decay, epsilon, momentum, weight_decay }),
            "lars" => Ok(Optimizer::Lars { momentum, nesterov, weight_decay, trust }),
            other => Err(unknown("optim.name", other, &["sgd", "adam", "adamw", "rmsprop", "lars"])),
        }
    }

    /// Checks the fields about the encoding of sounds and texts.
    fn check_encoding(&self) -> Result<()> {
        let data = &self.data;
        let medium = Medium::of(&data.spec);
        let fields = [
            ("sample_rate", Medium::Sound, data.sample_rate.is_some()),
            ("seconds", Medium::Sound, data.seconds.is_some()),
            ("mels", Medium::Sound, data.mels.is_some()),
            ("length", Medium::Text, data.length.is_some()),
            ("alphabet", Medium::Text, data.alphabet.is_some()),
            ("size", Medium::Image, data.size.is_some()),
        ];
        if let Some((field, own, _)) = fields.iter().find(|(_, own, is_given)| *is_given && *own != medium) {
            let instead = match (own, medium) {
                (Medium::Image, Medium::Sound) => {
                    "; data.seconds and data.mels set the size of sounds".into()
                }
                (Medium::Image, Medium::Text) => "; data.length sets the size of texts".into(),
                _ => format!(", but data.spec is {}; omit it", data.spec),
            };
            return Err(Error::input(format!("recipe: data.{field} applies to {}s{instead}", own.name())));
        }
        if data.length == Some(0) {
            return Err(Error::input("recipe: data.length must be 1 or more"));
        }
        if data.alphabet.as_deref() == Some("") {
            return Err(Error::input("recipe: data.alphabet must have a character"));
        }
        let most = f64::from(LONGEST_SECONDS);
        match data.seconds.is_none_or(|seconds| seconds > 0.0 && seconds <= most) {
            true => Ok(()),
            false => Err(Error::input(format!("recipe: data.seconds must be above 0 and at most {most}"))),
        }
    }

    /// Checks the newer fields of the loop and the optimizer.
    fn check_loop(&self) -> Result<()> {
        let (train, optim) = (&self.train, &self.optim);
        let fields = [
            ((0.0..1.0).contains(&train.ema), "train.ema must be in [0, 1)"),
            ((1..=1 << 20).contains(&train.accumulate), "train.accumulate must be from 1 to 1048576"),
            (train.freeze.len() <= MOST_PATTERNS, "train.freeze must have at most 256 patterns"),
            (optim.rates.len() <= MOST_PATTERNS, "optim.rates must have at most 256 patterns"),
            (
                optim.rates.values().all(|factor| is_from_zero(*factor)),
                "the factors of optim.rates must be finite numbers, 0 or more",
            ),
            ((0.0..1.0).contains(&optim.decay), "optim.decay must be in [0, 1)"),
            (optim.trust > 0.0 && optim.trust.is_finite(), "optim.trust must be a finite number above 0"),
            (
                self.data.mixup >= 0.0 && self.data.cutmix >= 0.0,
                "data.mixup and data.cutmix must be 0 or more",
            ),
        ];
        match fields.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(Error::input(format!("recipe: {rule}"))),
            None => Ok(()),
        }
    }

    /// The augmentation of this recipe for images of height and width `size`.
    ///
    /// # Errors
    /// If it is unknown, or there are also transforms.
    pub fn augmentation(&self, size: [usize; 2]) -> Result<Augmentation> {
        if !self.data.transforms.is_empty() {
            if self.data.augment != NONE {
                let what = "data.transforms is the whole augmentation; omit data.augment, or set it to none";
                return Err(Error::input(what));
            }
            for (index, transform) in self.data.transforms.0.iter().enumerate() {
                transform.operation().check().map_err(|e| e.at(format!("data.transforms[{index}]")))?;
            }
            self.data.transforms.check().map_err(|e| e.at("data.transforms"))?;
            return Ok(Augmentation::Transforms(self.data.transforms.clone()));
        }
        augmentation::named(&self.data.augment, size)
    }

    /// Whether original images are augmented, before they are resized.
    pub fn augments_originals(&self) -> bool {
        matches!(self.augmentation(USUAL_SIZE), Ok(Augmentation::Transforms(_)))
    }
}

/// A size that any augmentation fits.
const USUAL_SIZE: [usize; 2] = [224; 2];

/// Limit on the patterns that select parameters.
const MOST_PATTERNS: usize = 256;

fn is_from_zero(number: f32) -> bool {
    number >= 0.0 && number.is_finite()
}

pub(crate) fn unknown(field: &str, word: &str, known: &[&str]) -> Error {
    let hint = match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("choose from {}", known.join(", ")),
    };
    Error::input(format!("{field}: unknown {word}; {hint}"))
}
