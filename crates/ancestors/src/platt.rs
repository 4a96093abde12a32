//! Platt's calibration: a sigmoid that turns scores of a class into probabilities.
//!
//! Source: Platt, "Probabilistic outputs for support vector machines", 1999; computed with Newton's method as by Lin,
//! Lin and Weng, "A note on Platt's probabilistic outputs for support vector machines", Machine Learning 68, 2007. The
//! scores should be of examples that the classifier was not trained on.

use striate_tensor::text::counted;
use striate_tensor::{Error, Result};

/// The probability 1 / (1 + exp(slope · score + offset)).
///
/// It is the sigmoid of a linear layer whose weights and bias are multiplied by -slope, and -offset added to the bias.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sigmoid {
    /// The factor of the score; negative if larger scores mean the class.
    pub slope: f64,
    /// What is added to it.
    pub offset: f64,
}

/// Maximum number of iterations. Each one decreases the objective; usually a few suffice.
const MOST_ITERATIONS: usize = 100;
/// Ends when both derivatives are below this.
const TOLERANCE: f64 = 1e-7;
/// Added to the diagonal of the Hessian matrix, so that it can be inverted.
const RIDGE: f64 = 1e-12;
/// Shortest share of a step.
const SHORTEST_STEP: f64 = 1e-10;
/// The share of the decrease expected from the gradient that a step must reach.
const SUFFICIENT: f64 = 1e-4;

impl Sigmoid {
    /// Fits a sigmoid to `scores` and whether each example belongs to the class.
    ///
    /// # Errors
    /// If `scores` is empty, differs in length from `is_member`, or contains a value that is not finite.
    pub fn fit(scores: &[f32], is_member: &[bool]) -> Result<Sigmoid> {
        if scores.is_empty() || scores.len() != is_member.len() {
            let (scores, labels) = (counted(scores.len(), "score"), counted(is_member.len(), "label"));
            return Err(Error::input(format!("calibration: {scores} and {labels}")));
        }
        if !scores.iter().all(|score| score.is_finite()) {
            return Err(Error::input("calibration: a score is not finite"));
        }
        // The slope depends on the unit of the scores; scaled this way, the loss has similar curvature in slope and
        // offset.
        let scale = scores.iter().map(|score| f64::from(score.abs())).fold(0.0, f64::max);
        let scale = if scale > 0.0 { scale } else { 1.0 };
        let members = is_member.iter().filter(|is_member| **is_member).count() as f64;
        let others = scores.len() as f64 - members;
        // Targets are not 0 and 1, but the means under a uniform prior.
        let targets = [1.0 / (others + 2.0), (members + 1.0) / (members + 2.0)];
        let scaled = scores.iter().map(|score| f64::from(*score) / scale);
        let examples: Vec<_> =
            scaled.zip(is_member.iter().map(|is_member| targets[usize::from(*is_member)])).collect();
        let start = Sigmoid { slope: 0.0, offset: ((others + 1.0) / (members + 1.0)).ln() };
        let Sigmoid { slope, offset } = minimized(start, &examples);
        Ok(Sigmoid { slope: slope / scale, offset })
    }

    /// Fits a sigmoid for each of `classes` classes to `scores`, `[N, classes]`, and the labels of the rows.
    ///
    /// # Errors
    /// As for [`Sigmoid::fit`].
    pub fn fit_each(scores: &[f32], labels: &[usize], classes: usize) -> Result<Vec<Sigmoid>> {
        let fit = |class: usize| {
            let scores: Vec<f32> = scores.iter().skip(class).step_by(classes).copied().collect();
            let is_member: Vec<bool> = labels.iter().map(|label| *label == class).collect();
            Sigmoid::fit(&scores, &is_member)
        };
        (0..classes).map(fit).collect()
    }

    /// Returns the probability for a score.
    pub fn probability(&self, score: f64) -> f64 {
        let exponent = self.slope * score + self.offset;
        // The exponential must not overflow.
        if exponent >= 0.0 {
            (-exponent).exp() / (1.0 + (-exponent).exp())
        } else {
            1.0 / (1.0 + exponent.exp())
        }
    }

    /// Returns the cross-entropy of targets, computed so that large numbers are never subtracted.
    fn loss(&self, examples: &[(f64, f64)]) -> f64 {
        let loss = |(score, target): &(f64, f64)| {
            let exponent = self.slope * score + self.offset;
            let tail = (-exponent.abs()).exp().ln_1p();
            if exponent >= 0.0 { target * exponent + tail } else { (target - 1.0) * exponent + tail }
        };
        examples.iter().map(loss).sum()
    }

    /// Returns the gradient of the loss, and the entries of its Hessian matrix: the two diagonal ones, then the
    /// off-diagonal one.
    fn derivatives(&self, examples: &[(f64, f64)]) -> ([f64; 2], [f64; 3]) {
        let (mut gradient, mut hessian) = ([0.0; 2], [RIDGE, RIDGE, 0.0]);
        for (score, target) in examples {
            let probability = self.probability(*score);
            let (difference, curvature) = (target - probability, probability * (1.0 - probability));
            gradient[0] += score * difference;
            gradient[1] += difference;
            hessian[0] += score * score * curvature;
            hessian[1] += curvature;
            hessian[2] += score * curvature;
        }
        (gradient, hessian)
    }
}

/// Minimizes the loss by Newton's method; a step is halved until the loss decreases enough.
fn minimized(start: Sigmoid, examples: &[(f64, f64)]) -> Sigmoid {
    let (mut found, mut loss) = (start, start.loss(examples));
    for _ in 0..MOST_ITERATIONS {
        let (gradient, [a, b, c]) = found.derivatives(examples);
        if gradient.iter().all(|derivative| derivative.abs() < TOLERANCE) {
            break;
        }
        let determinant = a * b - c * c;
        let slope = -(b * gradient[0] - c * gradient[1]) / determinant;
        let offset = -(a * gradient[1] - c * gradient[0]) / determinant;
        let decrease = gradient[0] * slope + gradient[1] * offset;
        let shares = std::iter::successors(Some(1.0), |share| Some(share / 2.0));
        let steps = shares.take_while(|share| *share >= SHORTEST_STEP).map(|share| {
            let next = Sigmoid { slope: found.slope + share * slope, offset: found.offset + share * offset };
            (share, next, next.loss(examples))
        });
        let sufficient =
            |(share, _, next): &(f64, Sigmoid, f64)| *next < loss + SUFFICIENT * share * decrease;
        // Without a step that decreases the loss, it is minimal up to rounding.
        let Some((_, next, next_loss)) = steps.into_iter().find(sufficient) else { break };
        (found, loss) = (next, next_loss);
    }
    found
}
