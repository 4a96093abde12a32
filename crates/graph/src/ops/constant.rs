//! A stored value, learned or fixed, that other layers read like data.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

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
    /// The initial value of all elements.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub initial: f32,
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

impl LayerOp for Constant {
    fn operands(&self) -> Operands {
        Operands::None
    }

    fn output(&self, _inputs: &[&Shape]) -> Result<Shape> {
        if !self.initial.is_finite() {
            return Err(Error::input("initial must be a finite number"));
        }
        Ok(Shape::new(self.shape.clone()))
    }

    fn variables(&self, _inputs: &[&Shape]) -> Vec<VariableSpec> {
        vec![VariableSpec {
            name: "value",
            shape: Shape::new(self.shape.clone()),
            role: if self.trained { Role::Parameter } else { Role::Buffer },
            init: Some(Init::Constant(self.initial)),
            fan: (1, 1).into(),
        }]
    }
}
