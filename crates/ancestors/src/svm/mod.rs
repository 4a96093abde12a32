//! Linear support vector machines, one class against the rest.
//!
//! The problem and its conventions (bias, class weights, tolerance) are those of LIBLINEAR: Fan et al., "LIBLINEAR: a
//! library for large linear classification", JMLR 9, 2008. What is learned is a linear layer.

mod dual;

use std::ops::ControlFlow;

use striate_tensor::{Error, Result};

use crate::Rows;
use crate::parallel::parallel;
use dual::{Problem, Solution};

/// The loss of an example with margin m: the label, 1 or -1, times the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// max(0, 1 - m), LIBLINEAR's L1 loss.
    Hinge,
    /// max(0, 1 - m)², LIBLINEAR's L2 loss.
    SquaredHinge,
}

/// How support vector machines are trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The loss.
    pub loss: Loss,
    /// C: how much the losses count relative to half the squared norm of the weights.
    pub c: f64,
    /// Factors on C by class; empty for none. Examples of the rest always have C, as in LIBLINEAR, except if there
    /// are two classes.
    pub class_weights: Vec<f64>,
    /// The value of a constant feature, whose weight is regularized like the others; 0 for none.
    pub bias: f64,
    /// Ends training when the projected gradients of all examples lie in an interval of this length.
    pub tolerance: f64,
    /// Largest number of passes over the examples.
    pub passes: usize,
    /// Seed of the order of examples.
    pub seed: u64,
}

impl Default for Settings {
    /// Returns LIBLINEAR's settings, with scikit-learn's maximum number of passes.
    fn default() -> Self {
        Settings {
            loss: Loss::SquaredHinge,
            c: 1.0,
            class_weights: Vec::new(),
            bias: 1.0,
            tolerance: 0.1,
            passes: 1000,
            seed: 0,
        }
    }
}

/// A pass over the examples for one class.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The class.
    pub class: usize,
    /// Passes made for this class.
    pub passes: usize,
    /// The length of the interval of projected gradients, to be compared with the tolerance.
    pub violation: f64,
    /// Examples in this pass; the others were taken out, as their multipliers are likely to stay at a bound.
    pub active: usize,
}

/// How training ended for one class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Passes made.
    pub passes: usize,
    /// Whether the tolerance was reached.
    pub is_converged: bool,
    /// The objective: half the squared norm of the weights, with that of the bias, and C times the losses.
    pub objective: f64,
    /// The objective of the dual problem, a lower bound of all objectives.
    pub bound: f64,
    /// Examples with a multiplier above zero.
    pub support_vectors: usize,
}

/// Linear support vector machines of several classes: a linear layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearSvm {
    /// Weights, `[classes, features]`.
    pub weights: Vec<f32>,
    /// Biases, one for each class.
    pub biases: Vec<f32>,
    /// How training ended, one for each class. Two classes are one problem, and have one outcome.
    pub outcomes: Vec<Outcome>,
}

impl LinearSvm {
    /// Trains on `rows` with labels below `classes`, the classes in parallel on up to `threads` threads. After each
    /// pass, `progress` is called, by any thread; if it returns `Break`, training ends with the weights reached so far.
    ///
    /// # Errors
    /// If labels are missing or out of range, there are fewer than two classes, or a setting is out of range.
    pub fn train(
        rows: Rows,
        labels: &[usize],
        classes: usize,
        settings: &Settings,
        threads: usize,
        progress: &(dyn Fn(&Progress) -> ControlFlow<()> + Sync),
    ) -> Result<LinearSvm> {
        rows.check_labels(labels, classes)?;
        settings.check(classes)?;
        let factor = |class: usize| settings.class_weights.get(class).copied().unwrap_or(1.0);
        let norms = dual::squared_norms(rows, settings.bias);
        let solve = |class: usize| {
            let rest = if classes == 2 { factor(1 - class) } else { 1.0 };
            let costs = [rest, factor(class)].map(|factor| settings.c * factor);
            Problem { rows, norms: &norms, labels, class, costs, settings }.solve(progress)
        };
        let problems = if classes == 2 { 1 } else { classes };
        let mut solutions = parallel(threads, problems, solve);
        if let [Solution { weights, bias, outcome }] = &solutions[..] {
            let weights = weights.iter().map(|weight| -weight).collect();
            solutions.push(Solution { weights, bias: -bias, outcome: *outcome });
        }
        let biases = solutions.iter().map(|solution| solution.bias as f32).collect();
        let outcomes = solutions.iter().take(problems).map(|solution| solution.outcome).collect();
        let weights = solutions.iter().flat_map(|solution| &solution.weights);
        Ok(LinearSvm { weights: weights.map(|weight| *weight as f32).collect(), biases, outcomes })
    }

    /// Returns the scores of `rows`, `[N, classes]`.
    ///
    /// # Errors
    /// If the rows have another number of features.
    pub fn scores(&self, rows: Rows) -> Result<Vec<f32>> {
        let features = self.weights.len() / self.biases.len();
        if rows.features() != features {
            return Err(Error::input(format!("rows have {} features, not {features}", rows.features())));
        }
        let score = |row: &[f32], weights: &[f32], bias: f32| {
            let products = row.iter().zip(weights).map(|(x, weight)| f64::from(*x) * f64::from(*weight));
            (products.sum::<f64>() + f64::from(bias)) as f32
        };
        let classes = || self.weights.chunks_exact(features).zip(&self.biases);
        let scores = |row: usize| classes().map(move |(weights, bias)| score(rows.row(row), weights, *bias));
        Ok((0..rows.count()).flat_map(scores).collect())
    }
}

impl Settings {
    /// Checks the settings for training with `classes` classes.
    ///
    /// # Errors
    /// If a setting is out of range or there are fewer than two classes.
    pub fn check(&self, classes: usize) -> Result<()> {
        let is_positive = |value: f64| value > 0.0 && value.is_finite();
        let invalid = |what: &str| Err(Error::input(format!("support vector machine: {what}")));
        if classes < 2 {
            return invalid("needs two classes or more");
        }
        if !is_positive(self.c) || !is_positive(self.tolerance) || self.passes == 0 {
            return invalid("c, tolerance and passes must be above zero");
        }
        if !self.class_weights.is_empty() && self.class_weights.len() != classes {
            return invalid("class_weights must be empty or have one number for each class");
        }
        if !self.class_weights.iter().all(|weight| is_positive(*weight)) {
            return invalid("class_weights must be above zero");
        }
        match self.bias >= 0.0 && self.bias.is_finite() {
            true => Ok(()),
            false => invalid("bias must not be negative"),
        }
    }
}
