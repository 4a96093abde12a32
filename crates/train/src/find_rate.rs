//! The range test for the learning rate: Smith, "Cyclical learning rates for training neural networks", WACV 2017
//! (arXiv 1506.01186, 2015).

use striate_formats::Position;
use striate_tensor::{Error, Result};

use crate::Observer;
use crate::meter::Meter;
use crate::progress::Progress;
use crate::session::Session;
use crate::step::Step;

/// The first and the largest learning rate.
const RATES: [f64; 2] = [1e-6, 10.0];
/// Steps from the first to the largest rate.
const STEPS: u64 = 120;
/// Weight of the past in the smoothed loss.
const SMOOTHING: f64 = 0.9;
/// Steps at the start whose slopes do not count, because the smoothed loss has seen too little.
const WARM_UP: usize = 10;
/// The loss has diverged when the smoothed loss exceeds the lowest one by this share of what it has fallen by. It must
/// also exceed it by the factor [`LEAST_RISE`].
const RISE: f64 = 2.0;
/// See [`RISE`].
const LEAST_RISE: f64 = 1.2;

/// The losses of a range test.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RateCurve {
    /// The learning rate of each step.
    pub rates: Vec<f64>,
    /// The loss of each step.
    pub losses: Vec<f64>,
    /// The exponentially smoothed losses.
    pub smoothed: Vec<f64>,
    /// The rate at which the loss diverged; `None` if it did not.
    pub diverged: Option<f64>,
    /// Whether the observer stopped the test.
    pub stopped: bool,
}

/// A learning rate that a range test proposes.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The rate, to two digits.
    pub rate: f64,
    /// How it was chosen.
    pub reason: String,
}

impl Session {
    /// Trains with a rate that grows exponentially from step to step, until the loss diverges or the rate is 10. The
    /// session is used up, since its weights are then worthless.
    ///
    /// # Errors
    /// If an image cannot be loaded, or the device fails.
    pub fn find_rate(mut self, observer: &mut dyn Observer) -> Result<RateCurve> {
        let mut curve = RateCurve::default();
        let mut meter = Meter::default();
        let mut loader = self.loader(0, 0);
        let seed = self.recipe().train.seed;
        let mut position = Position { seed, epoch: 0, batch: 0, step: 0 };
        while position.step < STEPS {
            let rate = rate_of(position.step);
            let (sum, images) = match self.step(&mut loader, &mut meter, &position, rate)? {
                Step::Done { sum, images, next } => {
                    position.step += 1;
                    position.batch = next;
                    (sum, images)
                }
                Step::NotBegun(error) => return Err(error),
                Step::NonFinite(_) => {
                    curve.diverged = Some(rate);
                    return Ok(curve);
                }
            };
            if position.batch == self.batches.count() {
                (position.epoch, position.batch) = (position.epoch + 1, 0);
            }
            let loss = sum / images as f64;
            if curve.add(rate, loss) {
                curve.diverged = Some(rate);
                return Ok(curve);
            }
            observer.step(&Progress {
                epoch: 0,
                epochs: 1,
                step: position.step,
                steps: STEPS,
                loss,
                images_per_second: meter.rate(),
                waiting: meter.waiting(),
            });
            if observer.stop() {
                curve.stopped = true;
                break;
            }
        }
        Ok(curve)
    }
}

/// The rate of a step.
fn rate_of(step: u64) -> f64 {
    RATES[0] * (RATES[1] / RATES[0]).powf(step as f64 / (STEPS - 1) as f64)
}

