//! Convolution: y\[o\] = activation(Σ over i, taps of w\[o, i\] · x\[i\] + bias\[o\]).
//!
//! A cross-correlation, as is customary since LeCun et al., Proc. IEEE 86(11), 1998; groups as in
//! Krizhevsky et al., NIPS 2012; dilation as in Yu and Koltun, ICLR 2016; connection tables as in
//! layer C3 of LeNet-5.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape};

use super::window::inner;
use super::{
    Activation, Cost, LayerOp, Operands, VariableSpec, Window, check_bias_init, is_true, spatial_axes,
    with_channels, yes,
};
use crate::graph::Role;
use crate::{Init, Padding, PerAxis};

/// Convolution in two dimensions; in one for signals `[N, C, W]`, in three for volumes `[N, C, D, H, W]`. Operands:
/// x `[N, C, H, W]`, weight `[O, C/groups, KH, KW]` (`[O, C/groups, KW]`, `[O, C/groups, KD, KH, KW]`), bias `[O]`;
/// after fusion, a residual in the shape of the output. Volumes: Ji et al., ICML 2010; Tran et al., ICCV 2015.
///
/// With a connection table, the variable `weight` contains only the kernels that exist, `[K, 1, KH, KW]`, ordered
/// by output, then input; [`super::ScatterKernels`] expands it into the operand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Number of feature maps of the output.
    pub out_channels: usize,
    /// Extent of the kernel.
    pub kernel_size: PerAxis,
    /// Stride of the kernel.
    #[serde(default = "PerAxis::one", skip_serializing_if = "PerAxis::is_one")]
    pub stride: PerAxis,
    /// Zeros around the input.
    #[serde(default, skip_serializing_if = "Padding::is_none")]
    pub padding: Padding,
    /// Distance between adjacent taps of the kernel.
    #[serde(default = "PerAxis::one", skip_serializing_if = "PerAxis::is_one")]
    pub dilation: PerAxis,
    /// Number of groups of channels that are convolved independently.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub groups: usize,
    /// Whether each map has a bias.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub bias: bool,
    /// Initial value of all biases, if not drawn by the network's initialization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias_init: Option<f32>,
    /// For each output channel, the input channels that it reads, in ascending order. An empty table connects
    /// all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<Vec<usize>>,
    /// Applied to the result; set by fusion.
    #[serde(skip)]
    pub activation: Activation,
    /// Whether a last operand is added before the activation; set by fusion.
    #[serde(skip)]
    pub residual: bool,
}

/// Gradient with respect to the input. Operands: dy, weight and, after fusion, a residual in the shape of dx; output:
/// dx.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvDataGradient(pub Conv);

/// Gradient with respect to the weights. Operands: x, dy; output: dw.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvWeightGradient(pub Conv);

fn one() -> usize {
    1
}

fn is_one(value: &usize) -> bool {
    *value == 1
}

impl Conv {
    /// A convolution with stride 1, no padding and a bias.
    pub fn new(out_channels: usize, kernel_size: impl Into<PerAxis>) -> Self {
        Conv {
            out_channels,
            kernel_size: kernel_size.into(),
            stride: PerAxis::ONE,
            padding: Padding::default(),
            dilation: PerAxis::ONE,
            groups: 1,
            bias: true,
            bias_init: None,
            connections: Vec::new(),
            activation: Activation::None,
            residual: false,
        }
    }
}

impl LayerOp for Conv {
    fn operands(&self) -> Operands {
        Operands::One
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        spatial_axes(inputs[0])?;
        let c = inputs[0][1];
        if self.groups == 0 || self.out_channels == 0 || c == 0 {
            return Err(Error::input("out_channels, groups and the input's channels must be at least 1"));
        }
        if !c.is_multiple_of(self.groups) || !self.out_channels.is_multiple_of(self.groups) {
            return Err(Error::input(format!(
                "groups ({}) must divide both the input channels ({c}) and out_channels ({})",
                self.groups, self.out_channels
            )));
        }
        self.check_connections(c)?;
        check_bias_init(self.bias, self.bias_init)?;
        let places = self.geometry().places(inputs[0], self.padding, false)?;
        Ok(with_channels(inputs[0], self.out_channels, places))
    }

