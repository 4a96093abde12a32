//! Clipping of every element: y = min(max(x, min), max).

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// Clips every element to a range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    /// The lower bound.
    pub min: f32,
    /// The upper bound.
    pub max: f32,
}

/// Gradient of clipping. Operands: x, dy; output: dx, which is dy where x is within the range, else 0.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipGradient(pub Clip);

impl LayerOp for Clip {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        if self.min.is_nan() || self.max.is_nan() || self.min > self.max {
            return Err(Error::input(format!("min {} must not exceed max {}", self.min, self.max)));
        }
        Ok(inputs[0].clone())
    }
}
