//! Batch normalization: y = γ·(x − μ)/√(σ² + ε) + β, with the mean and variance of the batch per channel in
//! training and running averages in inference. Ioffe and Szegedy, ICML 2015.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::{Activation, LayerOp, VariableSpec, check_bias_init};
use crate::Init;
use crate::graph::Role;

/// Batch normalization over N, H and W. Operands: x `[N, C, H, W]` or `[N, C]`, then weight γ, bias
/// β, running_mean and running_var, all `[C]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// Added to the variance.
    #[serde(default = "epsilon")]
    pub epsilon: f32,
    /// Weight of the new batch in the running statistics.
    #[serde(default = "momentum")]
    pub momentum: f32,
    /// Initial value of all biases, if not 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias_init: Option<f32>,
}

/// The training form. Operands: x, γ, β, the optional residual; outputs: y, mean, 1/√(σ² + ε), running_mean,
/// running_var (the last two updated in place, the variance unbiased).
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNormTraining {
    /// The layer.
    pub norm: BatchNorm,
    /// Whether a residual is added before the activation; set by fusion.
    pub residual: bool,
    /// Applied to y; set by fusion.
    pub activation: Activation,
}

/// Gradient. Operands: x, dy, γ, mean, 1/√(σ² + ε), with an activation also β; outputs: dx, dγ, dβ.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNormGradient {
    /// The layer.
    pub norm: BatchNorm,
    /// The activation of y, without a residual; set by fusion. dy is then the gradient of its result.
    pub activation: Activation,
}

/// Gradient of y = activation(norm(x) + residual); made by fusion. Operands: x, dy, γ, mean, 1/√(σ² + ε), y and, if dy
/// is a sum, its second addend; outputs: dx, dγ, dβ, and the gradient of the residual.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNormResidualGradient {
    /// The layer.
    pub norm: BatchNorm,
    /// Applied to the sum.
    pub activation: Activation,
    /// Whether dy is the sum of two operands.
    pub is_sum: bool,
}

/// Folds a batch norm into the weight and bias of the preceding convolution. Operands: weight, γ, β,
/// running_mean, running_var, and the convolution's bias if it has one; outputs: weight, bias.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldBatchNorm {
    /// Added to the variance.
    pub epsilon: f32,
}

fn epsilon() -> f32 {
    1e-5
}

fn momentum() -> f32 {
    0.1
}

impl Default for BatchNorm {
    fn default() -> Self {
        BatchNorm { epsilon: epsilon(), momentum: momentum(), bias_init: None }
    }
}

impl LayerOp for BatchNorm {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        if inputs[0].len() < 2 {
            return Err(Error::input(format!("takes [N, C, H, W] or [N, C], not {}", inputs[0])));
        }
        if !(self.epsilon > 0.0 && self.epsilon.is_finite() && (0.0..=1.0).contains(&self.momentum)) {
            return Err(Error::input("epsilon must be positive and momentum between 0 and 1"));
        }
        check_bias_init(true, self.bias_init)?;
        Ok(inputs[0].clone())
    }

    fn variables(&self, inputs: &[&Shape]) -> Vec<VariableSpec> {
        let variable = |name, role, value| VariableSpec {
            name,
            shape: Shape::from([inputs[0][1]]),
            role,
            init: Some(Init::Constant(value)),
            fan: (1, 1).into(),
        };
        vec![
            variable("weight", Role::Parameter, 1.0),
            variable("bias", Role::Parameter, self.bias_init.unwrap_or(0.0)),
            variable("running_mean", Role::Buffer, 0.0),
            variable("running_var", Role::Buffer, 1.0),
        ]
    }
}
