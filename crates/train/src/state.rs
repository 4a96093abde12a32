//! The state of a run between two steps, besides tensors: losses, early stopping, the schedule `plateau`.

use serde::{Deserialize, Serialize};

use crate::plateau::Plateau;

/// The contents of a checkpoint other than tensors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub(crate) struct RunState {
    /// Sum of the losses of the current epoch's images.
    pub epoch_loss: f64,
    /// Images of the current epoch so far.
    #[serde(default)]
    pub epoch_images: u64,
    /// Checkpoints of earlier versions contain sums over batches.
    #[serde(default, skip_serializing)]
    epoch_batches: u64,
    /// Mean loss of the last complete epoch.
    #[serde(default)]
    pub last_epoch: Option<f64>,
    /// The lowest validation loss so far.
    pub best: Option<f64>,
    /// Epochs since then.
    #[serde(default)]
    pub since_best: u64,
    /// The state of the schedule `plateau`.
    #[serde(default)]
    pub plateau: Plateau,
}

impl RunState {
    /// Turns sums over batches into sums over images.
    pub fn over_images(self, batch: usize) -> RunState {
        if self.epoch_images > 0 || self.epoch_batches == 0 {
            return self;
        }
        let epoch_loss = self.epoch_loss * batch as f64;
        let epoch_images = self.epoch_batches.saturating_mul(batch as u64);
        RunState { epoch_loss, epoch_images, epoch_batches: 0, ..self }
    }

    /// Mean loss over the images of the current epoch, or over those of the last one if none was trained on since.
    pub fn mean_loss(&self) -> Option<f64> {
        match self.epoch_images {
            0 => self.last_epoch,
            images => Some(self.epoch_loss / images as f64),
        }
    }

    /// Takes the validation loss of an epoch; returns whether it is the lowest so far. NaN never is, and anything is
    /// lower than NaN.
    pub fn is_best(&mut self, loss: f64) -> bool {
        let is_best = !loss.is_nan() && self.best.is_none_or(|best| best.is_nan() || loss < best);
        self.since_best += 1;
        if is_best {
            (self.best, self.since_best) = (Some(loss), 0);
        }
        is_best
    }

    /// Whether the validation loss has not been lower for `patience` epochs; 0 disables early stopping.
    pub fn has_stopped(&self, patience: u64) -> bool {
        patience > 0 && self.since_best >= patience
    }

    /// Starts the next epoch.
    pub fn end_epoch(&mut self) {
        self.last_epoch = self.mean_loss();
        (self.epoch_loss, self.epoch_images) = (0.0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_never_the_best_epoch() {
        let after = |best: Option<f64>, loss| RunState { best, ..RunState::default() }.is_best(loss);
        assert!(after(None, 1.0) && after(Some(1.0), 0.5) && !after(Some(1.0), 1.0));
        assert!(!after(None, f64::NAN) && !after(Some(1.0), f64::NAN));
        assert!(after(Some(f64::NAN), 1.0));
    }

    #[test]
    fn run_stops_after_epochs_without_a_lower_loss() {
        let mut state = RunState::default();
        let stops = [1.0, 0.9, 0.9, 0.95, 0.8, 1.0, 1.0].map(|loss| {
            state.is_best(loss);
            state.has_stopped(2)
        });
        assert_eq!(stops, [false, false, false, true, false, false, true]);
        assert!(!state.has_stopped(0));
    }

    #[test]
    fn sums_of_earlier_versions_keep_their_mean() {
        let old = serde_json::json!({ "epoch_loss": 6.0, "epoch_batches": 4, "best": null });
        let state: RunState = serde_json::from_value(old).unwrap();
        let state = state.over_images(32);
        assert_eq!((state.mean_loss(), state.epoch_images), (Some(1.5), 128));
        let again: RunState = serde_json::from_value(serde_json::to_value(state).unwrap()).unwrap();
        assert_eq!(again.over_images(32), state);
    }
}
