//! What a training run reports, during the run and at its end.

use std::path::PathBuf;

use striate_predict::Tally;

/// The limits of a call, and what it accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Ends this call when the run reaches this step.
    pub steps: Option<u64>,
    /// Whether a checkpoint of another instruction set may be resumed; results are then not bit-identical.
    pub any_isa: bool,
}

/// The state of a run after a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Current epoch, from 0.
    pub epoch: u64,
    /// Total epochs.
    pub epochs: u64,
    /// Steps done.
    pub step: u64,
    /// Total steps.
    pub steps: u64,
    /// Mean loss over the images of the current epoch so far.
    pub loss: f64,
    /// Images trained on per second, in this call.
    pub images_per_second: f64,
    /// The share of the time in which training waited for images, in this call.
    pub waiting: f64,
}

/// The state of a part of a run that does not consist of steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// What is done.
    pub name: &'static str,
    /// How much of it is done.
    pub done: usize,
    /// All of it.
    pub all: usize,
    /// More on its state.
    pub details: String,
}

/// Observes a training run.
pub trait Observer {
    /// Called after each step.
    fn step(&mut self, progress: &Progress) {
        let _ = progress;
    }
    /// Called during parts of a run that do not consist of steps.
    fn work(&mut self, work: &Work) {
        let _ = work;
    }
    /// Called with a line to display: the figures of an epoch, or a choice that was made.
    fn note(&mut self, text: &str) {
        let _ = text;
    }
    /// Called after each step or piece of work; returning true stops the run after a checkpoint.
    fn stop(&mut self) -> bool {
        false
    }
}

/// Ignores everything.
impl Observer for () {}

/// The result of a call of the trainer.
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
    /// Images trained on per second, with loading and without validation.
    pub images_per_second: f64,
    /// The share of that time in which training waited for images.
    pub waiting: f64,
    /// Mean loss over the images of the last epoch so far; `None` if nothing was trained on.
    pub train_loss: Option<f64>,
    /// Figures on images that were not trained on; `None` before the end, or if there are no such images.
    pub tally: Option<Tally>,
    /// Which images those are: `test`, `validation` or `held-out`; `None` if every image was trained on.
    pub part: Option<&'static str>,
    /// The model file of the last step.
    pub model: PathBuf,
    /// SHA-256 of its weights.
    pub weights_sha256: String,
    /// The loss of each step of this call.
    pub losses: Vec<f32>,
    /// The run folder.
    pub run: PathBuf,
}
