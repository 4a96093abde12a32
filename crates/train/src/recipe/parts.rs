//! The tables of a recipe, with their defaults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use striate_graph::Init;
use striate_tensor::preprocessing::Features;
use striate_vision::augment::Compose;

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
    /// How given weights are used, if they are not those of the network: `shallower` gives each of their layers to
    /// the next layer of the same shape, as VGG's deeper networks start from A.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
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
    /// `small-images`, `photographs`, `fine-tuning` or `sounds`.
    pub augment: String,
    /// Share of the training images held out as validation set, if the data has none.
    pub holdout: f64,
    /// Share of the training images of each class that are used, chosen by the seed.
    #[serde(skip_serializing_if = "is_whole")]
    pub share: f64,
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
    /// Samples per second of sounds, if not 8,000 for waveforms and 16,000 for spectrograms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// Length of sounds in seconds, if not the one that 95 % of the training sounds do not exceed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Bands of spectrograms, if not 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mels: Option<usize>,
    /// Number of characters that are used of each text, if not the network's own length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// The characters of texts that have a plane, if not the most frequent ones of the training texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alphabet: Option<String>,
    /// Augmentation as a list of transforms, under torchvision's names and with its parameters.
    #[serde(skip_serializing_if = "Compose::is_empty")]
    pub transforms: Compose,
    /// Mixes each batch's images by weighted means (mixup), with this parameter of the beta distribution of the
    /// weights; 0 for not. With `cutmix` too, each batch is mixed in one of the two ways.
    #[serde(skip_serializing_if = "is_none")]
    pub mixup: f64,
    /// Mixes each batch's images by rectangles (cutmix), with this parameter of the beta distribution of their areas;
    /// 0 for not.
    #[serde(skip_serializing_if = "is_none")]
    pub cutmix: f64,
    /// Hand-made features that take the place of the pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Features>,
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
    /// Ends the run after this many epochs without a lower validation loss; 0 for never.
    #[serde(skip_serializing_if = "is_zero")]
    pub patience: u64,
    /// Decay rate of a running average of the weights, which is what is evaluated and exported; 0 for none.
    #[serde(skip_serializing_if = "is_off")]
    pub ema: f32,
    /// Number of batches whose gradients are added up in each step.
    #[serde(skip_serializing_if = "is_single")]
    pub accumulate: u64,
    /// Whether `accumulate` is allowed with batch norms, which normalize each batch by itself.
    #[serde(skip_serializing_if = "is_false")]
    pub accumulate_batch_norm: bool,
    /// Patterns of parameters that are not trained, such as `features.*`: `*` stands for any text, and the name of a
    /// layer selects its parameters. A frozen batch norm uses its running statistics.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
}

/// The optimizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimPart {
    /// `sgd`, `adam`, `adamw`, `rmsprop` or `lars`.
    pub name: String,
    /// Peak learning rate.
    pub lr: f32,
    /// Number of inputs up to which `lr` suits a layer. For a network in which a layer has more, the rate is divided by
    /// the square root of the ratio. 0 keeps the rate.
    #[serde(skip_serializing_if = "is_zero")]
    pub lr_inputs: u64,
    /// Momentum (sgd, rmsprop, lars).
    pub momentum: f32,
    /// Whether momentum is Nesterov's (sgd, lars).
    pub nesterov: bool,
    /// Weight decay.
    pub weight_decay: f32,
    /// Decay of the first moment (adam).
    pub beta1: f32,
    /// Decay of the second moment (adam).
    pub beta2: f32,
    /// Added to the root of the second moment (adam, rmsprop).
    pub epsilon: f32,
    /// Factor on the learning rate of the last layer.
    #[serde(skip_serializing_if = "is_one")]
    pub head_factor: f32,
    /// Whether weight decay also applies to parameters of one dimension: those of norms, and biases.
    #[serde(skip_serializing_if = "is_true")]
    pub decay_norms: bool,
    /// Decay of the mean square (rmsprop).
    #[serde(skip_serializing_if = "is_usual_decay")]
    pub decay: f32,
    /// Trust coefficient (lars).
    #[serde(skip_serializing_if = "is_usual_trust")]
    pub trust: f32,
    /// Factors on the learning rates of the parameters that patterns as in `train.freeze` match; where several match,
    /// all apply.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rates: BTreeMap<String, f32>,
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
        ModelPart { name: "lenet5".into(), init: None, batch_norm_bias: None, start: None }
    }
}

impl Default for DataPart {
    fn default() -> Self {
        DataPart {
            spec: "digits".into(),
            shuffle: true,
            augment: "none".into(),
            holdout: 0.05,
            share: 1.0,
            size: None,
            mean: None,
            std: None,
            unreadable: REFUSE.into(),
            max_pixels: None,
            sample_rate: None,
            seconds: None,
            mels: None,
            length: None,
            alphabet: None,
            transforms: Compose::default(),
            mixup: 0.0,
            cutmix: 0.0,
            features: None,
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
            patience: 0,
            ema: 0.0,
            accumulate: 1,
            accumulate_batch_norm: false,
            freeze: Vec::new(),
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
            decay_norms: true,
            decay: RMS_DECAY,
            trust: TRUST,
            rates: BTreeMap::new(),
        }
    }
}

impl Default for CheckpointPart {
    fn default() -> Self {
        CheckpointPart { every_seconds: 60.0, keep: 2 }
    }
}

/// The values of `data.unreadable` that refuse and skip unreadable images.
pub(super) const REFUSE: &str = "refuse";
pub(super) const SKIP: &str = "skip";

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

/// The defaults of `optim.decay`, PyTorch's, and of `optim.trust`, that of You et al.
const RMS_DECAY: f32 = 0.99;
const TRUST: f32 = 0.001;

fn is_usual_decay(decay: &f32) -> bool {
    *decay == RMS_DECAY
}

fn is_usual_trust(trust: &f32) -> bool {
    *trust == TRUST
}

fn is_none(alpha: &f64) -> bool {
    *alpha == 0.0
}

fn is_off(decay: &f32) -> bool {
    *decay == 0.0
}

fn is_single(count: &u64) -> bool {
    *count == 1
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_true(value: &bool) -> bool {
    *value
}

fn is_whole(share: &f64) -> bool {
    *share == 1.0
}

fn is_one(number: &f32) -> bool {
    *number == 1.0
}
