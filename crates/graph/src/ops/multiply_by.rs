//! Multiplication by a fixed factor: y = factor·x. Scales the residuals in Szegedy, Ioffe, Vanhoucke and Alemi,
//! AAAI 2017, section 3.3.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// Multiplies every element by a fixed factor. The gradient is the same operation on dy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiplyBy {
    /// The factor.
    pub factor: f32,
}

impl LayerOp for MultiplyBy {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        if !self.factor.is_finite() {
            return Err(Error::input(format!("factor {} is not finite", self.factor)));
        }
        Ok(inputs[0].clone())
    }
}
