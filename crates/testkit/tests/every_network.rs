//! Every network of the history on random images: inference, and two training steps with its auxiliary heads; with the
//! same bits on one thread and after resuming.
//!
//! To save time, images and hidden linear layers are smaller than in the original networks; `STRIATE_NETWORKS`
//! selects the original sizes, for all networks (`full`) or for the one named (`scripts/every-network.sh`). With
//! `STRIATE_FORCED`, each implementation of convolutions is forced in turn, in all networks or the one named, at
//! reduced sizes (`scripts/same-bits.sh`).

use std::time::Instant;

use striate_engine::{Cpu, Inference, Training, Variables};
use striate_formats::weights_sha256;
use striate_graph::{Network, Op, Optimizer, Role, TrainingSpec};
use striate_models::Model;
use striate_tensor::Shape;
use striate_tensor::random::{Random, Stream};
use striate_testkit::each_of;

const BATCH: usize = 2;
const CLASSES: usize = 10;

/// The size of the images for a network.
fn side(name: &str) -> usize {
    match name {
        "inception-v3" => 299, // Its auxiliary head needs maps of 17×17.
        "googlenet" | "googlenet-2014" => 128,
        _ if name.starts_with("inception") => 107,
        "alexnet-2012" | "nin" => 99,
        _ => 64,
    }
}

fn reduced(model: &Model) -> Network {
    let mut network = (model.build)().unwrap();
    for layer in &mut network.layers {
        match &mut layer.op {
            Op::Linear(linear) if linear.out_features == 4096 => linear.out_features = 256,
            _ => {}
        }
    }
    network.set_classes(CLASSES).unwrap();
    if network.takes_signals() {
        network.input = Shape::from([network.input[0], network.input[1].min(2000)]);
    } else if network.input[1] > 64 {
        let side = side(model.name);
        network.input = Shape::from([network.input[0], side, side]);
    }
    network
}

fn images(network: &Network) -> (Shape, Vec<f32>) {
    let shape = network.input_shape(BATCH);
    let mut random = Random::new(0, Stream::Other, 1);
    let values = (0..shape.numel()).map(|_| random.normal()).collect();
    (shape, values)
}

/// The number of classes of the network as published: those of MNIST and CIFAR-10, of AudioSet, of
/// DBpedia, or of ImageNet.
fn published_classes(network: &Network) -> usize {
    match network.name.as_str() {
        "m5" => 10,
        "char-cnn" | "char-cnn-short" => 14,
        name if name.starts_with("panns") => 527,
        _ if network.input[1] <= 32 => 10,
        _ => 1000,
    }
}

/// Checks that the output has the right shape, is finite, depends on the image, and has the same bits on all `cpus`.
fn forward(network: &Network, classes: usize, weights: &Variables, cpus: &[Cpu; 2]) {
    let (shape, images) = images(network);
    let run = |cpu: &Cpu| {
        let inference = Inference::new(network.clone(), weights, cpu.clone()).unwrap();
        inference.run(&shape, &images).unwrap()
    };
    let (output, scores) = run(&cpus[0]);
    let name = &network.name;
    assert_eq!(output, Shape::from([BATCH, classes]), "{name}");
    assert!(scores.iter().all(|score| score.is_finite()), "{name}: {scores:?}");
    let (first, second) = scores.split_at(scores.len() / BATCH);
    assert!(first != second, "{name} gives the same scores for different images");
    assert!(run(&cpus[1]).1 == scores, "{name} gives other scores with another number of threads");
}

const SGD: Optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };

fn training(network: &Network, cpu: &Cpu) -> Training {
    let shape = network.input_shape(BATCH);
    Training::new(network.clone(), TrainingSpec::new(SGD), &shape, 1, cpu.clone()).unwrap()
}

/// Runs the step with the number `step`, whose loss must be finite; returns the loss, and what a checkpoint contains.
fn step(network: &Network, training: &mut Training, step: u64) -> (f32, Variables) {
    let (shape, images) = images(network);
    let labels: Vec<i64> = (0..BATCH as i64).collect();
    training.step(&shape, &images, &labels, 1e-3, step).unwrap();
    if !training.is_finite(&shape).unwrap() {
        let place = training.first_non_finite(&shape, &images, &labels);
        let loss = training.loss(&shape);
        panic!("{}: loss {loss}, first non-finite value at {place:?}", network.name);
    }
    (training.loss(&shape), training.variables(&[Role::Parameter, Role::Buffer, Role::State]).unwrap())
}

