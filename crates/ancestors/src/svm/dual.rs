//! Dual coordinate descent for one linear support vector machine.
//!
//! Each example has a multiplier, and the weights are the sum of the examples times their multipliers and labels. A
//! step minimizes the dual problem over one multiplier. Those that are likely to stay at a bound are taken out for a
//! while (shrinking). Source: Hsieh et al., "A dual coordinate descent method for large-scale linear SVM", ICML 2008,
//! algorithm 3.

use std::ops::ControlFlow;

use striate_tensor::random::{Random, Stream};
use striate_tensor::{Vectorize, vectorized};

use super::{Loss, Outcome, Progress, Settings};
use crate::Rows;

/// Separates `class` from the rest.
pub(super) struct Problem<'a> {
    pub rows: Rows<'a>,
    /// Of [`squared_norms`].
    pub norms: &'a [f64],
    pub labels: &'a [usize],
    pub class: usize,
    /// The weight of the loss of an example of the rest, and of the class.
    pub costs: [f64; 2],
    pub settings: &'a Settings,
}

pub(super) struct Solution {
    pub weights: Vec<f64>,
    /// The weight of the constant feature times its value.
    pub bias: f64,
    pub outcome: Outcome,
}

/// Returns the squared norms of `rows` with a constant feature `bias`.
pub(super) fn squared_norms(rows: Rows, bias: f64) -> Vec<f64> {
    let square = |row: &[f32]| row.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>();
    (0..rows.count()).map(|row| square(rows.row(row)) + bias * bias).collect()
}

/// The state of training.
struct Descent<'a> {
    problem: &'a Problem<'a>,
    multipliers: Vec<f64>,
    weights: Vec<f64>,
    /// The weight of the constant feature.
    bias: f64,
    /// All examples; the first `active` ones take part in a pass.
    order: Vec<usize>,
    active: usize,
    /// The interval of projected gradients in the previous pass, by which examples are taken out.
    previous: [f64; 2],
}

/// The interval that excludes no example from a pass.
const EVERYTHING: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];
/// Projected gradients up to this are zero.
const NEGLIGIBLE: f64 = 1e-12;

impl Problem<'_> {
    pub fn solve(&self, progress: &(dyn Fn(&Progress) -> ControlFlow<()> + Sync)) -> Solution {
        let count = self.rows.count();
        let mut descent = Descent {
            problem: self,
            multipliers: vec![0.0; count],
            weights: vec![0.0; self.rows.features()],
            bias: 0.0,
            order: (0..count).collect(),
            active: count,
            previous: EVERYTHING,
        };
        let (mut passes, mut is_converged) = (0, false);
        while passes < self.settings.passes && !is_converged {
            let mut random =
                Random::new(self.settings.seed, Stream::Order, (self.class as u64) << 32 | passes as u64);
            random.shuffle(&mut descent.order[..descent.active]);
            let active = descent.active;
            let [least, most] = vectorized(Pass(&mut descent));
            passes += 1;
            let violation = most - least;
            is_converged = descent.end_pass([least, most]);
            let done = Progress { class: self.class, passes, violation, active };
            if progress(&done).is_break() {
                break;
            }
        }
        let outcome = descent.outcome(passes, is_converged);
        Solution { weights: descent.weights, bias: descent.bias * self.settings.bias, outcome }
    }

    /// Returns 1 for an example of the class and -1 for one of the rest.
    #[inline(always)]
    fn sign(&self, row: usize) -> f64 {
        if self.labels[row] == self.class { 1.0 } else { -1.0 }
    }

    /// Returns the weight of the loss of an example.
    #[inline(always)]
    fn cost(&self, row: usize) -> f64 {
        self.costs[usize::from(self.labels[row] == self.class)]
    }

    /// Returns the largest value of an example's multiplier, and what is added to its squared norm.
    #[inline(always)]
    fn limit(&self, row: usize) -> (f64, f64) {
        match self.settings.loss {
            Loss::Hinge => (self.cost(row), 0.0),
            Loss::SquaredHinge => (f64::INFINITY, 0.5 / self.cost(row)),
        }
    }
}

/// A pass over the active examples; yields the interval of their projected gradients.
struct Pass<'a, 'b>(&'a mut Descent<'b>);

impl Vectorize for Pass<'_, '_> {
    type Output = [f64; 2];

