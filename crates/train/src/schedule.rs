//! Learning rate schedules.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result};

use crate::recipe::unknown;

/// Limit on the number of milestones.
const MAX_MILESTONES: usize = 64;
/// Limit on the factor, so that the learning rate stays finite after every milestone.
const MAX_FACTOR: f64 = 1000.0;

/// How the learning rate changes over the steps of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// `constant`, `cosine` (Loshchilov and Hutter, ICLR 2017, one period) or `step`.
    pub name: String,
    /// Warm-up: fraction of all steps during which the learning rate rises from zero.
    pub warmup: f64,
    /// Fractions of all steps after which `step` multiplies the learning rate by the factor.
    pub milestones: Vec<f64>,
    /// Factor of `step`.
    pub factor: f64,
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule { name: "cosine".into(), warmup: 0.15, milestones: vec![0.5, 0.75], factor: 0.1 }
    }
}

impl Schedule {
    /// Checks that every field is in range.
    ///
    /// # Errors
    /// If the name is unknown, a fraction is outside [0, 1], or the factor is negative or above 1000.
    pub fn check(&self) -> Result<()> {
        if !["constant", "cosine", "step"].contains(&self.name.as_str()) {
            return Err(unknown("schedule.name", &self.name, &["constant", "cosine", "step"]));
        }
        let mut shares = self.milestones.iter().chain([&self.warmup]);
        if !shares.all(|share| (0.0..=1.0).contains(share)) {
            return Err(Error::input(
                "recipe: schedule.warmup and schedule.milestones must be fractions in [0, 1]",
            ));
        }
        if self.milestones.len() > MAX_MILESTONES {
            let what = format!("recipe: schedule.milestones has more than {MAX_MILESTONES} entries");
            return Err(Error::input(what));
        }
        match (0.0..=MAX_FACTOR).contains(&self.factor) {
            true => Ok(()),
            false => Err(Error::input(format!("recipe: schedule.factor must be in [0, {MAX_FACTOR}]"))),
        }
    }

    /// Returns the learning rate at `step` (from 0) of `steps`, as a fraction of the peak learning rate.
    pub fn share(&self, step: u64, steps: u64) -> f64 {
        let rising = self.warmup * steps as f64;
        let now = step as f64;
        if now < rising {
            return (now + 1.0).min(rising) / rising.max(1.0);
        }
        match self.name.as_str() {
            "cosine" => {
                let done = (now - rising) / (steps as f64 - rising).max(1.0);
                0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos())
            }
            "step" => {
                let passed = self.milestones.iter().filter(|share| now >= **share * steps as f64).count();
                self.factor.powi(passed as i32)
            }
            _ => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learning_rates_warm_up_and_decay() {
        let cosine = Schedule { warmup: 0.1, ..Schedule::default() };
        assert_eq!(cosine.share(0, 100), 0.1);
        assert_eq!(cosine.share(10, 100), 1.0);
        assert!((cosine.share(55, 100) - 0.5).abs() < 1e-12);
        assert!(cosine.share(99, 100) < 0.001);
        let step = Schedule { name: "step".into(), warmup: 0.0, ..Schedule::default() };
        assert_eq!([0, 50, 75].map(|s| (step.share(s, 100) * 1000.0).round()), [1000.0, 100.0, 10.0]);
        let constant = Schedule { name: "constant".into(), warmup: 0.0, ..Schedule::default() };
        assert_eq!(constant.share(7, 10), 1.0);
    }
}