/// Runs two steps on the first processor, of which the first must change every parameter in `before`, and the second
/// again on the other one, from a checkpoint. Returns the first loss, and the memory of a training in bytes.
fn train(network: &Network, mut training: Training, before: &Variables, other: &Cpu) -> (f32, usize) {
    let name = &network.name;
    let (loss, checkpoint) = step(network, &mut training, 0);
    let unchanged: Vec<&String> = before.keys().filter(|name| before[*name] == checkpoint[*name]).collect();
    let count = unchanged.len();
    assert!(count == 0, "{name}: {count} of {} parameters did not change: {unchanged:?}", before.len());
    let end = weights_sha256(&step(network, &mut training, 1).1);
    let bytes = training.allocated_bytes();
    drop(training);
    let mut resumed = self::training(network, other);
    resumed.set_variables(&checkpoint).unwrap();
    let again = weights_sha256(&step(network, &mut resumed, 1).1);
    assert_eq!(again, end, "{name}: a resumed step with another number of threads");
    (loss, bytes)
}

/// The networks that `STRIATE_NETWORKS` selects, and whether it selects any.
fn selected() -> (Vec<&'static Model>, bool) {
    let wanted = std::env::var("STRIATE_NETWORKS").unwrap_or_default();
    let models: Vec<_> = match wanted.as_str() {
        "" | "full" => striate_models::all().iter().collect(),
        name => striate_models::all().iter().filter(|model| model.name == name).collect(),
    };
    assert!(!models.is_empty(), "STRIATE_NETWORKS={wanted}: unknown network");
    (models, !wanted.is_empty())
}

/// Runs and trains `network`; returns the first loss, and the memory of a training in bytes.
fn check(network: &Network, classes: usize, cpus: &[Cpu; 2]) -> (f32, usize) {
    let training = training(network, &cpus[0]);
    let weights = training.variables(&[Role::Parameter, Role::Buffer]).unwrap();
    forward(network, classes, &weights, cpus);
    drop(weights);
    let parameters = training.variables(&[Role::Parameter]).unwrap();
    train(network, training, &parameters, &cpus[1])
}

/// Checks `network` with each implementation of convolutions that supports one of its layers; returns their names.
fn check_forced(network: &Network) -> Vec<&'static str> {
    let (shape, spec) = (network.input_shape(BATCH), TrainingSpec::new(SGD));
    let mut ran = Vec::new();
    for forced in Cpu::convolutions() {
        let cpus = [2, 1].map(|threads| Cpu::new(threads).unwrap().forcing(&[forced]).unwrap());
        let plan = Training::plan(network, &spec, &shape, &cpus[0]).unwrap();
        if plan.steps.iter().any(|step| step.algorithm == forced) {
            check(network, CLASSES, &cpus);
            ran.push(forced);
        }
    }
    assert!(!ran.is_empty(), "{}", network.name);
    ran
}

#[test]
fn every_network_runs_and_trains_to_the_same_bits() {
    let (models, has_names) = selected();
    let forces = std::env::var_os("STRIATE_FORCED").is_some();
    let is_full = has_names && !forces;
    // Creating a network and comparing its weights use one thread; therefore two networks run at a time, except at full
    // size, where two may not fit in memory.
    each_of(&models, if is_full { 1 } else { 2 }, |model| {
        let network = if is_full { (model.build)().unwrap() } else { reduced(model) };
        let classes = if is_full { published_classes(&network) } else { CLASSES };
        let start = Instant::now();
        let what = match forces {
            true => format!("the same bits with {}", check_forced(&network).join(", ")),
            false => {
                let cpus = [2, 1].map(|threads| Cpu::new(threads).unwrap());
                let (loss, bytes) = check(&network, classes, &cpus);
                format!("{:6.0} MB, loss {loss:.3}", bytes as f64 / 1e6)
            }
        };
        println!("{:<20} {:6.2} s, {what}", model.name, start.elapsed().as_secs_f64());
    });
    println!("{} of {} networks run and train", models.len(), striate_models::all().len());
}