impl RateCurve {
    /// Adds a step; returns whether the loss has diverged.
    fn add(&mut self, rate: f64, loss: f64) -> bool {
        let done = self.losses.len();
        // The mean of the past, without its start at 0: as Adam's moments.
        let before = self.smoothed.last().map_or(0.0, |last| last * (1.0 - SMOOTHING.powi(done as i32)));
        let smoothed =
            (SMOOTHING * before + (1.0 - SMOOTHING) * loss) / (1.0 - SMOOTHING.powi(done as i32 + 1));
        self.rates.push(rate);
        self.losses.push(loss);
        self.smoothed.push(smoothed);
        let lowest = self.smoothed[self.lowest()];
        let fallen = self.smoothed[0] - lowest;
        done > WARM_UP && smoothed > (lowest + RISE * fallen).max(LEAST_RISE * lowest)
    }

    /// The step with the lowest smoothed loss.
    fn lowest(&self) -> usize {
        let steps = 0..self.smoothed.len();
        steps.min_by(|a, b| self.smoothed[*a].total_cmp(&self.smoothed[*b])).unwrap_or(0)
    }

    /// Proposes the rate at which the smoothed loss falls fastest against the logarithm of the rate, before it is
    /// lowest.
    ///
    /// # Errors
    /// If the loss does not fall.
    pub fn proposal(&self) -> Result<Proposal> {
        let lowest = self.lowest();
        let slope = |step: usize| self.smoothed[step + 1] - self.smoothed[step - 1];
        let steps = WARM_UP..lowest;
        let steepest = steps.min_by(|a, b| slope(*a).total_cmp(&slope(*b))).filter(|step| slope(*step) < 0.0);
        let Some(steepest) = steepest else {
            return Err(Error::failed(format!(
                "the loss did not fall at any learning rate from {:.0e} to {:.1e}; check labels, network and recipe",
                RATES[0],
                self.rates.last().copied().unwrap_or(RATES[0])
            )));
        };
        let rate = two_digits(self.rates[steepest]);
        let end = match self.diverged {
            Some(rate) => format!("it diverges at {rate:.1e}"),
            None => format!("it does not diverge up to {:.1e}", self.rates.last().expect("has steps")),
        };
        let reason = format!(
            "the smoothed loss falls fastest there; it is lowest, {:.4}, at {:.1e}, and {end}",
            self.smoothed[lowest], self.rates[lowest]
        );
        Ok(Proposal { rate, reason })
    }
}

fn two_digits(rate: f64) -> f64 {
    format!("{rate:.1e}").parse().expect("a formatted number is a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Losses that are flat, fall most steeply at the rate 0.01, and diverge.
    fn curve(loss: impl Fn(f64) -> f64) -> RateCurve {
        let mut curve = RateCurve::default();
        for step in 0..STEPS {
            let rate = rate_of(step);
            if curve.add(rate, loss(rate)) {
                curve.diverged = Some(rate);
                break;
            }
        }
        curve
    }

    #[test]
    fn steepest_descent_is_proposed() {
        let falling = |rate: f64| 2.3 - 2.0 / (1.0 + (0.01 / rate).powi(2));
        let curve = curve(|rate| falling(rate) + if rate > 0.5 { rate.powi(3) * 10.0 } else { 0.0 });
        let proposal = curve.proposal().unwrap();
        // Smoothing delays by a few steps, each of which multiplies the rate by 1.15.
        assert!((0.008..0.025).contains(&proposal.rate), "{proposal:?}");
        assert!(curve.diverged.is_some_and(|rate| (0.5..2.0).contains(&rate)), "{:?}", curve.diverged);
        assert!(proposal.reason.contains("diverges at"), "{}", proposal.reason);
    }

    #[test]
    fn smoothed_loss_of_a_constant_is_the_constant() {
        let curve = curve(|_| 1.5);
        assert!(curve.smoothed.iter().all(|loss| (loss - 1.5).abs() < 1e-12));
        assert_eq!((curve.diverged, curve.rates.len()), (None, STEPS as usize));
    }

    #[test]
    fn nothing_is_proposed_if_the_loss_does_not_fall() {
        let error = curve(|rate| 1.0 + rate).proposal().unwrap_err().to_string();
        assert!(error.contains("did not fall"), "{error}");
    }
}
