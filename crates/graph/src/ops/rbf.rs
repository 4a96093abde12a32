//! Output units that compare their input with fixed codes: y\[k\] = −Σ (x\[i\] − code\[k, i\])².
//!
//! LeCun et al., Proc. IEEE 86(11), 1998, section II.B, where the sum is a penalty. Its sign is flipped
//! here so that the best class has the highest score, as everywhere else.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::{Cost, LayerOp, VariableSpec};
use crate::Init;
use crate::graph::Role;

/// Euclidean radial basis functions. Operands: x `[N, I]`, codes `[K, I]`, a buffer that is not trained;
/// output `[N, K]`.
///
/// With 84 inputs the first ten codes are bitmaps of the digits; all others are drawn from ±1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rbf {
    /// Number of units of the layer.
    pub out_features: usize,
}

/// Gradient. Operands: x, codes, dy; output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct RbfGradient;

impl LayerOp for Rbf {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        match **inputs[0] {
            [n, i] if i > 0 && self.out_features > 0 => Ok(Shape::from([n, self.out_features])),
            [_, _] => Err(Error::input("out_features and the input's features must be at least 1")),
            _ => Err(Error::input(format!("takes rows [N, features], not {}", inputs[0]))),
        }
    }

    fn variables(&self, inputs: &[&Shape]) -> Vec<VariableSpec> {
        vec![VariableSpec {
            name: "codes",
            shape: Shape::from([self.out_features, inputs[0][1]]),
            role: Role::Buffer,
            init: Some(Init::Codes),
            fan: (inputs[0][1], self.out_features).into(),
        }]
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        let units = output.numel() as u64;
        let connections = units * inputs[0][1] as u64;
        Cost { macs: connections, connections, neurons: units }
    }

    fn terms(&self, inputs: &[&Shape]) -> usize {
        inputs[0][1]
    }
}
