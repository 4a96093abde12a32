//! Sum of two values of the same shape: the shortcut of He et al., CVPR 2016.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::{LayerOp, Operands};

/// Sum of two values of the same shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {}

impl LayerOp for Add {
    fn operands(&self) -> Operands {
        Operands::Two
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        if inputs[0] == inputs[1] {
            Ok(inputs[0].clone())
        } else {
            Err(Error::input(format!("cannot add {} and {}", inputs[0], inputs[1])))
        }
    }
}
