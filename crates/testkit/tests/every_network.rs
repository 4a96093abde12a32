//! Every network of the history on random images: inference, and one training step with its auxiliary heads.
//!
//! To save time, images and hidden linear layers are smaller than in the original networks; `STRIATE_NETWORKS`
//! selects the original sizes, for all networks (`full`) or for the one named (`scripts/every-network.sh`).

use std::time::Instant;

use striate_engine::{Cpu, Inference, Training, Variables};
use striate_graph::{Network, Op, Optimizer, Role, TrainingSpec};
use striate_models::Model;
use striate_tensor::Shape;
use striate_tensor::random::{Random, Stream};

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
    if network.input[1] > 64 {
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

/// The number of classes of the network as published: those of MNIST and CIFAR-10, or of ImageNet.
fn published_classes(network: &Network) -> usize {
    if network.input[1] == 32 { 10 } else { 1000 }
}

/// Checks that the output has the right shape, is finite, and depends on the image.
fn forward(network: &Network, classes: usize, weights: &Variables, cpu: &Cpu) {
    let (shape, images) = images(network);
    let inference = Inference::new(network.clone(), weights, cpu.clone()).unwrap();
    let (output, scores) = inference.run(&shape, &images).unwrap();
    let name = &network.name;
    assert_eq!(output, Shape::from([BATCH, classes]), "{name}");
    assert!(scores.iter().all(|score| score.is_finite()), "{name}: {scores:?}");
    let (first, second) = scores.split_at(scores.len() / BATCH);
    assert!(first != second, "{name} gives the same scores for different images");
}

/// Runs a step; checks that the loss is finite and that every parameter differs from that in `before`.
fn step(network: &Network, training: &mut Training, before: &Variables) -> f32 {
    let (shape, images) = images(network);
    let labels: Vec<i64> = (0..BATCH as i64).collect();
    training.step(&shape, &images, &labels, 1e-3, 0).unwrap();
    let name = &network.name;
    if !training.is_finite(&shape) {
        let place = training.first_non_finite(&shape, &images, &labels);
        panic!("{name}: loss {}, first non-finite value at {place:?}", training.loss(&shape));
    }
    let after = training.variables(&[Role::Parameter]).unwrap();
    let unchanged: Vec<&String> =
        after.iter().filter(|(name, value)| before[*name] == **value).map(|(n, _)| n).collect();
    let count = unchanged.len();
    assert!(count == 0, "{name}: {count} of {} parameters did not change: {unchanged:?}", after.len());
    training.loss(&shape)
}

#[test]
fn every_network_runs_and_trains() {
    let wanted = std::env::var("STRIATE_NETWORKS").unwrap_or_default();
    let all = || striate_models::all().iter();
    let models: Vec<_> = match wanted.as_str() {
        "" | "full" => all().collect(),
        name => all().filter(|model| model.name == name).collect(),
    };
    assert!(!models.is_empty(), "STRIATE_NETWORKS={wanted}: unknown network");
    let sgd = Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
    let cpu = Cpu::new(0).unwrap();
    for model in &models {
        let network = if wanted.is_empty() { reduced(model) } else { (model.build)().unwrap() };
        let classes = if wanted.is_empty() { CLASSES } else { published_classes(&network) };
        let start = Instant::now();
        let shape = network.input_shape(BATCH);
        let mut training =
            Training::new(network.clone(), TrainingSpec::new(sgd), &shape, 1, cpu.clone()).unwrap();
        let weights = training.variables(&[Role::Parameter, Role::Buffer]).unwrap();
        let compiled = start.elapsed().as_secs_f64();
        forward(&network, classes, &weights, &cpu);
        let inference = start.elapsed().as_secs_f64() - compiled;
        let loss = step(&network, &mut training, &weights);
        let seconds = start.elapsed().as_secs_f64();
        let bytes = training.allocated_bytes() as f64 / 1e6;
        println!(
            "{:<20} {inference:6.2} s inference with compilation, {seconds:6.2} s in total, {bytes:6.0} MB, loss {loss:.3}",
            model.name
        );
    }
    println!("{} of {} networks run and train", models.len(), all().count());
}
