//! Concatenation along the channels, as of the branches in Szegedy et al., CVPR 2015.

use serde::{Deserialize, Serialize};
use striate_tensor::text::grouped;
use striate_tensor::{Error, Result, Shape};

use super::{LayerOp, Operands};

/// Concatenates values `[N, Cᵢ, H, W]` along the channels: `[N, ΣCᵢ, H, W]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concat {}

/// Gradient of a concatenation. Operand: dy; outputs: its slices, one for each part, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct ConcatGradient;

/// The maximum number of values that one layer can concatenate.
const MAX_PARTS: usize = 2048;

impl LayerOp for Concat {
    fn operands(&self) -> Operands {
        Operands::Many
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        let first = inputs[0];
        if inputs.len() > MAX_PARTS {
            let what =
                format!("concatenates {} values; the limit is {MAX_PARTS}", grouped(inputs.len() as u64));
            return Err(Error::input(what));
        }
        let fits =
            |other: &&&Shape| other.len() == first.len() && other[0] == first[0] && other[2..] == first[2..];
        if first.len() < 2 || !inputs.iter().all(|other| fits(&other)) {
            let shapes: Vec<String> = inputs.iter().map(ToString::to_string).collect();
            return Err(Error::input(format!("cannot concatenate {} along the channels", shapes.join(", "))));
        }
        let mut extents = first.to_vec();
        extents[1] = inputs.iter().map(|shape| shape[1]).sum();
        Ok(Shape::new(extents))
    }
}
