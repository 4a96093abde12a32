//! Mean over axes.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// Mean over axes, which are kept with extent 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReduceMean {
    /// The axes over which the mean is taken.
    pub axes: Vec<usize>,
}

/// Gradient of a mean. Operand: dy; output: dx, in which each element of a mean gets the same share.
#[derive(Debug, Clone, PartialEq)]
pub struct ReduceMeanGradient;

impl LayerOp for ReduceMean {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        let mut extents = inputs[0].to_vec();
        for axis in &self.axes {
            let place = extents.get_mut(*axis);
            *place.ok_or_else(|| Error::input(format!("axis {axis} is out of range for {}", inputs[0])))? = 1;
        }
        Ok(Shape::new(extents))
    }
}
