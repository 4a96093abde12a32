//! Support vector machines match LIBLINEAR's, and calibrations scikit-learn's. The figures are from
//! `scripts/reference/svm_liblinear.py`.

use std::ops::ControlFlow;
use std::sync::Mutex;

use serde::Deserialize;
use striate_ancestors::Rows;
use striate_ancestors::svm::{LinearSvm, Loss, Progress, Settings};

#[derive(Deserialize)]
struct Figures {
    pixels: Vec<u8>,
    labels: Vec<usize>,
    problems: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    task: String,
    settings: Given,
    objectives: Vec<f64>,
    weights: Option<Vec<f32>>,
    bias: Option<f32>,
}

#[derive(Deserialize)]
struct Given {
    loss: String,
    c: f64,
    bias: f64,
    class_weights: Vec<f64>,
    tolerance: f64,
}

impl Given {
    fn settings(&self) -> Settings {
        let loss = if self.loss == "hinge" { Loss::Hinge } else { Loss::SquaredHinge };
        let Given { c, bias, tolerance, .. } = *self;
        let class_weights = self.class_weights.clone();
        Settings { loss, c, class_weights, bias, tolerance, passes: 20_000, seed: 3 }
    }
}

fn figures() -> (Figures, Vec<f32>) {
    let figures: Figures = serde_json::from_str(include_str!("liblinear.json")).unwrap();
    let pixels = figures.pixels.iter().map(|pixel| f32::from(*pixel) / 16.0).collect();
    (figures, pixels)
}

fn quiet(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn objectives_and_weights_match_liblinear() {
    let (figures, pixels) = figures();
    let rows = Rows::new(&pixels, 64).unwrap();
    assert!(figures.problems.len() >= 10);
    for problem in &figures.problems {
        let is_odd = problem.task == "odd";
        let labels = figures.labels.iter().map(|label| if is_odd { label % 2 } else { *label });
        let (labels, classes) = (labels.collect::<Vec<_>>(), if is_odd { 2 } else { 10 });
        let svm = LinearSvm::train(rows, &labels, classes, &problem.settings.settings(), 2, &quiet).unwrap();
        assert_eq!(svm.outcomes.len(), problem.objectives.len());
        for (outcome, expected) in svm.outcomes.iter().zip(&problem.objectives) {
            assert!((outcome.objective / expected - 1.0).abs() < 1e-4, "{outcome:?}, LIBLINEAR {expected}");
            assert!(outcome.is_converged && outcome.bound <= outcome.objective * (1.0 + 1e-9), "{outcome:?}");
            assert!(outcome.bound > outcome.objective * (1.0 - 1e-3), "{outcome:?}");
        }
        if let (Some(weights), Some(bias)) = (&problem.weights, problem.bias) {
            let found = svm.weights[..64].iter().chain(&svm.biases[..1]);
            for (weight, expected) in found.zip(weights.iter().chain([&bias])) {
                assert!((weight - expected).abs() < 1e-4, "{weight} instead of {expected}");
            }
        }
        if is_odd {
            assert!(
                svm.biases[0] == -svm.biases[1] && svm.weights[..64].iter().all(|weight| weight.is_finite())
            );
        }
    }
}

#[test]
fn weights_are_the_same_for_any_number_of_threads_and_any_progress() {
    let (figures, pixels) = figures();
    let rows = Rows::new(&pixels, 64).unwrap();
    let settings = Settings { tolerance: 1e-3, ..Settings::default() };
    let train = |threads| LinearSvm::train(rows, &figures.labels, 10, &settings, threads, &quiet).unwrap();
    let one = train(1);
    assert_eq!(one, train(3));
    assert_eq!(one, train(16));
    let scores = one.scores(rows).unwrap();
    let is_right = |(row, label): (usize, &usize)| {
        let scores = &scores[row * 10..][..10];
        scores.iter().all(|score| *score <= scores[*label])
    };
    assert!(figures.labels.iter().enumerate().all(is_right), "200 digits can be separated");
}

#[test]
fn progress_is_reported_and_can_end_training() {
    let (figures, pixels) = figures();
    let rows = Rows::new(&pixels, 64).unwrap();
    let settings = Settings { tolerance: 1e-9, ..Settings::default() };
    let seen = Mutex::new(Vec::new());
    let progress = |progress: &Progress| {
        seen.lock().unwrap().push(*progress);
        if progress.passes == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let svm = LinearSvm::train(rows, &figures.labels, 10, &settings, 2, &progress).unwrap();
    assert!(svm.outcomes.iter().all(|outcome| outcome.passes == 4 && !outcome.is_converged));
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), 40);
    assert!(seen.iter().any(|progress| progress.active < 200), "examples are taken out");
}

#[test]
fn invalid_input_is_refused() {
    let (figures, pixels) = figures();
    let rows = Rows::new(&pixels, 64).unwrap();
    let good = Settings::default();
    for bad in [
        Settings { c: 0.0, ..good.clone() },
        Settings { c: f64::NAN, ..good.clone() },
        Settings { tolerance: -1.0, ..good.clone() },
        Settings { passes: 0, ..good.clone() },
        Settings { bias: -1.0, ..good.clone() },
        Settings { class_weights: vec![1.0; 3], ..good.clone() },
        Settings { class_weights: vec![0.0; 10], ..good.clone() },
    ] {
        let result = LinearSvm::train(rows, &figures.labels, 10, &bad, 1, &quiet);
        assert!(result.unwrap_err().is_input(), "{bad:?}");
    }
    assert!(LinearSvm::train(rows, &figures.labels, 9, &good, 1, &quiet).unwrap_err().is_input());
    assert!(LinearSvm::train(rows, &[0; 200], 1, &good, 1, &quiet).unwrap_err().is_input());
    let short = Settings { passes: 1, ..good };
    let svm = LinearSvm::train(rows, &figures.labels, 10, &short, 1, &quiet).unwrap();
    assert!(svm.scores(Rows::new(&pixels, 32).unwrap()).unwrap_err().is_input());
}

/// Rows of zeros, classes without examples, and equal rows with different labels have solutions too.
#[test]
fn degenerate_examples_have_finite_weights() {
    let mut values = vec![0.0; 12];
    values[6..].fill(2.0);
    let rows = Rows::new(&values, 2).unwrap();
    for loss in [Loss::Hinge, Loss::SquaredHinge] {
        for bias in [0.0, 1.0] {
            let settings = Settings { loss, bias, ..Settings::default() };
            let svm = LinearSvm::train(rows, &[0, 1, 0, 1, 0, 1], 3, &settings, 2, &quiet).unwrap();
            assert!(svm.weights.iter().chain(&svm.biases).all(|weight| weight.is_finite()));
            assert!(svm.outcomes.iter().all(|outcome| outcome.is_converged), "{:?}", svm.outcomes);
        }
    }
}
