//! Gather along one axis.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// Gathers the elements at `indices`, which may repeat, along one axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gather {
    /// The axis.
    pub axis: usize,
    /// The indices of the gathered elements, in order.
    pub indices: Vec<usize>,
}

/// Gradient of a gather. Operand: dy; output: dx, for each element the sum over all places it was gathered to.
#[derive(Debug, Clone, PartialEq)]
pub struct GatherGradient(pub Gather);

impl LayerOp for Gather {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        let Some(extent) = inputs[0].get(self.axis).copied().filter(|_| self.axis > 0) else {
            let what = format!("axis {} is out of range for {}", self.axis, inputs[0]);
            return Err(Error::input(what));
        };
        if let Some(index) = self.indices.iter().find(|index| **index >= extent) {
            let what =
                format!("index {index} is out of range for the {extent} elements of axis {}", self.axis);
            return Err(Error::input(what));
        }
        let mut extents = inputs[0].to_vec();
        extents[self.axis] = self.indices.len();
        Ok(Shape::new(extents))
    }
}
