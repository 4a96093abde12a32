//! Every kind of update: against PyTorch, the same on every device, and what it must not change. The expected values of
//! PyTorch come from `scripts/reference/updates_pytorch.py`.

use std::sync::Arc;

use serde_json::Value;
use striate_engine::passes::Disabled;
use striate_engine::{Cpu, Device, Isa, Part, Reference, Targets, Training, Variables};
use striate_gpu::Gpu;
use striate_graph::{AVERAGE, Loss, Network, Optimizer, Role, TrainingSpec, training_graph};
use striate_tensor::Shape;
use striate_testkit::fingerprint::{assert_close, assert_fingerprint};
use striate_testkit::{Emulator, Interpreter, Values, lenet, missing_data, networks};

const SGD: Optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: true, weight_decay: 5e-4 };
const STEPS: u64 = 12;

/// Processors of every instruction set, the reference device, and the GPU's kernels on the emulator.
fn devices() -> Vec<(String, Arc<dyn Device>)> {
    let cpus = Isa::available().into_iter().map(|isa| (isa.to_string(), Cpu::with_isa(2, isa).into()));
    let mut devices: Vec<(String, Arc<dyn Device>)> = cpus.collect();
    devices.push(("reference".into(), Reference::new(Disabled::none()).into()));
    match Emulator::get() {
        Some([emulator, _]) => devices.push(("GPU".into(), Gpu::new(emulator).into())),
        None => missing_data("kernels of the GPU", "no C++ compiler"),
    }
    devices
}

fn lenet5() -> Network {
    (striate_models::find("lenet5").unwrap().build)().unwrap()
}

fn reference() -> Value {
    serde_json::from_str(include_str!("../references/updates.json")).unwrap()
}

/// Shares of the classes with label smoothing, times `weight` of the label.
fn smooth(label: i64, weight: impl Fn(usize) -> f32) -> Vec<f32> {
    let hit = |class: usize| if class as i64 == label { 0.9 } else { 0.0 };
    (0..10).map(|class| weight(class) * (hit(class) + 0.01)).collect()
}

/// The images and soft targets of a case of the script.
fn mixed(step: u64, images: &[f32], labels: &[i64]) -> (Vec<f32>, Vec<f32>) {
    let share = 0.1 + 0.05 * step as f32;
    let target = |label: i64| smooth(label, |_| 1.0);
    let mix = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| share * a + (1.0 - share) * b).collect();
    let before = |i: usize| (i + labels.len() - 1) % labels.len();
    let image = |i: usize| &images[i * 1024..(i + 1) * 1024];
    let pairs = 0..labels.len();
    let images: Vec<Vec<f32>> = pairs.clone().map(|i| mix(image(i), image(before(i)))).collect();
    let targets: Vec<Vec<f32>> = pairs.map(|i| mix(&target(labels[i]), &target(labels[before(i)]))).collect();
    (images.concat(), targets.concat())
}

/// Class weights in PyTorch's form: a mean weighted by the labels' weights.
fn weighted(labels: &[i64]) -> Vec<f32> {
    let weight = |class: usize| 0.5 + 0.25 * class as f32;
    let total: f32 = labels.iter().map(|label| weight(*label as usize)).sum();
    let factor = labels.len() as f32 / total;
    labels.iter().flat_map(|label| smooth(*label, |class| factor * weight(class))).collect()
}

/// One step of the case `name`; returns the loss.
fn step(training: &mut Training, name: &str, rate: f32, step: u64) -> f32 {
    let (shape, images, labels) = lenet::batch(step as usize, 8);
    match name {
        "mixed" => {
            let (images, targets) = mixed(step, &images, &labels);
            training.accumulate(&shape, &images, Targets::Soft(&targets), step, None).unwrap();
        }
        "weighted" => {
            training.accumulate(&shape, &images, Targets::Soft(&weighted(&labels)), step, None).unwrap();
        }
        "parts" => {
            let mut loss = 0.0;
            for range in [0..5, 5..8] {
                let part = Part { is_first: range.start == 0, share: range.len() as f32 / 8.0 };
                let shape = Shape::from([range.len(), 1, 32, 32]);
                let images = &images[range.start * 1024..range.end * 1024];
                training.accumulate_part(&shape, images, &labels[range], step, part, None).unwrap();
                loss += training.loss(&shape) * part.share;
            }
            training.update(&Shape::from([5, 1, 32, 32]), rate, step, None).unwrap();
            return loss;
        }
        _ => training.accumulate(&shape, &images, &labels, step, None).unwrap(),
    }
    training.update(&shape, rate, step, None).unwrap();
    training.loss(&shape)
}

