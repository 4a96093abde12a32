//! Elementwise unary functions, `[…]` to the same shape.
//!
//! Leaky ReLU after Maas, Hannun and Ng, ICML 2013; ELU after Clevert, Unterthiner and Hochreiter, ICLR 2016, and
//! SELU after Klambauer et al., NeurIPS 2017; GELU after Hendrycks and Gimpel, 2016; hard sigmoid and hard swish
//! after Howard et al., ICCV 2019.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// A unary function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function {
    /// x where x > 0, else slope·x
    LeakyRelu {
        /// Slope.
        slope: f32,
    },
    /// scale·x where x > 0, else scale·alpha·(e^(rate·x) − 1)
    Elu {
        /// Magnitude at which negative inputs saturate, before scaling.
        alpha: f32,
        /// Scale of the result.
        scale: f32,
        /// Factor of x in the exponent.
        rate: f32,
    },
    /// min(max(slope·x + offset, 0), 1)
    HardSigmoid {
        /// Slope.
        slope: f32,
        /// The value at zero.
        offset: f32,
    },
    /// 1 where x > threshold, else 0
    Step {
        /// The threshold.
        threshold: f32,
    },
    /// x·min(max(x/6 + 1/2, 0), 1)
    HardSwish,
    /// x·Φ(x), where Φ is the standard normal distribution function
    Gelu,
    /// [`Function::Gelu`] with Φ approximated by a hyperbolic tangent
    GeluTanh,
    /// e^x
    Exp,
    /// Natural logarithm
    Log,
    /// Square root
    Sqrt,
    /// Absolute value
    Abs,
    /// The error function
    Erf,
    /// x^exponent
    Power {
        /// The exponent.
        exponent: f32,
    },
}

/// Gradient of a unary function. Operands: x, dy; output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionGradient(pub Function);

/// x where x > 0, else `negative_slope`·x.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeakyRelu {
    /// The slope below zero.
    #[serde(default = "hundredth")]
    pub negative_slope: f32,
}

/// `scale`·x where x > 0, else `scale`·`alpha`·(e^(`rate`·x) − 1).
///
/// ELU uses only `alpha`. SELU is `alpha` = 1.6732632 with `scale` = 1.050701, CELU has `rate` = 1 / `alpha`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elu {
    /// Magnitude at which negative inputs saturate, before scaling.
    #[serde(default = "one")]
    pub alpha: f32,
    /// Scale of the result.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub scale: f32,
    /// Factor of x in the exponent.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub rate: f32,
}

/// min(max(`slope`·x + `offset`, 0), 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HardSigmoid {
    /// The slope between 0 and 1.
    #[serde(default = "sixth")]
    pub slope: f32,
    /// The value at zero.
    #[serde(default = "half")]
    pub offset: f32,
}

/// 1 where x > `threshold`, else 0; no gradient passes it.
///
/// McCulloch and Pitts, 1943; the association units of Rosenblatt, "The perceptron", Psychological Review 65(6), 1958.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The threshold.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub threshold: f32,
}

/// x·min(max(x/6 + 1/2, 0), 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HardSwish {}

/// x·Φ(x), where Φ is the standard normal distribution function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gelu {
    /// How Φ is computed.
    #[serde(default, skip_serializing_if = "is_exact")]
    pub approximate: Approximation,
}

/// How GELU computes the normal distribution function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approximation {
    /// Exactly, with the error function.
    #[default]
    None,
    /// With a hyperbolic tangent.
    Tanh,
}

/// A mathematical function applied to every element.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unary {
    /// Which function.
    pub function: UnaryFunction,
}

/// The functions of [`Unary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnaryFunction {
    /// e^x
    Exp,
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// Absolute value.
    Abs,
    /// The error function.
    Erf,
}

/// x to the power of `exponent`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Power {
    /// The exponent.
    pub exponent: f32,
}

impl LeakyRelu {
    pub(crate) fn function(&self) -> Function {
        Function::LeakyRelu { slope: self.negative_slope }
    }
}

impl Elu {
    pub(crate) fn function(&self) -> Function {
        Function::Elu { alpha: self.alpha, scale: self.scale, rate: self.rate }
    }
}

impl HardSigmoid {
    pub(crate) fn function(&self) -> Function {
        Function::HardSigmoid { slope: self.slope, offset: self.offset }
    }
}

impl Gelu {
    pub(crate) fn function(&self) -> Function {
        match self.approximate {
            Approximation::None => Function::Gelu,
            Approximation::Tanh => Function::GeluTanh,
        }
    }
}

impl Unary {
    pub(crate) fn function(&self) -> Function {
        match self.function {
            UnaryFunction::Exp => Function::Exp,
            UnaryFunction::Log => Function::Log,
            UnaryFunction::Sqrt => Function::Sqrt,
            UnaryFunction::Abs => Function::Abs,
            UnaryFunction::Erf => Function::Erf,
        }
    }
}

macro_rules! same_shape {
    ($($op:ident { $($attribute:ident),* })*) => {$(
        impl LayerOp for $op {
            fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
                $(finite(stringify!($attribute), self.$attribute)?;)*
                Ok(inputs[0].clone())
            }
        }
    )*};
}

same_shape! {
    LeakyRelu { negative_slope }
    Elu { alpha, scale, rate }
    HardSigmoid { slope, offset }
    Step { threshold }
    HardSwish {}
    Gelu {}
    Unary {}
    Power { exponent }
}

fn finite(attribute: &str, value: f32) -> Result<()> {
    match value.is_finite() {
        true => Ok(()),
        false => Err(Error::input(format!("{attribute} is {value}; it must be finite"))),
    }
}

fn is_exact(approximation: &Approximation) -> bool {
    *approximation == Approximation::None
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

fn is_one(value: &f32) -> bool {
    *value == 1.0
}

fn one() -> f32 {
    1.0
}

fn half() -> f32 {
    0.5
}

fn sixth() -> f32 {
    1.0 / 6.0
}

fn hundredth() -> f32 {
    0.01
}
