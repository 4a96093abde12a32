//! The event file of a run for TensorBoard: once an epoch, the figures of `metrics.csv`, norms of weights and gradients
//! by layer, the share of dead ReLUs, and now and then pictures.

mod checksum;
mod event;
mod file;
mod pictures;
mod units;

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use striate_data::Augmented;
use striate_engine::{Device, Training, Variables};
use striate_graph::{Network, Role};
use striate_tensor::Result;
use striate_vision::Preprocessing;

use self::event::Summary;
pub(crate) use self::file::EVENTS;
use crate::metrics::EpochMetrics;
use crate::norms::norms;

/// A run at the end of an epoch.
pub(crate) struct EpochEnd<'a> {
    /// The run folder.
    pub folder: &'a Path,
    pub metrics: &'a EpochMetrics,
    /// Whether no epoch follows.
    pub is_last: bool,
    /// The network for inference.
    pub network: &'a Network,
    /// Its weights, as they are evaluated and exported.
    pub weights: &'a Variables,
    pub training: &'a Training,
    pub device: &'a Arc<dyn Device>,
    /// The training images.
    pub train: &'a Augmented,
    /// Their preprocessing; `None` for arrays.
    pub form: Option<&'a Preprocessing>,
}

/// Adds an epoch to the event file, in place of events of its step or later ones, which a resumed run repeats.
///
/// # Errors
/// If the file cannot be written, or an image cannot be read any more.
pub(crate) fn add_epoch(end: &EpochEnd<'_>) -> Result<()> {
    let EpochEnd { metrics, training, network, .. } = *end;
    let mut summary = Summary::default();
    summary.scalar("loss/train", metrics.train_loss);
    let optional = [("loss/validation", metrics.val_loss), ("error/validation", metrics.val_top1_error)];
    for (tag, value) in optional {
        value.into_iter().for_each(|value| summary.scalar(tag, value));
    }
    metrics.rate.into_iter().for_each(|rate| summary.scalar("rate", rate));
    summary.scalar("images_per_second", metrics.images_per_second);
    let gradients = metrics.rate.map(|_| ("gradient_norm", Role::Gradient));
    for (group, role) in [("weight_norm", Role::Parameter)].into_iter().chain(gradients) {
        for (layer, norm) in norms(training, role)? {
            summary.scalar(&format!("{group}/{layer}"), norm);
        }
    }
    let has_pictures = metrics.epoch.is_power_of_two() || end.is_last;
    if let Some(kernels) = has_pictures.then(|| pictures::kernels(network, end.weights)).flatten() {
        summary.image("kernels", &kernels?)?;
    }
    if let Some(form) = end.form.filter(|_| has_pictures) {
        summary.image("samples", &pictures::samples(end.train, form, metrics.epoch - 1)?)?;
    }
    for (layer, share) in units::dead_relus(network, end.weights, end.train.data(), end.device.clone())? {
        summary.scalar(&format!("dead_relus/{layer}"), share);
    }
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
    file::append(end.folder, &summary.event(metrics.step, time), time)
}
