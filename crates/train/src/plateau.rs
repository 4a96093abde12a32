//! The schedule `plateau`: lowers the learning rate when the validation loss has stopped falling.

use serde::{Deserialize, Serialize};

/// Share of the lowest loss by which a loss must be lower to count.
const THRESHOLD: f64 = 1e-4;

/// What the schedule has seen; a checkpoint contains it. PyTorch's `ReduceLROnPlateau` with its default threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub(crate) struct Plateau {
    /// The lowest loss.
    best: Option<f64>,
    /// Epochs since then, or since the last reduction.
    bad: u64,
    /// How often the rate was lowered.
    pub reductions: i32,
}

impl Plateau {
    /// Takes the loss of an epoch. Lowers the rate after more than `patience` epochs without a lower loss, and returns
    /// whether it does.
    pub fn observe(&mut self, loss: f64, patience: u64) -> bool {
        let is_lower = self.best.is_none_or(|best| loss < best * (1.0 - THRESHOLD));
        if is_lower && !loss.is_nan() {
            (self.best, self.bad) = (Some(loss), 0);
        } else {
            self.bad += 1;
        }
        let lowers = self.bad > patience;
        if lowers {
            self.bad = 0;
            self.reductions += 1;
        }
        lowers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scripts/reference/updates_pytorch.py` makes the figures: the rate after each epoch, with patience 1, factor
    /// 0.1.
    #[test]
    fn rates_are_those_of_pytorch() {
        let all: serde_json::Value =
            serde_json::from_str(include_str!("../../testkit/references/updates.json")).unwrap();
        let list = |name: &str| all["plateau"][name].as_array().unwrap().clone();
        let mut plateau = Plateau::default();
        for (epoch, (loss, rate)) in list("losses").iter().zip(list("rates")).enumerate() {
            plateau.observe(loss.as_f64().unwrap_or(f64::NAN), 1);
            let (expected, got) = (rate.as_f64().unwrap(), 0.1f64.powi(plateau.reductions));
            assert!((got / expected - 1.0).abs() < 1e-9, "epoch {epoch}: {got} {expected}");
            // As a checkpoint stores it.
            let text = serde_json::to_string(&plateau).unwrap();
            assert_eq!(serde_json::from_str::<Plateau>(&text).unwrap(), plateau);
        }
    }
}
