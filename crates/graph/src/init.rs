//! Initial values of variables as a pure function of seed and name.

use serde::{Deserialize, Serialize};
use striate_tensor::Shape;
use striate_tensor::random::{Random, Stream, philox};

use crate::ops::codes;

/// The fan-in and fan-out that a variable's initial values are scaled by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fan {
    /// Fan-in and fan-out of a unit.
    pub unit: (usize, usize),
    /// Fan-in and fan-out for each row of the variable, where they differ.
    pub rows: Vec<(usize, usize)>,
}

impl From<(usize, usize)> for Fan {
    fn from(unit: (usize, usize)) -> Fan {
        Fan { unit, rows: Vec::new() }
    }
}

/// How a variable's initial values are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Init {
    /// Uniform in ±1/√fan_in: PyTorch's default for convolution and linear layers.
    #[default]
    Uniform,
    /// Uniform in ±2.4/fan_in. LeCun et al., Proceedings of the IEEE 86(11), 1998, appendix A, which covers
    /// only weights; drawing biases the same way is our choice.
    Lecun,
    /// Uniform in ±gain·√(6/(fan_in + fan_out)); biases zero. Glorot and Bengio, AISTATS 2010.
    Xavier {
        /// 1 for linear units, 5/3 for tanh.
        gain: f32,
    },
    /// Convolutions normal with standard deviation √(2/fan_out), linear layers uniform in ±1/√fan_in, biases
    /// zero. He et al., ICCV 2015, as used by torchvision's residual networks.
    Kaiming,
    /// Normal with standard deviation √(2/fan_in) and zero biases: preserves the scale of activations through
    /// any number of ReLU layers without batch norm. He et al., ICCV 2015, equation 10.
    He,
    /// Normal with this standard deviation; biases zero. Krizhevsky et al., NIPS 2012.
    Normal {
        /// The standard deviation.
        deviation: f32,
    },
    /// The same value everywhere.
    #[serde(skip)]
    Constant(f32),
    /// Random connections: see [`crate::ops::Linear`].
    #[serde(skip)]
    Connections(usize),
    /// The codes of an RBF layer's units: see [`crate::ops::Rbf`].
    #[serde(skip)]
    Codes,
}

/// Draws the initial values of the variable `name` of `shape`.
pub fn initial_values(init: Init, name: &str, shape: &Shape, fan: &Fan, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed, Stream::Weights, name_key(name));
    let count = shape.numel();
    if init == Init::Codes {
        return codes(shape, || random.between(-1.0, 1.0));
    }
    if let Init::Connections(connections) = init {
        return connected(shape, connections, &mut random);
    }
    let rows = if fan.rows.is_empty() { std::slice::from_ref(&fan.unit) } else { &fan.rows };
    let length = count / rows.len();
    let row = |unit: &(usize, usize)| draw(init, shape.len(), *unit, length, &mut random);
    rows.iter().flat_map(row).collect()
}

/// Draws `count` values of a variable with `rank` axes, for units with fan-in and fan-out `fan`.
fn draw(init: Init, rank: usize, fan: (usize, usize), count: usize, random: &mut Random) -> Vec<f32> {
    let (fan_in, fan_out) = (fan.0.max(1) as f32, fan.1.max(1) as f32);
    let mut uniform = |bound: f32| (0..count).map(|_| random.between(-bound, bound)).collect::<Vec<_>>();
    match init {
        Init::Constant(value) => vec![value; count],
        Init::Uniform => uniform(1.0 / fan_in.sqrt()),
        Init::Lecun => uniform(2.4 / fan_in),
        Init::Codes | Init::Connections(_) => unreachable!("are drawn by the caller"),
        _ if rank < 2 => vec![0.0; count],
        Init::Xavier { gain } => uniform(gain * (6.0 / (fan_in + fan_out)).sqrt()),
        Init::Kaiming if rank == 2 => uniform(1.0 / fan_in.sqrt()),
        Init::Kaiming => normal(random, count, (2.0 / fan_out).sqrt()),
        Init::He => normal(random, count, (2.0 / fan_in).sqrt()),
        Init::Normal { deviation } => normal(random, count, deviation),
    }
}

/// For each row of a matrix, weights of 1 and −1 in turn for `connections` inputs, and 0 for all others.
fn connected(shape: &Shape, connections: usize, random: &mut Random) -> Vec<f32> {
    let inputs = shape[1];
    let mut values = vec![0.0; shape.numel()];
    let mut places: Vec<usize> = (0..inputs).collect();
    for row in values.chunks_exact_mut(inputs.max(1)) {
        random.shuffle(&mut places);
        for (rank, place) in places.iter().take(connections).enumerate() {
            row[*place] = if rank % 2 == 0 { 1.0 } else { -1.0 };
        }
    }
    values
}

