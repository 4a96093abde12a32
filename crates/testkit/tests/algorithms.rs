//! Whole networks with each implementation of convolutions forced in turn: the same results as the interpreter in f64,
//! the same bits for any number of threads and after resuming.

use std::collections::BTreeSet;
use std::sync::Mutex;

use striate_engine::{Cpu, Inference, Isa, Training, Variables};
use striate_graph::{
    Builder, Network, Optimizer, Padding, PerAxis, Role, Tensor, TrainingSpec, training_graph,
};
use striate_testkit::{Interpreter, Values, each_of, networks};

/// Fills the vectors of every instruction set.
const BATCH: usize = 16;

/// Networks with every size of kernel and stride that an implementation exists for, groups, and few and many channels.
fn all_networks() -> Vec<Network> {
    let square = |extent: usize, side: usize| (PerAxis::from((extent, extent)), Padding::from((side, side)));
    let body = |x: Tensor<'_>| {
        let sizes = [(square(3, 1)), square(5, 2)];
        let mut x = x;
        for (size, pad) in sizes {
            x = x.conv(32, size).pad(pad).no_bias().batch_norm().tanh();
        }
        for (rows, columns) in [(1, 7), (7, 1), (1, 3), (3, 1)] {
            let pad = Padding::from((rows / 2, columns / 2));
            x = x.conv(32, PerAxis::from((rows, columns))).pad(pad).tanh();
        }
        let x = x.conv(32, square(3, 1).0).pad(square(3, 1).1).stride(2).tanh();
        let x = x.conv(32, square(3, 1).0).pad(square(3, 1).1).groups(2).tanh();
        let x = x.conv(32, square(3, 1).0).pad(square(3, 1).1).groups(32).tanh();
        x.global_average_pool().flatten().linear(4).finish().unwrap()
    };
    let planar = Builder::new("planar", [3, 11, 11]);
    let few = Builder::new("few", [5, 11, 11]);
    let groups = Builder::new("groups", [3, 11, 11]);
    let groups = body(groups.input().conv(24, square(3, 1).0).pad(square(3, 1).1).groups(3).tanh());
    let planar = body(planar.input());
    let first = few.input().conv(6, square(3, 1).0).pad(square(3, 1).1).tanh();
    vec![planar, groups, body(first.conv(6, square(3, 1).0).pad(square(3, 1).1).tanh())]
}

fn given(network: &Network) -> Values {
    let mut given = networks::variables(network);
    let labels = networks::labels(BATCH, network.classes().unwrap());
    let images = networks::images(network, BATCH);
    given.insert("input".into(), images.iter().map(|x| f64::from(*x as f32)).collect());
    given.insert("labels".into(), labels.iter().map(|label| *label as f64).collect());
    given.insert("rate".into(), vec![f64::from(0.1f32)]);
    given.insert("seed".into(), vec![7.0]);
    given
}

fn floats(values: &[f64]) -> Vec<f32> {
    values.iter().map(|x| *x as f32).collect()
}

fn as_variables(network: &Network, values: &Values) -> Variables {
    let variables = network.variables().unwrap().into_iter();
    variables.map(|(name, shape)| (name.clone(), (shape, floats(&values[&name])))).collect()
}

/// The largest difference, relative to the largest expected value.
fn error(got: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let largest = expected.iter().fold(1e-2f64, |most, x| most.max(x.abs()));
    let differences = got.iter().zip(expected).map(|(got, expected)| (f64::from(*got) - expected).abs());
    differences.fold(0.0f64, f64::max) / largest
}

/// The results of two training steps.
#[derive(PartialEq)]
struct Steps {
    /// Gradients, parameters and buffers after the first step.
    first: Variables,
    /// What a checkpoint contains after the first and after the second step.
    states: [Variables; 2],
}

fn scores(network: &Network, given: &Values, cpu: &Cpu) -> Vec<f32> {
    let inference = Inference::new(network.clone(), &as_variables(network, given), cpu.clone()).unwrap();
    inference.run(&network.input_shape(BATCH), &floats(&given["input"])).unwrap().1
}

