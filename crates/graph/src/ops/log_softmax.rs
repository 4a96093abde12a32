//! Log-softmax over the classes: yᵢ = xᵢ − ln Σ e^xⱼ.

use serde::{Deserialize, Serialize};
use striate_tensor::{Result, Shape};

use super::{LayerOp, Softmax};

/// Log-softmax of scores `[N, K]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSoftmax {}

/// Gradient of the log-softmax. Operands: its output y, dy; output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSoftmaxGradient;

impl LayerOp for LogSoftmax {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        Softmax {}.output(inputs)
    }
}
