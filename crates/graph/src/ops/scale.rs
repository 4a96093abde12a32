//! A trainable coefficient, and a bias if wanted, for each channel: y = w\[c\]·x + b\[c\].
//!
//! Behind a mean over windows it makes the subsampling of LeCun et al., Proc. IEEE 86(11), 1998, section
//! II.B; behind a batch norm of Caffe's the scale layer.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::{Cost, LayerOp, VariableSpec, is_true, yes};
use crate::Init;
use crate::graph::Role;

/// A coefficient for each channel. Operands: x `[N, C, H, W]` or `[N, C]`, weight `[C]`, bias `[C]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Whether each channel has a bias.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub bias: bool,
}

impl LayerOp for Scale {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        if inputs[0].len() < 2 {
            return Err(Error::input(format!("takes [N, C, H, W] or [N, C], not {}", inputs[0])));
        }
        Ok(inputs[0].clone())
    }

    fn variables(&self, inputs: &[&Shape]) -> Vec<VariableSpec> {
        let variable = |name, value| VariableSpec {
            name,
            shape: Shape::from([inputs[0][1]]),
            role: Role::Parameter,
            init: Some(Init::Constant(value)),
            fan: (1, 1).into(),
        };
        let mut variables = vec![variable("weight", 1.0)];
        variables.extend(self.bias.then(|| variable("bias", 0.0)));
        variables
    }

    /// A coefficient shares the connections of the units before it; a bias is one more for each.
    fn cost(&self, _inputs: &[&Shape], output: &Shape) -> Cost {
        Cost { connections: if self.bias { output.numel() as u64 } else { 0 }, ..Cost::default() }
    }
}