#[test]
fn updates_match_pytorch() {
    let rms_prop = |epsilon, momentum, weight_decay| {
        TrainingSpec::new(Optimizer::RmsProp { decay: 0.9, epsilon, momentum, weight_decay })
    };
    let lars = Optimizer::Lars { momentum: 0.9, nesterov: false, weight_decay: 1e-3, trust: 0.01 };
    let decaying = Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.01 };
    let plain = || TrainingSpec::new(SGD);
    let rates = vec![("fc3".to_owned(), 5.0)];
    let cases = [
        ("rms_prop", 0.001, rms_prop(1e-3, 0.0, 4e-5)),
        ("rms_prop_momentum", 0.045, rms_prop(1.0, 0.9, 0.0)),
        ("lars", 2.0, TrainingSpec { decays_norms: false, ..TrainingSpec::new(lars) }),
        ("groups", 0.02, TrainingSpec { decays_norms: false, rates, ..TrainingSpec::new(decaying) }),
        ("parts", 0.02, TrainingSpec { in_parts: true, ..plain() }),
        ("weighted", 0.02, TrainingSpec { soft_targets: true, ..plain() }),
        ("mixed", 0.02, TrainingSpec { soft_targets: true, ..plain() }),
        ("average", 0.02, TrainingSpec { average: Some(0.7), ..plain() }),
        ("frozen", 0.02, TrainingSpec { frozen: vec!["conv*".into()], ..plain() }),
    ];
    for ((name, rate, spec), (device_name, device)) in
        cases.iter().flat_map(|case| devices().into_iter().map(move |device| (case, device)))
    {
        let reference = &reference()[name];
        let first = if *name == "parts" { 5 } else { 8 };
        let shape = Shape::from([first, 1, 32, 32]);
        let mut training = Training::new(lenet5(), spec.clone(), &shape, 0, device).unwrap();
        training.set_variables(&lenet::variables(&lenet5())).unwrap();
        for number in 0..STEPS {
            let loss = step(&mut training, name, *rate, number);
            let place = format!("{name} on {device_name}, loss of step {number}");
            assert_close(f64::from(loss), &reference["losses"][number as usize], 1e-5, &place);
        }
        let check = |variables: Variables, expected: &Value| {
            for (variable, (_, values)) in variables {
                let place = format!("{name} on {device_name}, {variable}");
                assert_fingerprint(&lenet::wide(&values), &expected[&variable], 1e-4, &place);
            }
        };
        check(training.variables(&[Role::Parameter]).unwrap(), &reference["weights"]);
        let exported = if *name == "average" { "average" } else { "weights" };
        check(training.weights().unwrap(), &reference[exported]);
    }
}

/// One step from the same variables in `f64` by the formulas, for networks that use every layer's layout.
#[test]
fn updates_are_the_same_on_every_device() {
    let rms_prop = Optimizer::RmsProp { decay: 0.9, epsilon: 0.1, momentum: 0.9, weight_decay: 0.01 };
    let lars = Optimizer::Lars { momentum: 0.9, nesterov: true, weight_decay: 0.01, trust: 0.1 };
    let everything = |optimizer| TrainingSpec {
        loss: Some(Loss::default()),
        clip_norm: Some(0.05),
        average: Some(0.9),
        in_parts: true,
        soft_targets: true,
        decays_norms: false,
        rates: vec![("*.weight".into(), 0.5), ("*1*".into(), 3.0)],
        frozen: vec!["conv1.*".into()],
        ..TrainingSpec::new(optimizer)
    };
    for network in networks::all().iter().filter(|network| KINDS.contains(&&*network.name)) {
        for spec in [everything(rms_prop), everything(lars)] {
            let (raw, given) = (graph(network, &spec), given(network));
            let expected = Interpreter::run(&raw, &given);
            for (name, device) in devices() {
                check_step(
                    network,
                    &spec,
                    &given,
                    &raw,
                    &expected,
                    device,
                    &format!("{} on {name}", network.name),
                );
            }
        }
    }
}

/// Convolutions, residuals, windows, auxiliary heads.
const KINDS: [&str; 4] = ["residual", "vgg-like", "inception", "auxiliary-heads"];
const BATCH: usize = 3;

fn graph(network: &Network, spec: &TrainingSpec) -> striate_graph::Graph {
    training_graph(&networks::training_form(network, BATCH), spec).unwrap()
}

