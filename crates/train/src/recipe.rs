//! Recipes: everything that determines the result of a training run, as TOML.

mod augmentation;
mod shipped;
mod text;

use serde::{Deserialize, Serialize};
use striate_data::Augmentation;
use striate_graph::{Init, Loss, Optimizer, TrainingSpec};
use striate_tensor::{Error, Result, nearest};
use striate_vision::augment::{Compose, Operation};

pub(crate) use augmentation::{NONE, PHOTOGRAPHS, TUNING};
pub(crate) use shipped::{BATCH_NORM, FINE_TUNING, NO_BATCH_NORM, PLAIN, RBF, SMALL};
pub use shipped::{SHIPPED, ShippedRecipe, shipped};

use crate::schedule::Schedule;

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
    pub loss: Option<Loss>,
    /// The optimizer.
    pub optim: OptimPart,
    /// The learning rate schedule.
    pub schedule: Schedule,
    /// When checkpoints are written.
    pub checkpoint: CheckpointPart,
}

// Newer fields are omitted from the text at their defaults: a run's checkpoints contain a hash of that
// text, and runs of earlier versions must remain resumable.

/// The network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelPart {
    /// A name of `striate models`, or a `.toml`, `.safetensors` or `.onnx` file.
    pub name: String,
    /// The initialization, if not the network's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
    /// The initial bias of all batch norms, if not the network's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_norm_bias: Option<f32>,
}

/// The data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataPart {
    /// The data set.
    pub spec: String,
    /// Whether each epoch has its own order.
    pub shuffle: bool,
    /// Augmentation: `none`, `shift` (up to 2 pixels), `affine` (small rotations, scales, shears, shifts),
    /// `small-images`, `photographs` or `fine-tuning`.
    pub augment: String,
    /// Share of the training images held out as validation set, if the data has none.
    pub holdout: f64,
    /// Height and width to which images are resized, if not the network's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// Mean that is subtracted from each channel, of values in [0, 1], if not that of the training images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<Vec<f32>>,
    /// Standard deviation by which each channel is then divided, if not that of the training images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std: Option<Vec<f32>>,
    /// How to handle images that cannot be read: `refuse` or `skip`.
    #[serde(skip_serializing_if = "is_refuse")]
    pub unreadable: String,
    /// Limit on the pixels of an image file, if not the default of 64 Mi.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_pixels: Option<u64>,
    /// Augmentation as a list of transforms, under torchvision's names and with its parameters.
    #[serde(skip_serializing_if = "Compose::is_empty")]
    pub transforms: Compose,
}

/// The training loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainPart {
    /// Epochs.
    pub epochs: u64,
    /// Batch size.
    pub batch: usize,
    /// Seed of initial weights, order, augmentation and dropout.
    pub seed: u64,
    /// Limit on the norm of all gradients; 0 for none.
    pub clip_norm: f32,
    /// Desired number of steps per epoch: the batch size is halved, down to `min_batch`, until it is reached. 0 keeps
    /// the batch size.
    #[serde(skip_serializing_if = "is_zero")]
    pub steps_per_epoch: u64,
    /// Smallest batch size that `steps_per_epoch` leads to.
    #[serde(skip_serializing_if = "is_min_batch")]
    pub min_batch: usize,
    /// Momentum of the running statistics of batch norms (the weight of the new batch), if not the network's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_norm_momentum: Option<f32>,
}

/// The optimizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimPart {
    /// `sgd`, `adam` or `adamw`.
    pub name: String,
    /// Peak learning rate.
    pub lr: f32,
    /// Number of inputs up to which `lr` suits a layer. For a network in which a layer has more, the rate is divided by
    /// the square root of the ratio. 0 keeps the rate.
    #[serde(skip_serializing_if = "is_zero")]
    pub lr_inputs: u64,
    /// Momentum (sgd).
    pub momentum: f32,
    /// Whether momentum is Nesterov's (sgd).
    pub nesterov: bool,
    /// Weight decay.
    pub weight_decay: f32,
    /// Decay of the first moment (adam).
    pub beta1: f32,
    /// Decay of the second moment (adam).
    pub beta2: f32,
    /// Added to the root of the second moment (adam).
    pub epsilon: f32,
    /// Factor on the learning rate of the last layer.
    #[serde(skip_serializing_if = "is_one")]
    pub head_factor: f32,
}

