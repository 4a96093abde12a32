//! The cells of the Neocognitrons against the formulas of 1980, evaluated in f64 cell by cell: in the compiled
//! networks, and in the layers that learn.

use striate_ancestors::neocognitron::{Geometry, Learner, Rule, Settings};
use striate_engine::{Cpu, Inference, Variables};
use striate_tensor::random::{Random, Stream};

/// Planes of cells.
struct Planes {
    extents: [usize; 3],
    values: Vec<f64>,
}

impl Planes {
    /// A value; 0 outside.
    fn at(&self, plane: usize, row: isize, column: isize) -> f64 {
        let [_, height, width] = self.extents;
        let inside = (0..height as isize).contains(&row) && (0..width as isize).contains(&column);
        if inside { self.values[(plane * height + row as usize) * width + column as usize] } else { 0.0 }
    }

    fn of(extents: [usize; 3], value: impl Fn(usize, isize, isize) -> f64) -> Planes {
        let [planes, height, width] = extents;
        let all = (0..planes * height * width)
            .map(|i| value(i / (height * width), (i / width % height) as isize, (i % width) as isize));
        Planes { extents, values: all.collect() }
    }
}

/// The weight of a tap of an area: falls linearly from its middle in both directions, or is the same for an even side.
fn weight(side: usize, y: usize, x: usize) -> f64 {
    if side.is_multiple_of(2) {
        return 1.0 / (side * side) as f64;
    }
    let half = side.div_ceil(2) as f64;
    let along = |tap: usize| (half - (tap as f64 - (half - 1.0)).abs()) / (half * half);
    along(y) * along(x)
}

/// The taps of an area with their distances from its first.
fn taps(side: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..side).flat_map(move |y| (0..side).map(move |x| (y, x)))
}

/// u_S = r·φ((1 + Σ a·u) / (1 + 2r / (1 + r)·b·v) − 1).
fn s_cells(u: &Planes, [a, b]: [&[f32]; 2], side: usize, padding: usize, r: f64) -> Planes {
    let [channels, height, width] = u.extents;
    let (before, more) = (padding as isize, 2 * padding + 1);
    Planes::of([b.len(), height + more - side, width + more - side], |plane, row, column| {
        let (mut excitation, mut square) = (0.0, 0.0);
        for k in 0..channels {
            for (y, x) in taps(side) {
                let value = u.at(k, row + y as isize - before, column + x as isize - before);
                excitation += f64::from(a[((plane * channels + k) * side + y) * side + x]) * value;
                square += weight(side, y, x) / channels as f64 * value * value;
            }
        }
        let inhibition = 2.0 * r / (1.0 + r) * f64::from(b[plane]) * square.sqrt();
        r * ((1.0 + excitation) / (1.0 + inhibition) - 1.0).max(0.0)
    })
}

/// u_C = ψ((1 + Σ d·u_S) / (1 + v_S) − 1), with ψ(x) = φ(x / (0.5 + x)) and v_S the mean of Σ d·u_S.
fn c_cells(u: &Planes, side: usize, stride: usize, padding: [usize; 2], strength: f64) -> Planes {
    let [planes, height, width] = u.extents;
    let extent = |length: usize| (length + padding.iter().sum::<usize>() - side) / stride + 1;
    let sum = |plane: usize, row: isize, column: isize| -> f64 {
        let first = |place: isize| place * stride as isize - padding[0] as isize;
        let of_tap = |(y, x): (usize, usize)| {
            weight(side, y, x) * u.at(plane, first(row) + y as isize, first(column) + x as isize)
        };
        strength * taps(side).map(of_tap).sum::<f64>()
    };
    Planes::of([planes, extent(height), extent(width)], |plane, row, column| {
        let v = (0..planes).map(|other| sum(other, row, column)).sum::<f64>() / planes as f64;
        let x = (1.0 + sum(plane, row, column)) / (1.0 + v) - 1.0;
        (x / (0.5 + x)).max(0.0)
    })
}

/// Side and padding of S-cells, r, and side, stride, padding and strength of C-cells.
type Stage = (usize, usize, f64, usize, usize, [usize; 2], f64);

