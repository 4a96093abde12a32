//! A stored value, learned or fixed, that other layers read like data.

use serde::{Deserialize, Serialize};
use striate_tensor::{Result, Shape};

use super::{LayerOp, Operands, VariableSpec, is_false};
use crate::Init;
use crate::graph::Role;

/// A variable used as a value. Operand: `value`, of `shape`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// The extents, which do not depend on the batch.
    pub shape: Vec<usize>,
    /// Whether training updates it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub trained: bool,
}

impl LayerOp for Constant {
    fn operands(&self) -> Operands {
        Operands::None
    }

    fn output(&self, _inputs: &[&Shape]) -> Result<Shape> {
        Ok(Shape::new(self.shape.clone()))
    }

    fn variables(&self, _inputs: &[&Shape]) -> Vec<VariableSpec> {
        vec![VariableSpec {
            name: "value",
            shape: Shape::new(self.shape.clone()),
            role: if self.trained { Role::Parameter } else { Role::Buffer },
            init: Some(Init::Constant(0.0)),
            fan: (1, 1).into(),
        }]
    }
}
