//! The same elements, in the same order, under another shape.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// Another shape for the same elements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reshape {
    /// The extents; 0 takes over the input's extent at the same place (the batch, at the first), and one
    /// −1 is whatever remains.
    pub shape: Vec<i64>,
}

impl Reshape {
    /// To exactly these extents.
    pub fn to(shape: &Shape) -> Reshape {
        Reshape { shape: shape.iter().map(|extent| *extent as i64).collect() }
    }
}

impl LayerOp for Reshape {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        let input = inputs[0];
        let misfit = || Error::input(format!("the elements of {input} have no shape {:?}", self.shape));
        let given = |(place, extent): (usize, &i64)| match extent {
            -1 => Some(1),
            0 => input.get(place).copied(),
            extent => usize::try_from(*extent).ok(),
        };
        let extents: Option<Vec<usize>> = self.shape.iter().enumerate().map(given).collect();
        let mut extents = extents.ok_or_else(misfit)?;
        let known = Shape::new(extents.clone()).checked_len()?;
        let total = input.checked_len()?;
        let open: Vec<usize> = (0..self.shape.len()).filter(|place| self.shape[*place] == -1).collect();
        match open[..] {
            [] if known == total => {}
            [place] if known > 0 && total.is_multiple_of(known) => extents[place] = total / known,
            _ => return Err(misfit()),
        }
        Ok(Shape::new(extents))
    }
}
