//! Locally connected layer: a convolution with separate weights and biases at every output position,
//! y\[o, p\] = Σ over i, taps of w\[o, i, tap, p\] · x\[i, p + tap\] + b\[o, p\].
//!
//! LeCun, "Generalization and network design strategies", 1989 (Net-3); Taigman et al., "DeepFace", CVPR
//! 2014.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::{Conv, Cost, LayerOp, VariableSpec, Window, is_true, yes};
use crate::graph::Role;
use crate::{Init, Padding, PerAxis};

/// Locally connected layer. Operands: x `[N, C, H, W]`, weight `[O, C·KH·KW, OH, OW]`, bias `[O, OH, OW]`;
/// output `[N, O, OH, OW]`. Its weights fix the size of the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocallyConnected {
    /// Number of feature maps of the output.
    pub out_channels: usize,
    /// Extent of the kernels.
    pub kernel_size: PerAxis,
    /// Stride of the kernels.
    #[serde(default = "PerAxis::one", skip_serializing_if = "PerAxis::is_one")]
    pub stride: PerAxis,
    /// Zeros around the input.
    #[serde(default, skip_serializing_if = "Padding::is_none")]
    pub padding: Padding,
    /// Whether each unit has a bias; biases are initialized to zero.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub bias: bool,
}

/// Gradient with respect to the input. Operands: dy, weight; output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct LocallyConnectedDataGradient(pub LocallyConnected);

/// Gradient with respect to the weights. Operands: x, dy; output: dw.
#[derive(Debug, Clone, PartialEq)]
pub struct LocallyConnectedWeightGradient(pub LocallyConnected);

impl LocallyConnected {
    /// The convolution of the same geometry.
    pub fn as_conv(&self) -> Conv {
        Conv {
            stride: self.stride,
            padding: self.padding,
            bias: self.bias,
            ..Conv::new(self.out_channels, self.kernel_size)
        }
    }

    fn inputs_per_unit(&self, channels: usize) -> usize {
        channels * self.kernel_size.h * self.kernel_size.w
    }
}

impl LayerOp for LocallyConnected {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        if inputs[0].len() != 4 {
            return Err(Error::input(format!("takes maps [N, C, H, W], not {}", inputs[0])));
        }
        self.as_conv().output(inputs)
    }

    fn variables(&self, inputs: &[&Shape]) -> Vec<VariableSpec> {
        let Ok(output) = self.output(inputs) else { return Vec::new() };
        let [_, o, oh, ow] = output.nchw();
        let taps = self.inputs_per_unit(inputs[0][1]);
        let weight = VariableSpec {
            name: "weight",
            shape: Shape::from([o, taps, oh, ow]),
            role: Role::Parameter,
            init: None,
            fan: (taps, o * self.kernel_size.h * self.kernel_size.w).into(),
        };
        let (shape, init) = (Shape::from([o, oh, ow]), Some(Init::Constant(0.0)));
        let bias = VariableSpec { name: "bias", shape, init, ..weight.clone() };
        if self.bias { vec![weight, bias] } else { vec![weight] }
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        let units = output.numel() as u64;
        let macs = units * self.inputs_per_unit(inputs[0][1]) as u64;
        Cost { macs, connections: macs + if self.bias { units } else { 0 }, neurons: units }
    }

    fn terms(&self, inputs: &[&Shape]) -> usize {
        self.inputs_per_unit(inputs[0][1])
    }

    fn window(&self, input: &Shape) -> Option<Window> {
        self.as_conv().window(input)
    }
}
