//! Matrix product of two values: y\[…, i, j\] = Σ over k of a\[…, i, k\] · b\[…, k, j\].

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::arithmetic::broadcast;
use super::{Cost, LayerOp, Operands};

/// Product of `[…, M, K]` and `[…, K, N]`; the leading extents are broadcast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct MatMul {
    /// Whether the first operand is `[…, K, M]`; set in gradients.
    #[serde(skip)]
    pub transpose_a: bool,
    /// Whether the second operand is `[…, N, K]`; set in gradients.
    #[serde(skip)]
    pub transpose_b: bool,
}

impl MatMul {
    /// Rows and columns of the product of `a` and `b`, if they fit.
    fn sides(&self, a: &Shape, b: &Shape) -> Option<[usize; 2]> {
        let (rows, inner) = matrix(a, self.transpose_a)?;
        let (height, columns) = matrix(b, self.transpose_b)?;
        (inner == height).then_some([rows, columns])
    }
}

fn matrix(shape: &Shape, transposed: bool) -> Option<(usize, usize)> {
    match **shape {
        [.., columns, rows] if transposed => Some((rows, columns)),
        [.., rows, columns] => Some((rows, columns)),
        _ => None,
    }
}

impl LayerOp for MatMul {
    fn operands(&self) -> Operands {
        Operands::Two
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        let [a, b] = [inputs[0], inputs[1]];
        let misfit = || Error::input(format!("cannot multiply matrices {a} and {b}"));
        let sides = self.sides(a, b).ok_or_else(misfit)?;
        let outer = |shape: &Shape| Shape::new(&shape[..shape.len() - 2]);
        let outer = broadcast(&outer(a), &outer(b)).map_err(|_| misfit())?;
        Ok(Shape::new([&*outer, &sides].concat()))
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        let units = output.numel() as u64;
        let macs = units * self.terms(inputs) as u64;
        Cost { macs, connections: macs, neurons: units }
    }

    fn terms(&self, inputs: &[&Shape]) -> usize {
        matrix(inputs[0], self.transpose_a).map_or(1, |(_, inner)| inner)
    }
}
