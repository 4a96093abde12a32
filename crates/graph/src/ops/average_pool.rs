//! Mean over windows: the subsampling of LeCun et al., 1998, without its trainable coefficient.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::{Activation, Cost, LayerOp, Window, check_window, is_false, is_true, like, maps, yes};
use crate::geometry::windows;
use crate::{Padding, Pair};

/// Mean over windows: `[N, C, H, W]` to `[N, C, OH, OW]`, or signals `[N, C, W]` to `[N, C, OW]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AveragePool {
    /// Extent of the window.
    pub kernel_size: Pair,
    /// Step of the window.
    pub stride: Pair,
    /// Zeros around the input.
    #[serde(default, skip_serializing_if = "Padding::is_none")]
    pub padding: Padding,
    /// Whether a last, partly covered window counts.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ceil_mode: bool,
    /// Whether padding counts in the mean's divisor.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub count_include_pad: bool,
}

/// Gradient of average pooling. Operands: dy, and if there is an activation its result (the pool's input);
/// output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct AveragePoolGradient {
    /// The pool.
    pub pool: AveragePool,
    /// The activation before the pool, through which the gradient goes on.
    pub activation: Activation,
}

impl AveragePoolGradient {
    /// The gradient of `pool` alone.
    pub fn new(pool: AveragePool) -> AveragePoolGradient {
        AveragePoolGradient { pool, activation: Activation::None }
    }
}

impl LayerOp for AveragePool {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        pooled(inputs[0], &self.geometry(), self.padding, self.ceil_mode)
    }

    fn cost(&self, _inputs: &[&Shape], output: &Shape) -> Cost {
        pooling_cost(output, self.kernel_size)
    }

    fn window(&self, _input: &Shape) -> Option<Window> {
        Some(self.geometry())
    }
}

impl AveragePool {
    fn geometry(&self) -> Window {
        Window { kernel: self.kernel_size, stride: self.stride, dilation: Pair::ONE }
    }
}

/// The shape of a pooled map.
pub(super) fn pooled(input: &Shape, window: &Window, padding: Padding, ceil: bool) -> Result<Shape> {
    let [n, c, h, w] = maps(input)?;
    check_window(window)?;
    let (kernel, stride, p) = (window.kernel, window.stride, padding);
    if [p.top, p.bottom].iter().any(|side| *side * 2 > kernel.h)
        || [p.left, p.right].iter().any(|side| *side * 2 > kernel.w)
    {
        return Err(Error::input("padding is at most half the kernel_size of a pool"));
    }
    let vertical = windows(h, kernel.h, stride.h, 1, p.top, p.bottom, ceil);
    let horizontal = windows(w, kernel.w, stride.w, 1, p.left, p.right, ceil);
    match (vertical, horizontal) {
        (Some(oh), Some(ow)) => Ok(like(input, [n, c, oh, ow])),
        _ => {
            Err(Error::input(format!("a window of {}x{} does not fit the input {input}", kernel.h, kernel.w)))
        }
    }
}

pub(super) fn pooling_cost(output: &Shape, kernel: Pair) -> Cost {
    Cost { connections: (output.numel() * kernel.h * kernel.w) as u64, ..Cost::default() }
}