fn training(network: &Network, variables: &Variables, cpu: &Cpu) -> Training {
    let shape = network.input_shape(BATCH);
    let mut training = Training::new(network.clone(), spec(), &shape, 7, cpu.clone()).unwrap();
    training.set_variables(variables).unwrap();
    training
}

/// Runs the step with the number `step` and returns what a checkpoint contains.
fn step(training: &mut Training, network: &Network, given: &Values, step: u64) -> Variables {
    let labels = networks::labels(BATCH, network.classes().unwrap());
    training.step(&network.input_shape(BATCH), &floats(&given["input"]), &labels, 0.1, step).unwrap();
    training.variables(&[Role::Parameter, Role::Buffer, Role::State]).unwrap()
}

fn steps(network: &Network, given: &Values, cpu: &Cpu) -> Steps {
    let mut training = training(network, &as_variables(network, given), cpu);
    let state = step(&mut training, network, given, 0);
    let first = training.variables(&[Role::Gradient, Role::Parameter, Role::Buffer]).unwrap();
    let end = step(&mut training, network, given, 1);
    Steps { first, states: [state, end] }
}

fn spec() -> TrainingSpec {
    TrainingSpec::new(Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 })
}

/// The implementations that take part in graphs of `f32`.
fn f32_convolutions() -> impl Iterator<Item = &'static str> {
    Cpu::convolutions().into_iter().filter(|name| !name.contains("bf16"))
}

#[test]
fn every_forced_convolution_gives_the_same_results() {
    let ran = Mutex::new(BTreeSet::new());
    each_of(&all_networks(), 2, |network| {
        let given = given(network);
        let expected_scores = Interpreter::run(&network.graph(BATCH).unwrap(), &given).output(0).to_vec();
        let raw = training_graph(&networks::training_form(network, BATCH), &spec()).unwrap();
        let expected = Interpreter::run(&raw, &given);
        for name in f32_convolutions() {
            let cpu = |threads: usize| {
                Cpu::with_isa(threads, Isa::available()[0]).forcing(&[name]).expect("the name is known")
            };
            let place = format!("{name} in {}", network.name);
            let got_scores = scores(network, &given, &cpu(1));
            assert!(scores(network, &given, &cpu(2)) == got_scores, "{place}: scores of 2 threads");
            let got = steps(network, &given, &cpu(1));
            assert!(steps(network, &given, &cpu(2)) == got, "{place}: steps of 2 threads");
            let mut resumed = training(network, &got.states[0], &cpu(2));
            let end = step(&mut resumed, network, &given, 1);
            assert!(end == got.states[1], "{place}: the step after resuming");
            let worst = error(&got_scores, &expected_scores);
            assert!(worst < 1e-4, "{place}: scores differ by {worst}");
            for role in [Role::Gradient, Role::Parameter, Role::Buffer] {
                for (_, value) in raw.variables(role) {
                    let worst = error(&got.first[&value.name].1, expected.get(&value.name));
                    assert!(worst < 1e-4, "{place}: {} differs by {worst}", value.name);
                }
            }
            let plan = striate_engine::Device::plan(&cpu(1), raw.clone()).unwrap();
            let steps = plan.steps.iter().map(|step| step.algorithm.clone());
            ran.lock().unwrap().extend(steps.filter(|algorithm| *algorithm == name));
        }
    });
    let ran = ran.into_inner().unwrap();
    let idle: Vec<&str> = f32_convolutions().filter(|name| !ran.contains(*name)).collect();
    assert!(idle.is_empty(), "{idle:?} did not run");
}

#[test]
fn unknown_implementations_are_refused_by_name() {
    for name in ["", "conv_fft_f32"] {
        let error = Cpu::with_isa(1, Isa::available()[0]).forcing(&[name]).err().unwrap().to_string();
        let start =
            format!("STRIATE_CONV: unknown implementation \"{name}\"; use one or more of conv_images_f32, ");
        assert!(error.starts_with(&start) && !error.contains('\n'), "{error}");
    }
}
