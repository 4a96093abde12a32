//! A trainable coefficient and an optional bias for each channel: y = w\[c\]·x + b\[c\].
//!
//! After an average pool it forms the subsampling layer of LeCun et al., Proc. IEEE 86(11), 1998, section
//! II.B; after a batch norm it is Caffe's scale layer.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::{Cost, LayerOp, VariableSpec, is_true, yes};
use crate::Init;
use crate::graph::Role;

/// Multiplication by a coefficient for each channel. Operands: x `[N, C, H, W]` or `[N, C]`, weight `[C]`, bias `[C]`.
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

    /// The coefficients share the connections of the preceding units; a bias adds one for each unit.
    fn cost(&self, _inputs: &[&Shape], output: &Shape) -> Cost {
        Cost { connections: if self.bias { output.numel() as u64 } else { 0 }, ..Cost::default() }
    }
}
