//! Elementwise activations.
//!
//! Sigmoid, tanh and scaled tanh: LeCun et al., 1998; ReLU: Nair and Hinton, ICML 2010; ReLU6: Krizhevsky,
//! "Convolutional deep belief networks on CIFAR-10", 2010.

use serde::{Deserialize, Serialize};
use striate_tensor::{Result, Shape};

use super::LayerOp;

/// An activation that other operations can apply to their results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Activation {
    /// The identity.
    #[default]
    None,
    /// max(x, 0)
    Relu,
    /// min(max(x, 0), 6)
    Relu6,
    /// (e^x − e^-x) / (e^x + e^-x)
    Tanh,
    /// 1 / (1 + e^-x)
    Sigmoid,
    /// 1.7159·tanh(2x/3)
    ScaledTanh,
}

/// Gradient of an activation. Operands: the activation's output y, dy; output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivationGradient(pub Activation);

macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {}

        impl LayerOp for $name {
            fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
                Ok(inputs[0].clone())
            }
        }
    )*};
}

activations! {
    /// max(x, 0)
    Relu,
    /// min(max(x, 0), 6)
    Relu6,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e^-x)
    Sigmoid,
    /// 1.7159·tanh(2x/3): LeCun et al., 1998, appendix A.
    ScaledTanh
}
