//! The axes of a value in another order.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// Axes in another order: axis i of the output is axis `permutation[i]` of the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transpose {
    /// Each axis once.
    pub permutation: Vec<usize>,
}

impl Transpose {
    /// The transposition that undoes this one.
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
                "permutation {:?} does not name each axis of {} once",
                self.permutation, inputs[0]
            )));
        }
        Ok(Shape::new(self.permutation.iter().map(|axis| inputs[0][*axis]).collect::<Vec<_>>()))
    }
}
