//! Elementwise arithmetic on two values, with NumPy's broadcasting: extents of 1 are repeated to match.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::{LayerOp, Operands};

/// Sum over the axes that broadcasting expanded: the gradient of a broadcast operand. Operand: dy; output: a
/// value whose shape broadcasts to that of dy, times `factor`.
#[derive(Debug, Clone, PartialEq)]
pub struct SumTo {
    /// 1, or −1 for a subtrahend.
    pub factor: f32,
}

/// Gradient of an elementwise maximum or minimum with respect to one operand. Operands: this operand, the other
/// one, dy; output: dy where this operand was selected, dy / 2 where both are equal, else 0.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtremumGradient {
    /// Whether the operation is the minimum.
    pub is_min: bool,
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
    Div,
    /// max(a, b)
    Max,
    /// min(a, b)
    Min
}

/// The shape to which `a` and `b` broadcast: aligned at the last extent, an extent of 1 matches any other.
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
            "{a} and {b} cannot be broadcast: corresponding extents must be equal, or one of them 1"
        ))
    })
}
