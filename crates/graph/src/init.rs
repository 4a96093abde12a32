//! Initial values of variables, as a pure function of seed and name.

use serde::{Deserialize, Serialize};
use striate_tensor::Shape;
use striate_tensor::random::{Random, Stream, philox};

use crate::ops::codes;

/// Inputs and outputs of the units that a variable's numbers belong to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fan {
    /// Inputs and outputs of a unit.
    pub unit: (usize, usize),
    /// Those of each row of the variable, where they differ.
    pub rows: Vec<(usize, usize)>,
}

impl From<(usize, usize)> for Fan {
    fn from(unit: (usize, usize)) -> Fan {
        Fan { unit, rows: Vec::new() }
    }
}

/// How a variable's first values are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Init {
    /// Uniform in ±1/√fan_in: PyTorch's default for convolution and linear layers.
    #[default]
    Uniform,
    /// Uniform in ±gain·√(6/(fan_in + fan_out)); biases zero. Glorot and Bengio, AISTATS 2010.
    Xavier {
        /// 1 for linear units, 5/3 for tanh.
        gain: f32,
    },
    /// Convolutions normal with deviation √(2/fan_out), linear layers uniform in ±1/√fan_in, biases zero.
    /// He et al., ICCV 2015, as torchvision's residual networks use it.
    Kaiming,
    /// Normal with this deviation; biases zero. Krizhevsky et al., NIPS 2012.
    Normal {
        /// The standard deviation.
        deviation: f32,
    },
    /// The same value everywhere.
    #[serde(skip)]
    Constant(f32),
    /// The codes of an RBF layer's units: see [`crate::ops::Rbf`].
    #[serde(skip)]
    Codes,
}

/// The first values of the variable `name` of `shape`.
pub fn initial_values(init: Init, name: &str, shape: &Shape, fan: &Fan, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed, Stream::Weights, name_key(name));
    let count = shape.numel();
    if init == Init::Codes {
        return codes(shape, || random.between(-1.0, 1.0));
    }
    let rows = if fan.rows.is_empty() { std::slice::from_ref(&fan.unit) } else { &fan.rows };
    let length = count / rows.len();
    let row = |unit: &(usize, usize)| draw(init, shape.len(), *unit, length, &mut random);
    rows.iter().flat_map(row).collect()
}

/// `count` numbers of a variable of `rank` axes, for units with `fan` inputs and outputs.
fn draw(init: Init, rank: usize, fan: (usize, usize), count: usize, random: &mut Random) -> Vec<f32> {
    let (fan_in, fan_out) = (fan.0.max(1) as f32, fan.1.max(1) as f32);
    let mut uniform = |bound: f32| (0..count).map(|_| random.between(-bound, bound)).collect::<Vec<_>>();
    match init {
        Init::Constant(value) => vec![value; count],
        Init::Uniform => uniform(1.0 / fan_in.sqrt()),
        Init::Codes => unreachable!("codes are drawn whole"),
        _ if rank < 2 => vec![0.0; count],
        Init::Xavier { gain } => uniform(gain * (6.0 / (fan_in + fan_out)).sqrt()),
        Init::Kaiming if rank == 2 => uniform(1.0 / fan_in.sqrt()),
        Init::Kaiming => normal(random, count, (2.0 / fan_out).sqrt()),
        Init::Normal { deviation } => normal(random, count, deviation),
    }
}

fn normal(random: &mut Random, count: usize, deviation: f32) -> Vec<f32> {
    (0..count).map(|_| deviation * random.normal()).collect()
}

/// A 64-bit key of a name, so that a variable's values depend on no other variable.
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
