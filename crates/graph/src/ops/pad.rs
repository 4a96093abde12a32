//! A border of one value around a value.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// A border: `before[i]` elements before and `after[i]` behind those of axis i.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    /// Elements before the first, for each axis.
    pub before: Vec<usize>,
    /// Elements behind the last, for each axis.
    pub after: Vec<usize>,
    /// What the border holds.
    #[serde(default)]
    pub value: f32,
}

/// Gradient of a border. Operand: dy; output: dx, which is dy without the border.
#[derive(Debug, Clone, PartialEq)]
pub struct PadGradient(pub Pad);

impl LayerOp for Pad {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        let (input, rank) = (inputs[0], inputs[0].len());
        if self.before.len() != rank || self.after.len() != rank {
            return Err(Error::input(format!("before and after give no border for each axis of {input}")));
        }
        let sides = self.before.iter().zip(&self.after);
        let padded = |(extent, (before, after)): (&usize, (&usize, &usize))| {
            extent.checked_add(*before).and_then(|sum| sum.checked_add(*after))
        };
        let extents: Option<Vec<usize>> = input.iter().zip(sides).map(padded).collect();
        extents.map(Shape::new).ok_or_else(|| Error::input("before or after is absurdly large"))
    }
}
