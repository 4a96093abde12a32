//! Logarithms of probabilities from scores: yᵢ = xᵢ − ln Σ e^xⱼ, over the classes.

use serde::{Deserialize, Serialize};
use striate_tensor::{Result, Shape};

use super::{LayerOp, Softmax};

/// Logarithms of probabilities from scores `[N, K]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSoftmax {}

/// Gradient of the logarithms. Operands: their output y, dy; output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSoftmaxGradient;

impl LayerOp for LogSoftmax {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        Softmax {}.output(inputs)
    }
}
