//! Mean over windows: the subsampling of LeCun et al., 1998, without its trainable coefficient.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::{Activation, Cost, LayerOp, Window, is_false, is_true, with_channels, yes};
use crate::{Padding, PerAxis};

/// Mean over windows: maps `[N, C, H, W]` to `[N, C, OH, OW]`, signals `[N, C, W]` to `[N, C, OW]`, volumes
/// `[N, C, D, H, W]` to `[N, C, OD, OH, OW]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AveragePool {
    /// Extent of the window.
    pub kernel_size: PerAxis,
    /// Stride of the window.
    pub stride: PerAxis,
    /// Distance between adjacent taps of the window.
    #[serde(default = "PerAxis::one", skip_serializing_if = "PerAxis::is_one")]
    pub dilation: PerAxis,
    /// Zeros around the input.
    #[serde(default, skip_serializing_if = "Padding::is_none")]
    pub padding: Padding,
    /// Whether a last, partially covered window counts.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ceil_mode: bool,
    /// Whether padding counts in the mean's divisor.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub count_include_pad: bool,
}

/// Gradient of average pooling. Operands: dy, and with an activation its output (the pool's input); output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct AveragePoolGradient {
    /// The pool.
    pub pool: AveragePool,
    /// The activation before the pool, whose gradient is applied as well.
    pub activation: Activation,
}

impl AveragePoolGradient {
    /// The gradient of `pool` without an activation.
    pub fn new(pool: AveragePool) -> AveragePoolGradient {
        AveragePoolGradient { pool, activation: Activation::None }
    }
}

impl LayerOp for AveragePool {
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

impl AveragePool {
    fn geometry(&self) -> Window {
        Window { kernel: self.kernel_size, stride: self.stride, dilation: self.dilation }
    }
}

/// The shape of a pooled value.
pub(super) fn pooled(input: &Shape, window: &Window, padding: Padding, ceil: bool) -> Result<Shape> {
    let places = window.places(input, padding, ceil)?;
    let (kernel, before, after) = (window.kernel.array(), padding.before(), padding.after());
    let axes = 3 - places.len()..3;
    if axes.clone().any(|axis| before[axis].max(after[axis]) * 2 > kernel[axis]) {
        return Err(Error::input("the padding of a pool must not exceed half its kernel_size"));
    }
    let covers = |(axis, places): (usize, &usize)| {
        let (stride, dilation) = (window.stride.array()[axis], window.dilation.array()[axis]);
        // Without dilation, every window that may start at all reaches the input.
        let begins = |place: usize| {
            let first = before[axis].saturating_sub(place * stride).div_ceil(dilation);
            let at = place * stride + first * dilation - before[axis];
            first < kernel[axis] && at < input[input.len() - 3 + axis]
        };
        dilation == 1 || (0..*places).all(begins)
    };
    if !axes.zip(&places).all(covers) {
        return Err(Error::input(format!("a dilated window covers only padding in {input}")));
    }
    Ok(with_channels(input, input[1], places))
}

pub(super) fn pooling_cost(output: &Shape, taps: usize) -> Cost {
    Cost { connections: (output.numel() * taps) as u64, ..Cost::default() }
}