const STAGES: [(&str, [Stage; 3], &[usize]); 2] = [
    (
        "neocognitron",
        [(5, 2, 4.0, 5, 2, [3, 4], 4.0), (5, 1, 1.5, 5, 2, [3, 4], 4.0), (5, 0, 1.5, 2, 1, [0, 0], 1.0)],
        &[16, 10, 8, 6, 2, 1],
    ),
    (
        "neocognitron-digits",
        [(5, 2, 3.0, 5, 2, [3, 4], 4.0), (3, 1, 1.0, 3, 2, [1, 1], 16.0), (5, 0, 1.0, 1, 1, [0, 0], 1.0)],
        &[16, 10, 10, 5, 1, 1],
    ),
];

/// Synapses that learn nothing, but answer.
fn weights(network: &striate_graph::Network) -> Variables {
    let mut weights = Inference::initial_weights(network, 5).unwrap();
    let mut random = Random::new(7, Stream::Other, 0);
    for (name, (shape, values)) in &mut weights {
        let fan_in = shape.numel() / shape[0];
        let largest = if name.ends_with("inhibition.weight") { 0.3 } else { 12.0 / fan_in as f32 };
        if name.starts_with('s') {
            values.iter_mut().for_each(|value| *value = largest * random.uniform());
        }
    }
    weights
}

#[test]
fn cells_of_networks_are_those_of_the_formulas() {
    for (name, stages, sides) in STAGES {
        let network = (striate_models::find(name).unwrap().build)().unwrap();
        let weights = weights(&network);
        let shape = network.input_shape(1);
        let mut random = Random::new(8, Stream::Other, 0);
        let input: Vec<f32> = (0..256).map(|_| (random.uniform() - 0.4).max(0.0)).collect();
        let whole = Inference::new(network, &weights, Cpu::new(2).unwrap()).unwrap();
        let values = input.iter().map(|x| f64::from(*x)).collect();
        let mut planes = Planes { extents: [1, 16, 16], values };
        let check = |layer: String, expected: &Planes, side: usize| {
            let (shape, got) = whole.until(&layer).unwrap().run(&shape, &input).unwrap();
            assert_eq!(shape[1..], expected.extents, "{name} {layer}");
            assert_eq!(shape[2..], [side; 2], "{name} {layer}");
            let largest = expected.values.iter().copied().fold(0.0, f64::max);
            assert!(largest > 1e-3, "{name} {layer} is silent");
            // Quotients near 1 are rounded before 1 is subtracted, so that small answers are less exact.
            let bound = 2e-5 * largest.max(0.1);
            for (got, expected) in got.iter().zip(&expected.values) {
                assert!((f64::from(*got) - expected).abs() <= bound, "{name} {layer}: {got}, not {expected}");
            }
        };
        for (index, (side, padding, r, area, stride, margin, strength)) in stages.into_iter().enumerate() {
            let number = index + 1;
            let of = |synapses: &str| &weights[&format!("s{number}.{synapses}.weight")].1[..];
            let s = s_cells(&planes, [of("excitation"), of("inhibition")], side, padding, r);
            check(format!("s{number}"), &s, sides[2 * index]);
            planes = c_cells(&s, area, stride, margin, strength);
            check(format!("c{number}"), &planes, sides[2 * index + 1]);
        }
    }
}

#[test]
fn cells_that_learn_answer_as_those_of_the_formulas() {
    let (input, side, padding, r) = ([3, 6, 7], 3, 1, 1.5);
    let geometry = Geometry { planes: 4, input, side, padding };
    let settings = Settings { rule: Rule::Representatives, speed: 16.0, column: 3, initial: 0.1, seed: 4 };
    let mut learner = Learner::new(geometry, r as f32, settings).unwrap();
    let mut random = Random::new(9, Stream::Other, 0);
    let mut pattern = || (0..3 * 6 * 7).map(|_| (random.uniform() - 0.5).max(0.0)).collect::<Vec<f32>>();
    for round in 0..20 {
        let [a, b] = learner.cells().synapses();
        let pattern = pattern();
        let u = Planes { extents: input, values: pattern.iter().map(|x| f64::from(*x)).collect() };
        let expected = s_cells(&u, [&a, &b], side, padding, r);
        learner.present(&pattern, 0).unwrap();
        // The answers before what the pattern changed.
        assert_eq!(learner.cells().answers().len(), expected.values.len());
        for (got, expected) in learner.cells().answers().iter().zip(&expected.values) {
            assert!((f64::from(*got) - expected).abs() < 1e-5, "round {round}: {got}, not {expected}");
        }
    }
    assert!(learner.presented().reinforced > 20);
}
