//! Maximum over windows (Weng, Ahuja and Huang, ICCV 1993); overlapping as in Krizhevsky et al.,
//! NIPS 2012. Padding counts as minus infinity.

use serde::{Deserialize, Serialize};
use striate_tensor::{Result, Shape};

use super::average_pool::{pooled, pooling_cost};
use super::{Activation, Cost, LayerOp, Window, is_false};
use crate::{Padding, PerAxis};

/// Maximum over windows: maps `[N, C, H, W]` to `[N, C, OH, OW]`, signals `[N, C, W]` to `[N, C, OW]`, volumes
/// `[N, C, D, H, W]` to `[N, C, OD, OH, OW]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool {
    /// Extent of the window.
    pub kernel_size: PerAxis,
    /// Stride of the window.
    pub stride: PerAxis,
    /// Distance between adjacent taps of the window.
    #[serde(default = "PerAxis::one", skip_serializing_if = "PerAxis::is_one")]
    pub dilation: PerAxis,
    /// Border that counts as minus infinity.
    #[serde(default, skip_serializing_if = "Padding::is_none")]
    pub padding: Padding,
    /// Whether a last, partially covered window counts.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ceil_mode: bool,
}

/// Gradient of max pooling. Operands: x, dy; output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct MaxPoolGradient {
    /// The pool.
    pub pool: MaxPool,
    /// The activation before the pool, with the output x, whose gradient is applied as well.
    pub activation: Activation,
}

impl MaxPoolGradient {
    /// The gradient of `pool` without an activation.
    pub fn new(pool: MaxPool) -> MaxPoolGradient {
        MaxPoolGradient { pool, activation: Activation::None }
    }
}

impl LayerOp for MaxPool {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        pooled(inputs[0], &self.geometry(), self.padding, self.ceil_mode)
    }

    fn cost(&self, _inputs: &[&Shape], output: &Shape) -> Cost {
        pooling_cost(output, self.geometry().taps(output))
    }

    fn window(&self, _input: &Shape) -> Option<Window> {
        Some(self.geometry())
    }
}

impl MaxPool {
    fn geometry(&self) -> Window {
        Window { kernel: self.kernel_size, stride: self.stride, dilation: self.dilation }
    }
}
