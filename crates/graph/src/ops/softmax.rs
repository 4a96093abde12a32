//! Softmax over the classes: yᵢ = e^xᵢ / Σ e^xⱼ.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// Softmax of scores `[N, K]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Softmax {}

/// Gradient of the softmax. Operands: its output y, dy; output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct SoftmaxGradient;

impl LayerOp for Softmax {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        if inputs[0].len() != 2 {
            return Err(Error::input(format!("takes scores [N, classes], not {}", inputs[0])));
        }
        Ok(inputs[0].clone())
    }
}
