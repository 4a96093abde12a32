//! Arithmetic of two values, element by element, extents of 1 stretched to fit: NumPy's broadcasting.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::{LayerOp, Operands};

/// Sum over what broadcasting repeated: the gradient of a stretched operand. Operand: dy; output: a value
/// whose shape broadcasts to dy's, times `factor`.
#[derive(Debug, Clone, PartialEq)]
pub struct SumTo {
    /// 1, or −1 for what was subtracted.
    pub factor: f32,
}

macro_rules! arithmetic {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {}

        impl LayerOp for $name {
            fn operands(&self) -> Operands {
                Operands::Two
            }

            fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
                broadcast(inputs[0], inputs[1])
            }
        }
    )*};
}

arithmetic! {
    /// a + b: the shortcut of He et al., CVPR 2016.
    Add,
    /// a − b
    Sub,
    /// a · b
    Mul,
    /// a / b
    Div
}

/// The shape of what `a` and `b` give together: aligned at the last extent, an extent of 1 fits any.
pub(super) fn broadcast(a: &Shape, b: &Shape) -> Result<Shape> {
    let rank = a.len().max(b.len());
    let extent = |shape: &Shape, axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let together = |axis: usize| match (extent(a, axis), extent(b, axis)) {
        (x, y) if x == y => Some(x),
        (1, other) | (other, 1) => Some(other),
        _ => None,
    };
    let extents: Option<Vec<usize>> = (0..rank).map(together).collect();
    extents.map(Shape::new).ok_or_else(|| {
        Error::input(format!(
            "{a} and {b} do not fit together: each extent must be equal, or 1 in one of them"
        ))
    })
}
