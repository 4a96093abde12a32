//! Convolution of plain volumes: forward, data gradient, weight gradient.

mod columns;
mod data_gradient;
mod forward;
pub mod reference;
mod weight_gradient;

use crate::Implementation;
use crate::activation::Activation;
use crate::reference::{Reference, floats};

/// A convolution of volumes in three dimensions. Sizes are in the order depth, height, width.
#[derive(Debug, Clone, PartialEq)]
pub struct Conv3dDesc {
    /// Number of volumes.
    pub batch: usize,
    /// Channels of x.
    pub in_channels: usize,
    /// Channels of y.
    pub out_channels: usize,
    /// Number of groups of channels that are convolved independently.
    pub groups: usize,
    /// Extents of x.
    pub input: [usize; 3],
    /// Extents of y.
    pub output: [usize; 3],
    /// Extent of the kernel.
    pub kernel: [usize; 3],
    /// Stride of the kernel.
    pub stride: [usize; 3],
    /// Distance between adjacent taps of the kernel.
    pub dilation: [usize; 3],
    /// Zeros before the first element of each axis; those after the last follow from `output`.
    pub padding: [usize; 3],
    /// Whether there is a bias.
    pub bias: bool,
    /// Whether a value in the shape of y is added before the activation.
    pub residual: bool,
    /// Applied to the result.
    pub activation: Activation,
}

/// Reads x `[N, C, D, H, W]`, w `[O, C/groups, KD, KH, KW]`, the optional bias `[O]` and the optional residual;
/// writes y `[N, O, OD, OH, OW]`.
pub fn forward() -> &'static [&'static dyn Implementation<Conv3dDesc>] {
    &[
        &forward::Forward,
        &Reference::<Conv3dDesc> {
            name: "conv3d_reference",
            operands: |d| floats(3 + usize::from(d.bias) + usize::from(d.residual)),
            run: |d, views| {
                let (x, w) = (views.read::<f32>(0), views.read(1));
                let bias = d.bias.then(|| views.read(2));
                let residual = d.residual.then(|| views.read(views.reads() - 1));
                reference::forward(d, x, w, bias, residual, views.write(0));
            },
        },
    ]
}

/// Reads dy and w, writes dx.
pub fn data_gradient() -> &'static [&'static dyn Implementation<Conv3dDesc>] {
    &[
        &data_gradient::DataGradient,
        &Reference::<Conv3dDesc> {
            name: "conv3d_data_gradient_reference",
            operands: |_| floats(3),
            run: |d, views| {
                let (dy, w) = (views.read::<f32>(0), views.read(1));
                reference::data_gradient(d, dy, w, views.write(0));
            },
        },
    ]
}

/// Reads x and dy, writes dw.
pub fn weight_gradient() -> &'static [&'static dyn Implementation<Conv3dDesc>] {
    &[
        &weight_gradient::WeightGradient,
        &Reference::<Conv3dDesc> {
            name: "conv3d_weight_gradient_reference",
            operands: |_| floats(3),
            run: |d, views| {
                let (x, dy) = (views.read::<f32>(0), views.read(1));
                reference::weight_gradient(d, x, dy, views.write(0));
            },
        },
    ]
}
