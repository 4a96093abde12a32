//! Padding with a constant.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// Pads axis i with `before[i]` elements before the first and `after[i]` after the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    /// Number of elements before the first, for each axis.
    pub before: Vec<usize>,
    /// Number of elements after the last, for each axis.
    pub after: Vec<usize>,
    /// The value of the added elements.
    #[serde(default)]
    pub value: f32,
}

/// Gradient of padding. Operand: dy; output: dx, which is dy without the padding.
#[derive(Debug, Clone, PartialEq)]
pub struct PadGradient(pub Pad);

impl LayerOp for Pad {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        let (input, rank) = (inputs[0], inputs[0].len());
        if self.before.len() != rank || self.after.len() != rank {
            return Err(Error::input(format!(
                "before and after must have one number for each axis of {input}"
            )));
        }
        let sides = self.before.iter().zip(&self.after);
        let padded = |(extent, (before, after)): (&usize, (&usize, &usize))| {
            extent.checked_add(*before).and_then(|sum| sum.checked_add(*after))
        };
        let extents: Option<Vec<usize>> = input.iter().zip(sides).map(padded).collect();
        extents
            .map(Shape::new)
            .ok_or_else(|| Error::input("before and after are too large to add to the extents"))
    }
}