/// When checkpoints are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointPart {
    /// Seconds between checkpoints; another one is written at the end of each call.
    pub every_seconds: f64,
    /// Number of checkpoints to keep.
    pub keep: usize,
}

impl Default for ModelPart {
    fn default() -> Self {
        ModelPart { name: "lenet5".into(), init: None, batch_norm_bias: None }
    }
}

impl Default for DataPart {
    fn default() -> Self {
        DataPart {
            spec: "digits".into(),
            shuffle: true,
            augment: "none".into(),
            holdout: 0.05,
            size: None,
            mean: None,
            std: None,
            unreadable: REFUSE.into(),
            max_pixels: None,
            transforms: Compose::default(),
        }
    }
}

impl Default for TrainPart {
    fn default() -> Self {
        TrainPart {
            epochs: 12,
            batch: 64,
            seed: 0,
            clip_norm: 0.0,
            steps_per_epoch: 0,
            min_batch: MIN_BATCH,
            batch_norm_momentum: None,
        }
    }
}

impl Default for OptimPart {
    fn default() -> Self {
        OptimPart {
            name: "sgd".into(),
            lr: 0.05,
            lr_inputs: 0,
            momentum: 0.9,
            nesterov: true,
            weight_decay: 5e-4,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            head_factor: 1.0,
        }
    }
}

impl Default for CheckpointPart {
    fn default() -> Self {
        CheckpointPart { every_seconds: 60.0, keep: 2 }
    }
}

/// The values of `data.unreadable` that refuse and skip unreadable images.
const REFUSE: &str = "refuse";
const SKIP: &str = "skip";

fn is_refuse(word: &str) -> bool {
    word == REFUSE
}

/// The default of `train.min_batch`.
const MIN_BATCH: usize = 8;

fn is_min_batch(batch: &usize) -> bool {
    *batch == MIN_BATCH
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_one(number: &f32) -> bool {
    *number == 1.0
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
        if ![REFUSE, SKIP].contains(&self.data.unreadable.as_str()) {
            return Err(unknown("data.unreadable", &self.data.unreadable, &[REFUSE, SKIP]));
        }
        self.loss.iter().try_for_each(Loss::check).map_err(|e| e.at("recipe"))?;
        self.optimizer()?;
        self.augmentation(USUAL_SIZE)?;
        self.schedule.check()
    }

    /// Whether unreadable images are skipped instead of refused.
    pub fn skips_unreadable(&self) -> bool {
        self.data.unreadable == SKIP
    }

    /// The training step of this recipe.
    ///
    /// # Errors
    /// If the optimizer is unknown.
    pub fn spec(&self) -> Result<TrainingSpec> {
        let clip_norm = (self.train.clip_norm > 0.0).then_some(self.train.clip_norm);
        let head_rate = self.optim.head_factor;
        Ok(TrainingSpec { loss: self.loss, clip_norm, head_rate, ..TrainingSpec::new(self.optimizer()?) })
    }

    fn optimizer(&self) -> Result<Optimizer> {
        let OptimPart { momentum, nesterov, weight_decay, beta1, beta2, epsilon, .. } = self.optim;
        let adam = |decoupled| Optimizer::Adam { beta1, beta2, epsilon, weight_decay, decoupled };
        match self.optim.name.as_str() {
            "sgd" => Ok(Optimizer::Sgd { momentum, nesterov: nesterov && momentum > 0.0, weight_decay }),
            "adam" => Ok(adam(false)),
            "adamw" => Ok(adam(true)),
            other => Err(unknown("optim.name", other, &["sgd", "adam", "adamw"])),
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
