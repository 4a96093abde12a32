//! Chosen elements of one axis, in any order.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// The elements of one axis at `indices`, which may repeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gather {
    /// The axis.
    pub axis: usize,
    /// Which of its elements are taken, in this order.
    pub indices: Vec<usize>,
}

/// Gradient of chosen elements. Operand: dy; output: dx, the sum over all places that an element went to.
#[derive(Debug, Clone, PartialEq)]
pub struct GatherGradient(pub Gather);

impl LayerOp for Gather {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        let Some(extent) = inputs[0].get(self.axis).copied().filter(|_| self.axis > 0) else {
            let what = format!("axis {} is not one of {} behind the batch", self.axis, inputs[0]);
            return Err(Error::input(what));
        };
        if let Some(index) = self.indices.iter().find(|index| **index >= extent) {
            let what = format!("index {index} is not below the {extent} elements of axis {}", self.axis);
            return Err(Error::input(what));
        }
        let mut extents = inputs[0].to_vec();
        extents[self.axis] = self.indices.len();
        Ok(Shape::new(extents))
    }
}
