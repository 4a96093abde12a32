//! Flattening of all axes but the batch, in the order channel, row, column.

use serde::{Deserialize, Serialize};
use striate_tensor::{Result, Shape};

use super::{LayerOp, Window};

/// Flattens `[N, C, H, W]` to `[N, C·H·W]`, and values of other ranks accordingly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl LayerOp for Flatten {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        let rest = Shape::new(inputs[0].get(1..).unwrap_or_default()).checked_len()?;
        Ok(Shape::from([inputs[0].first().copied().unwrap_or(1), rest]))
    }

    fn terms(&self, _inputs: &[&Shape]) -> usize {
        1
    }

    fn window(&self, input: &Shape) -> Option<Window> {
        // Each unit of the next layer sees the whole map.
        Some(Window::whole(input))
    }
}
