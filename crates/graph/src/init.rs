//! Initial values of variables, as a pure function of seed and name.

use serde::{Deserialize, Serialize};
use striate_tensor::Shape;
use striate_tensor::random::{Random, Stream, philox};

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
    /// Normal with deviation √(2/fan_out); biases zero. He et al., ICCV 2015, as ResNet uses it.
    Kaiming,
    /// Normal with this deviation; biases zero. Krizhevsky et al., NIPS 2012.
    Normal {
        /// The standard deviation.
        deviation: f32,
    },
    /// The same value everywhere.
    #[serde(skip)]
    Constant(f32),
}

/// The first values of the variable `name` of `shape`; `fan` is (inputs, outputs) of a unit.
pub fn initial_values(init: Init, name: &str, shape: &Shape, fan: (usize, usize), seed: u64) -> Vec<f32> {
    let count = shape.numel();
    let mut random = Random::new(seed, Stream::Weights, name_key(name));
    let is_bias = shape.len() < 2;
    let (fan_in, fan_out) = (fan.0.max(1) as f32, fan.1.max(1) as f32);
    let mut uniform = |bound: f32| (0..count).map(|_| random.between(-bound, bound)).collect::<Vec<_>>();
    match init {
        Init::Constant(value) => vec![value; count],
        Init::Uniform => uniform(1.0 / fan_in.sqrt()),
        _ if is_bias => vec![0.0; count],
        Init::Xavier { gain } => uniform(gain * (6.0 / (fan_in + fan_out)).sqrt()),
        Init::Kaiming => normal(&mut random, count, (2.0 / fan_out).sqrt()),
        Init::Normal { deviation } => normal(&mut random, count, deviation),
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