    fn variables(&self, inputs: &[&Shape]) -> Vec<VariableSpec> {
        let channels = inputs[0][1] / self.groups;
        let taps = self.geometry().taps(inputs[0]);
        let mut weight = VariableSpec {
            name: "weight",
            shape: self.kernels_shape(inputs[0], self.out_channels, channels),
            role: Role::Parameter,
            init: None,
            fan: (channels * taps, self.out_channels * taps).into(),
        };
        let mut bias = VariableSpec {
            name: "bias",
            shape: Shape::from([self.out_channels]),
            init: self.bias_init.map(Init::Constant),
            ..weight.clone()
        };
        if !self.connections.is_empty() {
            weight.fan.rows = self.fans(taps);
            weight.shape = self.kernels_shape(inputs[0], weight.fan.rows.len(), 1);
            let inputs = |seen: &Vec<usize>| (seen.len() * taps, weight.fan.unit.1);
            bias.fan.rows = self.connections.iter().map(inputs).collect();
        }
        if self.bias { vec![weight, bias] } else { vec![weight] }
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        let units = output.numel() as u64;
        let macs = match self.connections.is_empty() {
            true => units * self.terms(inputs) as u64,
            false => {
                units / self.out_channels as u64 * (self.kernels() * self.geometry().taps(inputs[0])) as u64
            }
        };
        Cost { macs, connections: macs + if self.bias { units } else { 0 }, neurons: units }
    }

    /// With a connection table, this includes the missing connections, because the kernels compute them too.
    fn terms(&self, inputs: &[&Shape]) -> usize {
        (inputs[0][1] / self.groups).saturating_mul(self.geometry().taps(inputs[0]))
    }

    fn window(&self, _input: &Shape) -> Option<Window> {
        Some(self.geometry())
    }
}

impl Conv {
    /// The shape of the weight operand over `input` that [`super::ScatterKernels`] expands a connection table to.
    pub(crate) fn whole_kernels(&self, input: &Shape) -> Shape {
        self.kernels_shape(input, self.out_channels, input[1])
    }

    /// The shape of `outputs` × `channels` kernels over `input`.
    fn kernels_shape(&self, input: &Shape, outputs: usize, channels: usize) -> Shape {
        let kernel = inner(self.kernel_size, input.len() - 2);
        Shape::new([vec![outputs, channels], kernel].concat())
    }

    /// The number of kernels in the connection table.
    fn kernels(&self) -> usize {
        self.connections.iter().map(Vec::len).sum()
    }

    /// Fan-in and fan-out of each kernel in the connection table.
    fn fans(&self, taps: usize) -> Vec<(usize, usize)> {
        // Counts only the listed inputs, because a short file can declare millions of unlisted ones.
        let mut readers = HashMap::new();
        self.connections.iter().flatten().for_each(|input| *readers.entry(input).or_insert(0) += 1);
        let unit = |seen: &Vec<usize>| {
            let inputs = seen.len() * taps;
            seen.iter().map(|input| (inputs, readers[input] * taps)).collect::<Vec<_>>()
        };
        self.connections.iter().flat_map(unit).collect()
    }

    fn check_connections(&self, channels: usize) -> Result<()> {
        let table = &self.connections;
        if table.is_empty() {
            return Ok(());
        }
        if table.len() != self.out_channels || self.groups != 1 {
            return Err(Error::input(format!(
                "connections has {} and groups is {}; expected one row for each of {} output channels, \
                 and groups = 1",
                counted(table.len(), "row"),
                self.groups,
                self.out_channels
            )));
        }
        for (output, seen) in table.iter().enumerate() {
            let ascending = seen.windows(2).all(|pair| pair[0] < pair[1]);
            if seen.is_empty() || !ascending || seen.iter().any(|input| *input >= channels) {
                return Err(Error::input(format!(
                    "connections of output channel {output} are {seen:?}; expected input channels below \
                     {channels} in ascending order"
                )));
            }
        }
        Ok(())
    }

    fn geometry(&self) -> Window {
        Window { kernel: self.kernel_size, stride: self.stride, dilation: self.dilation }
    }
}