fn normal(random: &mut Random, count: usize, deviation: f32) -> Vec<f32> {
    (0..count).map(|_| deviation * random.normal()).collect()
}

/// A 64-bit hash of a name, which makes a variable's values independent of all other variables.
pub(crate) fn name_key(name: &str) -> u64 {
    let mut state = [0x5374_7269u32, 0x6174_6531, name.len() as u32, 0];
    for chunk in name.as_bytes().chunks(8) {
        let mut bytes = [0u8; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        let word = u64::from_le_bytes(bytes);
        state = philox([word as u32, (word >> 32) as u32], state);
    }
    u64::from(state[0]) | u64::from(state[1]) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fan-in and fan-out of the kernels below.
    const FAN: (usize, usize) = (32 * 9, 64 * 9);

    fn drawn(init: Init, shape: &[usize]) -> Vec<f32> {
        initial_values(init, "layer.weight", &Shape::new(shape.to_vec()), &FAN.into(), 3)
    }

    fn deviation(values: &[f32]) -> f64 {
        let mean = values.iter().map(|x| f64::from(*x)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 2e-3, "the mean is {mean}");
        (values.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    }

    fn largest(values: &[f32]) -> f64 {
        values.iter().fold(0.0, |most, x| f64::from(x.abs()).max(most))
    }

    /// The bound of a uniform distribution is √3 times its standard deviation.
    #[test]
    fn uniform_initializations_fill_their_range() {
        for (init, shape, bound) in [
            (Init::Uniform, &[64, 32, 3, 3][..], (1.0f64 / 288.0).sqrt()),
            (Init::Uniform, &[20_000], (1.0f64 / 288.0).sqrt()),
            (Init::Lecun, &[64, 32, 3, 3], 2.4 / 288.0),
            (Init::Lecun, &[20_000], 2.4 / 288.0),
            (Init::Xavier { gain: 5.0 / 3.0 }, &[64, 32, 3, 3], 5.0 / 3.0 * (6.0f64 / 864.0).sqrt()),
            (Init::Kaiming, &[200, 100], (1.0f64 / 288.0).sqrt()),
        ] {
            let values = drawn(init, shape);
            assert!(largest(&values) <= bound * 1.000_001, "{init:?}");
            assert!((deviation(&values) / bound * 3f64.sqrt() - 1.0).abs() < 0.02, "{init:?}");
        }
    }

    #[test]
    fn normal_initializations_have_their_deviation_and_tails() {
        for (init, shape, expected) in [
            (Init::Kaiming, &[64, 32, 3, 3][..], (2.0f64 / 576.0).sqrt()),
            (Init::He, &[64, 32, 3, 3], (2.0f64 / 288.0).sqrt()),
            (Init::He, &[200, 100], (2.0f64 / 288.0).sqrt()),
            (Init::Normal { deviation: 0.01 }, &[64, 32, 3, 3], 0.01),
            (Init::Normal { deviation: 0.01 }, &[200, 100], 0.01),
        ] {
            let values = drawn(init, shape);
            assert!((deviation(&values) / expected - 1.0).abs() < 0.02, "{init:?}");
            assert!(largest(&values) > 3.0 * expected, "{init:?}");
        }
    }

    #[test]
    fn random_connections_are_as_many_as_asked_and_balanced() {
        let values = drawn(Init::Connections(5), &[200, 40]);
        for row in values.chunks_exact(40) {
            let count = |weight: f32| row.iter().filter(|value| **value == weight).count();
            assert_eq!([count(1.0), count(-1.0), count(0.0)], [3, 2, 35]);
        }
        // Each input is chosen by about 200 · 5 / 40 = 25 units.
        let chosen =
            |input: usize| values.iter().skip(input).step_by(40).filter(|value| **value != 0.0).count();
        assert!((0..40).all(|input| (8..=45).contains(&chosen(input))));
    }

    #[test]
    fn biases_are_zero_except_for_uniform_and_lecun() {
        for init in [Init::Xavier { gain: 1.0 }, Init::Kaiming, Init::He, Init::Normal { deviation: 0.01 }] {
            assert!(drawn(init, &[64]).iter().all(|bias| *bias == 0.0), "{init:?}");
        }
        for init in [Init::Uniform, Init::Lecun] {
            assert!(drawn(init, &[64]).iter().all(|bias| *bias != 0.0), "{init:?}");
        }
    }
}
