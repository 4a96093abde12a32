//! Every k-th element of an axis, from a start.

use serde::{Deserialize, Serialize};
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// The `length` elements `start`, `start + step`, … of one axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// The axis to slice.
    pub axis: usize,
    /// The first element.
    pub start: usize,
    /// The number of elements.
    pub length: usize,
    /// The distance from one element to the next; negative to go backward.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub step: isize,
}

/// Gradient of a slice. Operand: dy; output: dx, zero outside the slice.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceGradient(pub Slice);

fn one() -> isize {
    1
}

fn is_one(step: &isize) -> bool {
    *step == 1
}

impl LayerOp for Slice {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        let Some(extent) = inputs[0].get(self.axis) else {
            return Err(Error::input(format!("axis {} is out of range for {}", self.axis, inputs[0])));
        };
        let steps = isize::try_from(self.length.saturating_sub(1)).ok();
        let distance = steps.and_then(|steps| steps.checked_mul(self.step));
        let last = distance.and_then(|distance| self.start.checked_add_signed(distance));
        let inside = self.start < *extent && last.is_some_and(|last| last < *extent);
        if self.length == 0 || self.step == 0 || !inside {
            return Err(Error::input(format!(
                "a slice of {} from {} in steps of {} exceeds axis {}, which has {extent}",
                counted(self.length, "element"),
                self.start,
                self.step,
                self.axis
            )));
        }
        let mut extents = inputs[0].to_vec();
        extents[self.axis] = self.length;
        Ok(Shape::new(extents))
    }
}
