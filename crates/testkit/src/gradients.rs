//! Checks gradients against central differences in f64.

use striate_graph::Graph;

use crate::{Interpreter, Values};

/// Step size of the differences.
const STEP: f64 = 1e-5;

/// Checks the gradient of every parameter of the training graph `graph` at `given`; returns the number of
/// elements checked.
///
/// If the loss has a kink between the two points (for example, another element becomes the maximum), the
/// one-sided differences disagree and there is no derivative to compare with. Such elements are excluded, at
/// most one in twenty.
///
/// # Panics
/// If a gradient differs.
pub fn check(graph: &Graph, given: &Values) -> usize {
    let loss = |given: &Values| Interpreter::run(graph, given).output(0)[0];
    let run = Interpreter::run(graph, given);
    let center = run.output(0)[0];
    let (mut checked, mut kinks) = (0, 0);
    for (parameter, gradient) in &graph.gradients {
        let name = &graph.value(*parameter).name;
        let gradient = run.get(&graph.value(*gradient).name);
        for (i, got) in gradient.iter().enumerate().step_by(1 + gradient.len() / 60) {
            let at = |offset: f64| {
                let mut moved = given.clone();
                moved.get_mut(name).expect("parameters are given")[i] += offset;
                loss(&moved)
            };
            let (above, below) = (at(STEP), at(-STEP));
            let expected = (above - below) / (2.0 * STEP);
            let scale = expected.abs().max(got.abs()).max(1e-2);
            let (right, left) = ((above - center) / STEP, (center - below) / STEP);
            if (right - left).abs() > 1e-2 * scale {
                kinks += 1;
                continue;
            }
            assert!(
                (got - expected).abs() <= 1e-6 * scale.max(1.0),
                "{name}[{i}]: got {got}, expected {expected}"
            );
            checked += 1;
        }
    }
    assert!(kinks * 20 <= checked, "{kinks} kinks, but only {checked} elements checked");
    checked
}