fn given(network: &Network) -> Values {
    let mut given = networks::variables(network);
    let classes = network.classes().unwrap();
    let round = |values: Vec<f64>| values.into_iter().map(|x| f64::from(x as f32)).collect::<Vec<f64>>();
    given.insert("input".into(), round(networks::images(network, BATCH)));
    let targets = (0..BATCH * classes).map(|i| 0.05 * (i * 7 % 11) as f64).collect();
    given.insert("targets".into(), round(targets));
    let rate = 0.1f32;
    for (name, value) in [
        ("rate", rate),
        ("rate*0.5", rate * 0.5),
        ("rate*3", rate * 3.0),
        ("rate*1.5", rate * 1.5),
        ("seed", 7.0),
        ("part_share", 1.0),
        ("average_share", 1.0),
        ("one", 1.0),
    ] {
        given.insert(name.into(), vec![f64::from(value)]);
    }
    given
}

fn check_step(
    network: &Network,
    spec: &TrainingSpec,
    given: &Values,
    raw: &striate_graph::Graph,
    expected: &Interpreter,
    device: Arc<dyn Device>,
    place: &str,
) {
    let shape = network.input_shape(BATCH);
    let mut training = Training::new(network.clone(), spec.clone(), &shape, 7, device).unwrap();
    let narrow = |name: &str| given[name].iter().map(|x| *x as f32).collect::<Vec<f32>>();
    let stored = [Role::Parameter, Role::Buffer].into_iter().flat_map(|role| raw.variables(role));
    let start = stored.map(|(_, value)| (value.name.clone(), (value.shape.clone(), narrow(&value.name))));
    training.set_variables(&start.collect()).unwrap();
    training.accumulate(&shape, &narrow("input"), Targets::Soft(&narrow("targets")), 0, None).unwrap();
    training.update(&shape, 0.1, 0, None).unwrap();
    let roles = [Role::Parameter, Role::Buffer, Role::State];
    for (name, (_, values)) in training.variables(&roles).unwrap() {
        let expected = expected.get(&name);
        let largest = expected.iter().fold(0.1f64, |most, x| most.max(x.abs()));
        for (index, (got, expected)) in values.iter().zip(expected).enumerate() {
            let difference = (f64::from(*got) - expected).abs();
            assert!(difference <= 2e-4 * largest, "{place}, {name}[{index}]: {got}, expected {expected}");
        }
    }
    for (name, (_, values)) in training.weights().unwrap() {
        let is_frozen = name.starts_with("conv1.");
        assert!(!is_frozen || values == narrow(&name), "{place}, {name}");
        let average = format!("{AVERAGE}{name}");
        assert_eq!(training.infos().any(|info| info.name == average), !is_frozen, "{place}, {average}");
    }
}

/// A frozen batch norm keeps its running statistics, and normalizes by them.
#[test]
fn frozen_batch_norms_use_their_running_statistics() {
    let network = networks::all().into_iter().find(|network| network.name == "residual").unwrap();
    let frozen = vec!["*".to_owned()];
    let all = TrainingSpec { frozen, ..TrainingSpec::new(SGD) };
    let error = training_graph(&networks::training_form(&network, BATCH), &all).unwrap_err();
    assert!(error.is_input() && error.to_string().contains("nothing to train"), "{error}");
    let unknown = TrainingSpec { frozen: vec!["cnv1".into()], ..TrainingSpec::new(SGD) };
    let error = training_graph(&networks::training_form(&network, BATCH), &unknown).unwrap_err();
    assert!(error.is_input() && error.to_string().contains("did you mean conv1?"), "{error}");

    let spec = TrainingSpec { frozen: vec!["conv*".into(), "batch_norm*".into()], ..TrainingSpec::new(SGD) };
    let shape = network.input_shape(BATCH);
    let (images, labels) = (networks::images(&network, BATCH), networks::labels(BATCH, 5));
    let images: Vec<f32> = images.iter().map(|x| *x as f32).collect();
    for (name, device) in devices() {
        let mut training = Training::new(network.clone(), spec.clone(), &shape, 7, device.clone()).unwrap();
        let before = training.weights().unwrap();
        let inference = striate_engine::Inference::new(network.clone(), &before, device).unwrap();
        let (_, scores) = inference.run(&shape, &images).unwrap();
        let expected = striate_engine::mean_loss(Loss::default(), &scores, &labels);
        let loss = training.step(&shape, &images, &labels, 0.1, 0).unwrap();
        assert!((f64::from(loss) - expected).abs() < 1e-5, "{name}: {loss} {expected}");
        for (variable, value) in training.weights().unwrap() {
            assert_eq!(value == before[&variable], !variable.starts_with("linear"), "{name}: {variable}");
        }
    }
}
