//! Trains support vector machines on `rows.npy` and `labels.npy` of a folder and prints their objectives, for
//! `scripts/reference/svm_liblinear.py`.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use striate_ancestors::Rows;
use striate_ancestors::svm::{LinearSvm, Loss, Settings};
use striate_tensor::npy;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, loss, c, bias, tolerance, weights] = &arguments[..] else {
        panic!("FOLDER LOSS C BIAS TOLERANCE CLASS_WEIGHTS");
    };
    let read = |name: &str| npy::read(&Path::new(folder).join(name)).expect("an array");
    let rows = read("rows.npy");
    let features = rows.shape[1];
    let values = rows.to_f32().expect("floats");
    let labels = read("labels.npy").to_f32().expect("floats");
    let labels: Vec<usize> = labels.iter().map(|label| *label as usize).collect();
    let number = |text: &String| text.parse().expect("a number");
    let settings = Settings {
        loss: if loss == "hinge" { Loss::Hinge } else { Loss::SquaredHinge },
        c: number(c),
        bias: number(bias),
        tolerance: number(tolerance),
        class_weights: weights.split(',').filter_map(|weight| weight.parse().ok()).collect(),
        passes: 20_000,
        seed: 0,
    };
    let classes = labels.iter().max().expect("labels") + 1;
    let start = Instant::now();
    let rows = Rows::new(&values, features).expect("finite values");
    let quiet = |_: &_| ControlFlow::Continue(());
    let svm = LinearSvm::train(rows, &labels, classes, &settings, 1, &quiet).expect("valid settings");
    let objectives: Vec<f64> = svm.outcomes.iter().map(|outcome| outcome.objective).collect();
    let converged = svm.outcomes.iter().all(|outcome| outcome.is_converged);
    let seconds = start.elapsed().as_secs_f64();
    println!("{{\"objectives\": {objectives:?}, \"converged\": {converged}, \"seconds\": {seconds}}}");
}
