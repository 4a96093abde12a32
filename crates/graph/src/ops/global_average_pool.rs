//! Mean over the whole map: Lin, Chen and Yan, "Network in network", ICLR 2014, section 3.2.

use serde::{Deserialize, Serialize};
use striate_tensor::{Result, Shape};

use super::{AveragePool, Cost, LayerOp, Window, spatial_axes, with_channels};
use crate::{Padding, PerAxis};

/// Mean over the whole map: `[N, C, H, W]` to `[N, C, 1, 1]`; signals and volumes keep their rank as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAveragePool {}

impl GlobalAveragePool {
    /// The equivalent average pool, with a window as large as the map.
    pub fn as_pool(input: &Shape) -> AveragePool {
        AveragePool {
            kernel_size: Window::whole(input).kernel,
            stride: PerAxis::ONE,
            dilation: PerAxis::ONE,
            padding: Padding::default(),
            ceil_mode: false,
            count_include_pad: true,
        }
    }
}

impl LayerOp for GlobalAveragePool {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        let axes = spatial_axes(inputs[0])?;
        Ok(with_channels(inputs[0], inputs[0][1], vec![1; axes]))
    }

    fn cost(&self, inputs: &[&Shape], _output: &Shape) -> Cost {
        Cost { connections: inputs[0].numel() as u64, ..Cost::default() }
    }

    fn window(&self, input: &Shape) -> Option<Window> {
        Some(Window::whole(input))
    }
}
