//! Mean over the whole map: Lin, Chen and Yan, "Network in network", ICLR 2014, section 3.2.

use serde::{Deserialize, Serialize};
use striate_tensor::{Result, Shape};

use super::{AveragePool, Cost, LayerOp, Window, like, maps};
use crate::{Padding, Pair};

/// Mean over the whole map: `[N, C, H, W]` to `[N, C, 1, 1]`, or signals `[N, C, W]` to `[N, C, 1]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAveragePool {}

impl GlobalAveragePool {
    /// The average pool with a window as large as the map.
    pub fn as_pool(input: &Shape) -> AveragePool {
        let [_, _, h, w] = input.nchw();
        AveragePool {
            kernel_size: Pair { h, w },
            stride: Pair::ONE,
            padding: Padding::default(),
            ceil_mode: false,
            count_include_pad: true,
        }
    }
}

impl LayerOp for GlobalAveragePool {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        let [n, c, _, _] = maps(inputs[0])?;
        Ok(like(inputs[0], [n, c, 1, 1]))
    }

    fn cost(&self, inputs: &[&Shape], _output: &Shape) -> Cost {
        Cost { connections: inputs[0].numel() as u64, ..Cost::default() }
    }

    fn window(&self, input: &Shape) -> Option<Window> {
        let [_, _, h, w] = input.nchw();
        Some(Window { kernel: Pair { h, w }, stride: Pair::ONE, dilation: Pair::ONE })
    }
}
