//! Every k-th element of an axis from a start on.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// Elements `start`, `start + step`, … of one axis, `length` of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// The axis that is cut.
    pub axis: usize,
    /// The first element.
    pub start: usize,
    /// How many are taken.
    pub length: usize,
    /// From one to the next; negative backwards.
    #[serde(default = "forwards", skip_serializing_if = "is_forwards")]
    pub step: isize,
}

/// Gradient of a slice. Operand: dy; output: dx, zero beside the slice.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceGradient(pub Slice);

fn forwards() -> isize {
    1
}

fn is_forwards(step: &isize) -> bool {
    *step == 1
}

impl LayerOp for Slice {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        let Some(extent) = inputs[0].get(self.axis) else {
            return Err(Error::input(format!("axis {} is none of {}", self.axis, inputs[0])));
        };
        let steps = isize::try_from(self.length.saturating_sub(1)).ok();
        let way = steps.and_then(|steps| steps.checked_mul(self.step));
        let last = way.and_then(|way| self.start.checked_add_signed(way));
        let inside = self.start < *extent && last.is_some_and(|last| last < *extent);
        if self.length == 0 || self.step == 0 || !inside {
            return Err(Error::input(format!(
                "{} elements from {} in steps of {} do not lie within the {extent} of axis {}",
                self.length, self.start, self.step, self.axis
            )));
        }
        let mut extents = inputs[0].to_vec();
        extents[self.axis] = self.length;
        Ok(Shape::new(extents))
    }
}
