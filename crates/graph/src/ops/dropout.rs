//! Dropout: in training, each element becomes zero with probability p and is divided by 1 − p otherwise; in
//! inference it does nothing. Srivastava et al., JMLR 15, 2014 (inverted form).

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// Dropout. Operands in training: x, seed `[1]` i64, step `[1]` i64. The gradient is the same operation
/// on dy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Probability that an element becomes zero.
    pub probability: f32,
    /// Makes the masks of a network's layers independent; set by the training graph.
    #[serde(skip)]
    pub salt: u64,
}

impl LayerOp for Dropout {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        if !(0.0..1.0).contains(&self.probability) {
            return Err(Error::input(format!("probability {} is not in [0, 1)", self.probability)));
        }
        Ok(inputs[0].clone())
    }
}
