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
    /// `constant`, `cosine` (Loshchilov and Hutter, ICLR 2017, one period), `step`, `exponential`, `polynomial`,
    /// `plateau` (after epochs without a lower validation loss) or `one-cycle` (Smith and Topin, arXiv 1708.07120,
    /// 2017).
    pub name: String,
    /// Warm-up: fraction of all steps during which the learning rate rises, from zero, or with `one-cycle` from a 25th
    /// of the peak.
    pub warmup: f64,
    /// Fractions of all steps after which `step` multiplies the learning rate by the factor.
    pub milestones: Vec<f64>,
    /// Factor of `step` at each milestone, of `plateau` each time, and of `exponential` over the whole run.
    pub factor: f64,
    /// Exponent of `polynomial`: 1 lowers the rate evenly.
    #[serde(skip_serializing_if = "is_one")]
    pub power: f64,
    /// Epochs without a lower validation loss that `plateau` tolerates.
    #[serde(skip_serializing_if = "is_ten")]
    pub patience: u64,
}

const PLATEAU: &str = "plateau";
const NAMES: [&str; 7] = ["constant", "cosine", "step", "exponential", "polynomial", "one-cycle", PLATEAU];
/// Limit on the exponent.
const MAX_POWER: f64 = 10.0;

fn is_one(number: &f64) -> bool {
    *number == 1.0
}

fn is_ten(number: &u64) -> bool {
    *number == 10
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule {
            name: "cosine".into(),
            warmup: 0.15,
            milestones: vec![0.5, 0.75],
            factor: 0.1,
            power: 1.0,
            patience: 10,
        }
    }
}

impl Schedule {
    /// Checks that every field is in range.
    ///
    /// # Errors
    /// If the name is unknown, a fraction is outside [0, 1], the factor is negative or above 1000, or the power is not
    /// above 0 or above 10.
    pub fn check(&self) -> Result<()> {
        if !NAMES.contains(&self.name.as_str()) {
            return Err(unknown("schedule.name", &self.name, &NAMES));
        }
        if !(self.power > 0.0 && self.power <= MAX_POWER) {
            return Err(Error::input(format!(
                "recipe: schedule.power must be above 0 and at most {MAX_POWER}"
            )));
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

    /// Whether the rate depends on the validation loss.
    pub(crate) fn is_plateau(&self) -> bool {
        self.name == PLATEAU
    }

    /// Returns the learning rate at `step` (from 0) of `steps`, as a fraction of the peak learning rate; without the
    /// reductions of `plateau`.
    pub fn share(&self, step: u64, steps: u64) -> f64 {
        let rising = self.warmup * steps as f64;
        let now = step as f64;
        if self.name == "one-cycle" {
            return one_cycle(now, rising - 1.0, steps as f64 - 1.0);
        }
        let done = ((now - rising) / (steps as f64 - rising).max(1.0)).min(1.0);
        if now < rising {
            return (now + 1.0).min(rising) / rising.max(1.0);
        }
        match self.name.as_str() {
            "cosine" => falling(done),
            "exponential" => self.factor.powf(done),
            "polynomial" => (1.0 - done).powf(self.power),
            "step" => {
                let passed = self.milestones.iter().filter(|share| now >= **share * steps as f64).count();
                self.factor.powi(passed as i32)
            }
            _ => 1.0,
        }
    }
}

/// Half a period of a cosine, from 1 to 0 while `done` goes from 0 to 1.
fn falling(done: f64) -> f64 {
    0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

/// The share of the peak at step `now`: it rises to the peak at step `top`, and falls to nearly nothing at step `end`.
fn one_cycle(now: f64, top: f64, end: f64) -> f64 {
    let (first, last) = (1.0 / 25.0, 1.0 / 25.0 / 1e4);
    match now < top {
        true => 1.0 + (first - 1.0) * falling(now / top),
        false => {
            last + (1.0 - last) * falling(((now - top.max(0.0)) / (end - top.max(0.0)).max(1.0)).min(1.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures are those of PyTorch 2.15's schedulers.
    #[test]
    fn schedules_agree_with_pytorch() {
        let named = |name: &str, warmup| Schedule { name: name.into(), warmup, ..Schedule::default() };
        let polynomial = Schedule { power: 0.5, ..named("polynomial", 0.0) };
        let exponential = Schedule { factor: 0.01, ..named("exponential", 0.0) };
        for (schedule, steps, expected) in [
            (named("one-cycle", 0.25), 21, [0.04, 0.809265, 0.994415, 0.611262, 0.009918]),
            (polynomial, 20, [1.0, 0.921954, 0.866025, 0.67082, 0.223607]),
            (exponential, 20, [1.0, 0.501187, 0.316228, 0.079433, 0.012589]),
        ] {
            schedule.check().unwrap();
            for (step, expected) in [0, 3, 5, 11, 19].into_iter().zip(expected) {
                let share = schedule.share(step, steps);
                assert!((share - expected).abs() < 1e-6, "{} at {step}: {share}", schedule.name);
            }
        }
    }

    #[test]
    fn shares_are_finite_in_runs_of_any_length() {
        for name in NAMES {
            for (warmup, steps) in [(0.0, 1), (1.0, 1), (0.5, 2), (1.0, 3), (0.1, 7)] {
                let schedule = Schedule { name: name.into(), warmup, ..Schedule::default() };
                let shares: Vec<f64> = (0..steps).map(|step| schedule.share(step, steps)).collect();
                assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "{name}: {shares:?}");
            }
        }
    }

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
