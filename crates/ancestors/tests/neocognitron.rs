//! Layers of S-cells learn what `scripts/reference/neocognitron_numpy.py` computes.

use serde::Deserialize;
use striate_ancestors::neocognitron::{Geometry, Learner, Rule, SCells, Settings, representatives};

const INPUT: [usize; 3] = [2, 7, 6];
const GEOMETRY: Geometry = Geometry { planes: 8, input: INPUT, side: 3, padding: 1 };
const PATTERNS: usize = 60;

#[derive(Deserialize)]
struct Expected {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    rule: String,
    selectivity: f32,
    speed: f32,
    column: usize,
    used: usize,
    excitation: Vec<f64>,
    inhibition: Vec<f64>,
}

/// Numbers in [0, 1) from multiples of the golden ratio.
fn number(index: usize) -> f64 {
    (index as f64 * 0.618_033_988_749_894_9) % 1.0
}

fn pattern(index: usize) -> Vec<f32> {
    let kind = index % 4;
    let [cy, cx] = [1 + (index * 3) % 5, 1 + (index * 5) % 4].map(|center| center as f64);
    let [across, along] = if kind < 2 { [1.0, 9.0] } else { [9.0, 1.0] };
    let value = |at: usize| {
        let [channel, y, x] = [at / 42, at / 6 % 7, at % 6];
        let blob = (-(y as f64 - cy).powi(2) / across - (x as f64 - cx).powi(2) / along).exp();
        let strength = if channel == 0 { 1.0 } else { (kind % 2) as f64 };
        let value = blob * strength + 0.05 * number(100 * index + at);
        if value < 0.2 { 0.0 } else { value as f32 }
    };
    (0..INPUT.iter().product()).map(value).collect()
}

fn learned(case: &Case) -> SCells {
    let rule = match case.rule.as_str() {
        "generation" => Rule::Generation,
        "labels" => Rule::Labels,
        _ => return reinforced(case),
    };
    let settings = Settings { rule, speed: case.speed, column: case.column, initial: 0.1, seed: 0 };
    let mut learner = Learner::new(GEOMETRY, case.selectivity, settings).unwrap();
    (0..PATTERNS).for_each(|index| learner.present(&pattern(index), index % 3).unwrap());
    learner.cells().clone()
}

/// The rule of 1980 from its parts, with weak synapses by formula.
fn reinforced(case: &Case) -> SCells {
    let mut cells = SCells::new(GEOMETRY, case.selectivity).unwrap();
    let mut next = 7;
    cells.begin(|| {
        next += 1;
        (0.1 * number(next - 1)) as f32
    });
    for pattern in (0..PATTERNS).map(pattern) {
        cells.answer(&pattern);
        for one in representatives(cells.answers(), GEOMETRY.extents(), case.column) {
            cells.reinforce(one.plane, one.position, &pattern, case.speed);
        }
    }
    cells
}

#[test]
fn synapses_are_those_of_numpy() {
    let expected: Expected = serde_json::from_str(include_str!("neocognitron.json")).unwrap();
    assert_eq!(expected.cases.len(), 4);
    for case in expected.cases {
        let cells = learned(&case);
        assert_eq!(cells.used(), case.used, "{}", case.rule);
        for (got, expected) in cells.synapses().iter().zip([&case.excitation, &case.inhibition]) {
            assert_eq!(got.len(), expected.len());
            let largest = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
                let difference = (f64::from(*got) - expected).abs();
                assert!(difference < 1e-5 * largest, "{} {index}: {got}, not {expected}", case.rule);
            }
        }
    }
}
