//! A small network for videos in the style of C3D (Tran et al., ICCV 2015) trains: its gradients match those in f64,
//! its loss falls, and it learns to classify what no single frame shows.

use striate_engine::{Cpu, Inference, Isa, Training};
use striate_graph::{Builder, Network, Optimizer, Role, TrainingSpec, statistics, training_graph};
use striate_tensor::Shape;
use striate_testkit::formula::unit;
use striate_testkit::{Interpreter, Values};

/// Frames, rows and columns.
const VIDEO: [usize; 3] = [6, 12, 12];
const DIRECTIONS: [[i64; 2]; 4] = [[0, 1], [0, -1], [1, 0], [-1, 0]];

fn network() -> Network {
    let net = Builder::new("c3d-like", [2, VIDEO[0], VIDEO[1], VIDEO[2]]);
    let x = net.input().conv(8, 3).pad(1).no_bias().named("conv1").batch_norm().relu();
    let x = x.max_pool((1, 2, 2), (1, 2, 2)).conv(12, 3).pad(1).no_bias().named("conv2").batch_norm().relu();
    let x = x.max_pool(2, 2).conv(16, (3, 3, 3)).pad((1, 0, 0)).named("conv3").relu();
    x.global_average_pool().flatten().linear(4).finish().unwrap()
}

/// Videos `[N, 2, D, H, W]` of a square that starts at a random position and moves in one of four directions, wrapping
/// around at the edges. The second channel is noise.
fn videos(first: usize, count: usize) -> (Shape, Vec<f32>, Vec<i64>) {
    let [frames, rows, columns] = VIDEO;
    let mut pixels = Vec::new();
    let labels: Vec<i64> = (0..count).map(|i| ((first + i) % 4) as i64).collect();
    for (video, label) in (first..).zip(&labels) {
        let start = [0, 1].map(|axis| (unit(40 + axis, video as u32) * 12.0) as i64);
        let step = DIRECTIONS[*label as usize];
        for i in 0..frames * rows * columns {
            let (frame, place) = ((i / (rows * columns)) as i64, [i / columns % rows, i % columns]);
            let inside =
                |axis: usize| (place[axis] as i64 - start[axis] - frame * step[axis]).rem_euclid(12) < 4;
            pixels.push(if inside(0) && inside(1) { 1.0 } else { -0.25 });
        }
        let noise = |i: usize| unit(50, (video * frames * rows * columns + i) as u32) as f32 - 0.5;
        pixels.extend((0..frames * rows * columns).map(noise));
    }
    (Shape::from([count, 2, frames, rows, columns]), pixels, labels)
}

fn spec() -> TrainingSpec {
    TrainingSpec::new(Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 })
}

/// Counted by hand: 8 kernels over 2 channels, 12 over 8, 16 over 12, with 27 taps each.
#[test]
fn statistics_match_manual_counts() {
    let figures = statistics(&network().graph(1).unwrap());
    let layer = |name: &str| figures.layers.iter().find(|layer| layer.name == name).unwrap();
    assert_eq!(
        [8 * 2 * 27, 12 * 8 * 27, 16 * 12 * 27 + 16],
        ["conv1", "conv2", "conv3"].map(|name| layer(name).params)
    );
    assert_eq!(layer("conv1").cost.macs, 8 * 2 * 27 * 6 * 12 * 12);
    assert_eq!(layer("conv2").cost.macs, 12 * 8 * 27 * 6 * 6 * 6);
    assert_eq!(layer("conv3").output, Shape::from([1, 16, 3, 1, 1]));
    assert_eq!(layer("conv3").cost.neurons, 16 * 3);
    assert_eq!(layer("conv3").cost.connections, 16 * 3 * (12 * 27 + 1));
    assert_eq!(layer("conv1").receptive_field, [3, 3, 3]);
    assert_eq!(layer("conv2").receptive_field, [5, 8, 8]);
    // The first pool covers one frame and adds a row and a column; the second covers two frames and, at stride 2,
    // adds two rows and two columns.
    assert_eq!(layer("conv3").receptive_field, [10, 18, 18]);
}

#[test]
fn gradients_match_f64() {
    let (shape, pixels, labels) = videos(100, 3);
    let variables = Inference::initial_weights(&network(), 3).unwrap();
    let wide = |values: &[f32]| values.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
    let mut given: Values =
        variables.iter().map(|(name, (_, values))| (name.clone(), wide(values))).collect();
    given.insert("input".into(), wide(&pixels));
    given.insert("labels".into(), labels.iter().map(|label| *label as f64).collect());
    given.insert("rate".into(), vec![0.0]);
    let graph = training_graph(&network().graph_with_heads(&shape).unwrap(), &spec()).unwrap();
    let expected = Interpreter::run(&graph, &given);
    for isa in Isa::available() {
        let mut training = Training::new(network(), spec(), &shape, 3, Cpu::with_isa(2, isa)).unwrap();
        training.set_variables(&variables).unwrap();
        let loss = training.step(&shape, &pixels, &labels, 0.0, 0).unwrap();
        assert!((f64::from(loss) - expected.output(0)[0]).abs() < 1e-5, "{isa}");
        let gradients = training.variables(&[Role::Gradient]).unwrap();
        assert_eq!(gradients.len(), 10);
        for (name, (_, got)) in gradients {
            let expected = expected.get(&name);
            let largest = expected.iter().fold(1e-3f64, |most, x| most.max(x.abs()));
            for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
                let error = (f64::from(*got) - expected).abs();
                assert!(error <= 1e-4 * largest, "{isa}, {name}[{i}]: got {got}, expected {expected}");
            }
        }
    }
}

#[test]
fn network_learns_the_direction_of_motion() {
    let trained = |threads: usize| {
        let cpu = Cpu::with_isa(threads, Isa::available()[0]);
        let shape = videos(0, 16).0;
        let mut training = Training::new(network(), spec(), &shape, 1, cpu).unwrap();
        let step = |step: usize| {
            let (shape, pixels, labels) = videos(16 * step, 16);
            training.step(&shape, &pixels, &labels, 0.05, step as u64).unwrap()
        };
        let losses: Vec<f32> = (0..60).map(step).collect();
        (losses, training.variables(&[Role::Parameter, Role::Buffer]).unwrap())
    };
    let (losses, variables) = trained(2);
    let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len() as f32;
    assert!(mean(&losses[..5]) > 1.0 && mean(&losses[55..]) < 0.2, "{losses:?}");
    let same = trained(1);
    assert!(same.0 == losses && same.1 == variables, "results depend on the number of threads");
    let inference = Inference::new(network(), &variables, Cpu::with_isa(2, Isa::available()[0])).unwrap();
    let (shape, pixels, labels) = videos(5000, 100);
    let (_, scores) = inference.run(&shape, &pixels).unwrap();
    let best = |scores: &[f32]| (0..4).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap() as i64;
    let correct = scores.chunks(4).zip(&labels).filter(|(scores, label)| best(scores) == **label).count();
    assert!(correct >= 90, "{correct} of 100 new videos");
}
