//! The original LeNet-5 against an independent implementation: scores, loss and gradients, from the interpreter in f64
//! and from the engine on every instruction set. The expected values come from
//! `scripts/reference/lenet5_1998_pytorch.py`.

use serde_json::Value;
use striate_engine::{Cpu, Inference, Isa, Training, Variables};
use striate_graph::{Network, Optimizer, Role, TrainingSpec, training_graph};
use striate_tensor::Shape;
use striate_testkit::fingerprint::{assert_close, assert_fingerprint};
use striate_testkit::{Interpreter, Values, formula};

const SHAPE: [usize; 4] = [4, 1, 32, 32];
const LABELS: [i64; 4] = [3, 0, 7, 4];

fn network() -> Network {
    (striate_models::find("lenet5-1998").unwrap().build)().unwrap()
}

fn spec() -> TrainingSpec {
    TrainingSpec::new(Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 })
}

/// Weights by formula, numbered in the order of the layers, and the network's own codes.
fn variables() -> Variables {
    let tensor = |(index, (name, shape)): (usize, (String, Shape))| {
        let (low, high) = match name.as_str() {
            "S2.weight" | "S4.weight" => (0.5, 1.5),
            "C1.weight" | "C1.bias" | "S2.bias" | "S4.bias" => (-0.2, 0.2),
            "C3.weight" | "C3.bias" => (-0.1, 0.1),
            "C5.weight" | "C5.bias" => (-0.05, 0.05),
            _ => (-0.09, 0.09),
        };
        let values = formula::uniform(index as u32, shape.numel(), low, high);
        (name, (shape, values.iter().map(|x| *x as f32).collect()))
    };
    let mut variables: Variables =
        network().variables().unwrap().into_iter().enumerate().map(tensor).collect();
    let codes = Inference::initial_weights(&network(), 0).unwrap()["output.codes"].clone();
    variables.insert("output.codes".into(), codes);
    variables
}

fn images() -> Vec<f64> {
    formula::uniform(100, SHAPE.iter().product(), -0.1, 1.175)
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|x| f64::from(*x)).collect()
}

fn assert_scores(got: impl Iterator<Item = f64>, reference: &Value, tolerance: f64, place: &str) {
    let rows = reference["scores"].as_array().unwrap();
    let expected: Vec<&Value> = rows.iter().flat_map(|row| row.as_array().unwrap()).collect();
    let got: Vec<f64> = got.collect();
    assert_eq!(got.len(), expected.len(), "{place}");
    for (got, expected) in got.iter().zip(expected) {
        assert_close(*got, expected, tolerance, place);
    }
}

#[test]
fn codes_match_the_reference() {
    let reference = formula::reference("lenet5_1998");
    let stored =
        reference["codes"].as_array().unwrap().iter().flat_map(|code| code.as_str().unwrap().bytes());
    let stored: Vec<f32> = stored.map(|sign| if sign == b'#' { 1.0 } else { -1.0 }).collect();
    assert_eq!(variables()["output.codes"].1, stored);
}

#[test]
fn interpreter_matches_the_reference() {
    const TOLERANCE: f64 = 1e-11;
    let reference = formula::reference("lenet5_1998");
    let graph = training_graph(&network().graph(SHAPE[0]).unwrap(), &spec()).unwrap();
    let mut given: Values =
        variables().into_iter().map(|(name, (_, values))| (name, wide(&values))).collect();
    given.insert("input".into(), images());
    given.insert("labels".into(), LABELS.iter().map(|label| *label as f64).collect());
    let run = Interpreter::run(&graph, &given);
    assert_close(run.output(0)[0], &reference["loss"], TOLERANCE, "loss");
    let forward = network().graph(SHAPE[0]).unwrap();
    let scores = Interpreter::run(&forward, &given);
    assert_scores(scores.output(0).iter().copied(), &reference, TOLERANCE, "scores");
    assert_eq!(graph.gradients.len(), reference["gradients"].as_object().unwrap().len());
    for (parameter, gradient) in &graph.gradients {
        let name = &graph.value(*parameter).name;
        let gradient = run.get(&graph.value(*gradient).name);
        assert_fingerprint(gradient, &reference["gradients"][name], TOLERANCE, name);
    }
}

#[test]
fn engine_matches_the_reference() {
    const TOLERANCE: f64 = 1e-5;
    let reference = formula::reference("lenet5_1998");
    let images: Vec<f32> = images().iter().map(|x| *x as f32).collect();
    let shape = Shape::from(SHAPE);
    for isa in Isa::available() {
        let cpu = Cpu::with_isa(2, isa);
        let inference = Inference::new(network(), &variables(), cpu.clone()).unwrap();
        let (_, scores) = inference.run(&shape, &images).unwrap();
        let place = format!("scores on {isa}");
        assert_scores(scores.iter().map(|x| f64::from(*x)), &reference, TOLERANCE, &place);
        let mut training = Training::new(network(), spec(), &shape, 0, cpu).unwrap();
        training.set_variables(&variables()).unwrap();
        training.accumulate(&shape, &images, &LABELS, 0, None).unwrap();
        let loss = f64::from(training.loss(&shape));
        assert_close(loss, &reference["loss"], TOLERANCE, &format!("loss on {isa}"));
        let gradients = training.variables(&[Role::Gradient]).unwrap();
        assert_eq!(gradients.len(), reference["gradients"].as_object().unwrap().len());
        for (name, (_, gradient)) in gradients {
            let name = name.strip_prefix("gradient.").unwrap();
            let place = format!("gradient of {name} on {isa}");
            assert_fingerprint(&wide(&gradient), &reference["gradients"][name], TOLERANCE, &place);
        }
    }
}
