//! Reshaping: the same elements in the same order, with other extents.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// Gives the same elements another shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reshape {
    /// The extents; 0 copies the input's extent at the same position (at the first, the batch), and a single
    /// −1 is inferred.
    pub shape: Vec<i64>,
}

impl Reshape {
    /// Reshapes to exactly these extents.
    pub fn to(shape: &Shape) -> Reshape {
        Reshape { shape: shape.iter().map(|extent| *extent as i64).collect() }
    }
}

impl LayerOp for Reshape {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        let input = inputs[0];
        let misfit = || Error::input(format!("cannot reshape {input} to {:?}", self.shape));
        let given = |(axis, extent): (usize, &i64)| match extent {
            -1 => Some(1),
            0 => input.get(axis).copied(),
            extent => usize::try_from(*extent).ok(),
        };
        let extents: Option<Vec<usize>> = self.shape.iter().enumerate().map(given).collect();
        let mut extents = extents.ok_or_else(misfit)?;
        let known = Shape::new(extents.clone()).checked_len()?;
        let total = input.checked_len()?;
        let inferred: Vec<usize> = (0..self.shape.len()).filter(|axis| self.shape[*axis] == -1).collect();
        match inferred[..] {
            [] if known == total => {}
            [axis] if known > 0 && total.is_multiple_of(known) => extents[axis] = total / known,
            _ => return Err(misfit()),
        }
        Ok(Shape::new(extents))
    }
}