    #[inline(always)]
    fn run(self) -> [f64; 2] {
        let descent = self.0;
        let [mut least, mut most] = [f64::INFINITY, f64::NEG_INFINITY];
        let mut at = 0;
        while at < descent.active {
            let row = descent.order[at];
            match descent.projected_gradient(row) {
                Some((gradient, projected)) => {
                    (least, most) = (least.min(projected), most.max(projected));
                    if projected.abs() > NEGLIGIBLE {
                        descent.step(row, gradient);
                    }
                    at += 1;
                }
                None => {
                    descent.active -= 1;
                    descent.order.swap(at, descent.active);
                }
            }
        }
        // Without active examples, the interval is empty.
        if least > most { [0.0; 2] } else { [least, most] }
    }
}

impl Descent<'_> {
    /// Returns the derivative of the dual objective by an example's multiplier, and its part that does not point
    /// beyond a bound; `None` if the example is to be taken out.
    #[inline(always)]
    fn projected_gradient(&self, row: usize) -> Option<(f64, f64)> {
        let problem = self.problem;
        let (limit, diagonal) = problem.limit(row);
        let (multiplier, [low, high]) = (self.multipliers[row], self.previous);
        let score = dot(problem.rows.row(row), &self.weights) + self.bias * problem.settings.bias;
        let gradient = score * problem.sign(row) - 1.0 + multiplier * diagonal;
        let is_settled = (multiplier == 0.0 && gradient > high) || (multiplier == limit && gradient < low);
        let projected = match multiplier {
            _ if is_settled => return None,
            0.0 => gradient.min(0.0),
            multiplier if multiplier == limit => gradient.max(0.0),
            _ => gradient,
        };
        Some((gradient, projected))
    }

    /// Minimizes the dual objective over the multiplier of an example.
    #[inline(always)]
    fn step(&mut self, row: usize, gradient: f64) {
        let problem = self.problem;
        let (limit, diagonal) = problem.limit(row);
        let before = self.multipliers[row];
        let after = (before - gradient / (problem.norms[row] + diagonal)).max(0.0).min(limit);
        self.multipliers[row] = after;
        let change = (after - before) * problem.sign(row);
        add(&mut self.weights, change, problem.rows.row(row));
        self.bias += change * problem.settings.bias;
    }

    /// Decides which examples the next pass takes out; returns whether the solution is reached. It is only if the
    /// last pass began with all examples and kept them.
    fn end_pass(&mut self, [least, most]: [f64; 2]) -> bool {
        if most - least > self.problem.settings.tolerance {
            let low = if least < 0.0 { least } else { f64::NEG_INFINITY };
            let high = if most > 0.0 { most } else { f64::INFINITY };
            self.previous = [low, high];
            return false;
        }
        let is_complete = self.active == self.order.len();
        self.active = self.order.len();
        self.previous = EVERYTHING;
        is_complete
    }

    fn outcome(&self, passes: usize, is_converged: bool) -> Outcome {
        let problem = self.problem;
        let regular =
            0.5 * (self.weights.iter().map(|weight| weight * weight).sum::<f64>() + self.bias * self.bias);
        let (mut objective, mut bound) = (regular, -regular);
        for (row, multiplier) in self.multipliers.iter().enumerate() {
            let score = dot(problem.rows.row(row), &self.weights) + self.bias * problem.settings.bias;
            let short = (1.0 - score * problem.sign(row)).max(0.0);
            let loss = if problem.settings.loss == Loss::Hinge { short } else { short * short };
            objective += problem.cost(row) * loss;
            bound += multiplier * (1.0 - 0.5 * multiplier * problem.limit(row).1);
        }
        let support_vectors = self.multipliers.iter().filter(|multiplier| **multiplier > 0.0).count();
        Outcome { passes, is_converged, objective, bound, support_vectors }
    }
}

/// Numbers that are added in parallel; fixed, so that sums are the same on every processor.
const LANES: usize = 8;

/// Returns the inner product, added in a fixed order.
#[inline(always)]
fn dot(row: &[f32], weights: &[f64]) -> f64 {
    let (rows, row_rest) = row.as_chunks::<LANES>();
    let (blocks, rest) = weights.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (row, block) in rows.iter().zip(blocks) {
        for lane in 0..LANES {
            sums[lane] += f64::from(row[lane]) * block[lane];
        }
    }
    let last: f64 = row_rest.iter().zip(rest).map(|(value, weight)| f64::from(*value) * weight).sum();
    sums.iter().sum::<f64>() + last
}

/// Adds `factor` times `row` to `weights`.
#[inline(always)]
fn add(weights: &mut [f64], factor: f64, row: &[f32]) {
    weights.iter_mut().zip(row).for_each(|(weight, value)| *weight += factor * f64::from(*value));
}
