//! Limits on every element: y = min(max(x, min), max).

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// Every element between two limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    /// The lower limit.
    pub min: f32,
    /// The upper limit.
    pub max: f32,
}

/// Gradient of the limits. Operands: x, dy; output: dx, which is dy where x lies between them.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipGradient(pub Clip);

impl LayerOp for Clip {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        if self.min.is_nan() || self.max.is_nan() || self.min > self.max {
            return Err(Error::input(format!("min {} is not at most max {}", self.min, self.max)));
        }
        Ok(inputs[0].clone())
    }
}
