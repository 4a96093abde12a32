//! Permutation of the axes of a value.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// Permutes the axes: axis i of the output is axis `permutation[i]` of the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transpose {
    /// A permutation of the axes.
    pub permutation: Vec<usize>,
}

impl Transpose {
    /// Returns the inverse transposition.
    pub fn inverse(&self) -> Transpose {
        let mut permutation = vec![0; self.permutation.len()];
        self.permutation.iter().enumerate().for_each(|(to, from)| permutation[*from] = to);
        Transpose { permutation }
    }
}

impl LayerOp for Transpose {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        let rank = inputs[0].len();
        let mut sorted = self.permutation.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..rank) {
            return Err(Error::input(format!(
                "permutation {:?} must list each axis of {} exactly once",
                self.permutation, inputs[0]
            )));
        }
        Ok(Shape::new(self.permutation.iter().map(|axis| inputs[0][*axis]).collect::<Vec<_>>()))
    }
}
