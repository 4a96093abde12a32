//! Convolution: forward, data gradient, weight gradient.

pub mod conv3d;
mod cost;
mod depthwise;
mod depthwise_weight_gradient;
mod direct;
mod geometry;
pub(crate) mod images;
pub(crate) mod images_weight_gradient;
pub mod locally_connected;
mod pairs;
mod planar_groups;
pub mod reference;
pub(crate) mod taps;
mod tile;
mod weight_gradient;
mod winograd;

use striate_tensor::DType;

use crate::activation::Activation;
use crate::layout::maps::Maps;
use crate::reference::{Reference, floats};
use crate::threads::Pointer;
use crate::{Implementation, Views};

/// A convolution of maps in two dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvDesc {
    /// Number of images.
    pub batch: usize,
    /// Channels of x.
    pub in_channels: usize,
    /// Channels of y.
    pub out_channels: usize,
    /// Number of groups of channels that are convolved independently.
    pub groups: usize,
    /// Rows and columns of x.
    pub input: [usize; 2],
    /// Rows and columns of y.
    pub output: [usize; 2],
    /// Extent of the kernel.
    pub kernel: [usize; 2],
    /// Stride of the kernel.
    pub stride: [usize; 2],
    /// Distance between adjacent taps of the kernel.
    pub dilation: [usize; 2],
    /// Zero rows above and columns to the left; those below and to the right follow from `output`.
    pub padding: [usize; 2],
    /// Whether there is a bias.
    pub bias: bool,
    /// Whether a value in the shape of y is added before the activation; in the data gradient, one in the shape of x.
    pub residual: bool,
    /// Applied to the result.
    pub activation: Activation,
}

/// The residual of a convolution.
struct Residual {
    maps: Maps,
    values: Pointer<f32>,
    /// Whether it lies in y, which replaces it.
    is_replaced: bool,
}

/// Returns the residual in `maps`, which follows `others` operands to read, or, if nothing does, lies in `y`, with
/// `y_maps` and a length that were checked.
fn residual(
    maps: Option<Maps>,
    views: &Views,
    others: usize,
    y: &Pointer<f32>,
    y_maps: Maps,
) -> Option<Residual> {
    let maps = maps?;
    let is_replaced = views.reads() == others;
    let values = if is_replaced {
        assert!(maps == y_maps, "a result has the layout of the residual that it replaces");
        y.get()
    } else {
        let values = views.read::<f32>(others);
        assert!(values.len() >= maps.len(), "operand lengths must match the layouts");
        values.as_ptr().cast_mut()
    };
    Some(Residual { maps, values: Pointer(values), is_replaced })
}

/// Reads x `[N, C, H, W]`, w `[O, C/groups, KH, KW]`, the optional bias `[O]` and the optional residual; writes
/// y `[N, O, OH, OW]`. x and w may both be `bf16`, and y then `f32` or `bf16`.
pub fn forward() -> &'static [&'static dyn Implementation<ConvDesc>] {
    static LIST: &[&dyn Implementation<ConvDesc>] = &[
        &images::Forward,
        &depthwise::Forward,
        &direct::PlanarInput,
        &planar_groups::Forward,
        &winograd::Forward(&winograd::SQUARE_4X3),
        &winograd::Forward(&winograd::SQUARE_2X3),
        &winograd::Forward(&winograd::SQUARE_3X5),
        &winograd::Forward(&winograd::ROW_4X3),
        &winograd::Forward(&winograd::COLUMN_4X3),
        &winograd::Forward(&winograd::ROW_4X7),
        &winograd::Forward(&winograd::COLUMN_4X7),
        &winograd::Forward(&winograd::STRIDED_4X3),
        &direct::Blocked,
        &pairs::Forward { name: "conv_direct_bf16", y: DType::BF16 },
        &pairs::Forward { name: "conv_direct_bf16_f32", y: DType::F32 },
        &pairs::Reference { name: "conv_reference_bf16", y: DType::BF16 },
        &pairs::Reference { name: "conv_reference_bf16_f32", y: DType::F32 },
        &Reference::<ConvDesc> {
            name: "conv_reference",
            operands: |d| floats(3 + usize::from(d.bias) + usize::from(d.residual)),
            run: |d, views| {
                let (x, w) = (views.read::<f32>(0), views.read(1));
                let bias = d.bias.then(|| views.read(2));
                let residual = d.residual.then(|| views.read(views.reads() - 1));
                reference::forward(d, x, w, bias, residual, views.write(0));
            },
        },
    ];
    LIST
}

/// Reads dy, w and the optional residual; writes dx.
pub fn data_gradient() -> &'static [&'static dyn Implementation<ConvDesc>] {
    static LIST: &[&dyn Implementation<ConvDesc>] = &[
        &images::DataGradient,
        &depthwise::DataGradient,
        &winograd::DataGradient(&winograd::SQUARE_4X3),
        &winograd::DataGradient(&winograd::SQUARE_2X3),
        &winograd::DataGradient(&winograd::SQUARE_3X5),
        &winograd::DataGradient(&winograd::ROW_4X3),
        &winograd::DataGradient(&winograd::COLUMN_4X3),
        &winograd::DataGradient(&winograd::ROW_4X7),
        &winograd::DataGradient(&winograd::COLUMN_4X7),
        &winograd::DataGradient(&winograd::STRIDED_4X3),
        &direct::DataGradient,
        &Reference::<ConvDesc> {
            name: "conv_data_gradient_reference",
            operands: |d| floats(3 + usize::from(d.residual)),
            run: |d, views| {
                let (dy, w) = (views.read::<f32>(0), views.read(1));
                reference::data_gradient(d, dy, w, d.residual.then(|| views.read(2)), views.write(0));
            },
        },
    ];
    LIST
}

/// Reads x and dy, writes dw.
pub fn weight_gradient() -> &'static [&'static dyn Implementation<ConvDesc>] {
    static LIST: &[&dyn Implementation<ConvDesc>] = &[
        &images_weight_gradient::WeightGradient,
        &depthwise_weight_gradient::WeightGradient,
        &weight_gradient::PlanarInput,
        &planar_groups::WeightGradient,
        &winograd::WeightGradient(&winograd::SQUARE_4X3),
        &winograd::WeightGradient(&winograd::SQUARE_2X3),
        &winograd::WeightGradient(&winograd::SQUARE_3X5),
        &winograd::WeightGradient(&winograd::ROW_4X3),
        &winograd::WeightGradient(&winograd::COLUMN_4X3),
        &winograd::WeightGradient(&winograd::ROW_4X7),
        &winograd::WeightGradient(&winograd::COLUMN_4X7),
        &winograd::WeightGradient(&winograd::STRIDED_4X3),
        &weight_gradient::Blocked,
        &Reference::<ConvDesc> {
            name: "conv_weight_gradient_reference",
            operands: |_| floats(3),
            run: |d, views| {
                let (x, dy) = (views.read::<f32>(0), views.read(1));
                reference::weight_gradient(d, x, dy, views.write(0));
            },
        },
    ];
    LIST
}
