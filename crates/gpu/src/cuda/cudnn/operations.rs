//! The operations of cuDNN's graphs.

use cudarc::cudnn::sys::{
    cudnnBackendAttributeName_t as Name, cudnnBackendDescriptorType_t as Kind, cudnnConvolutionMode_t,
    cudnnDataType_t, cudnnNanPropagation_t, cudnnPointwiseMode_t as Mode,
};
use striate_engine::Precision;
use striate_graph::ops::Activation;
use striate_tensor::{Error, Result};

use super::descriptor::Descriptor;
use crate::convolution::{Convolution, Direction};
use crate::order::Order;

const F32: cudnnDataType_t = cudnnDataType_t::CUDNN_DATA_FLOAT;

/// The names of x, w, y, the bias and the residual in a graph, in the order of operands.
pub(super) const IDS: [i64; 5] = [1, 2, 3, 4, 5];

/// The first name of a value between two operations.
const BETWEEN: i64 = 10;

fn numbers(precision: Precision) -> cudnnDataType_t {
    match precision {
        Precision::F32 | Precision::Tf32 => F32,
        Precision::Bf16 => cudnnDataType_t::CUDNN_DATA_BFLOAT16,
    }
}

/// A value `[N, C, …]` of these numbers in an order; one between two operations is in no memory.
fn tensor(id: i64, extents: &[usize], order: Order, numbers: cudnnDataType_t) -> Result<Descriptor> {
    let mut strides = vec![1; extents.len()];
    // From the axis with the smallest stride on.
    let last = (2..extents.len()).rev();
    let axes: Vec<usize> = match order {
        Order::Plain => last.chain([1, 0]).collect(),
        Order::ChannelsLast => [1].into_iter().chain(last).chain([0]).collect(),
    };
    for pair in axes.windows(2) {
        strides[pair[1]] = strides[pair[0]] * extents[pair[0]];
    }
    Descriptor::new(Kind::CUDNN_BACKEND_TENSOR_DESCRIPTOR)?
        .set(Name::CUDNN_ATTR_TENSOR_UNIQUE_ID, &[id])?
        .set(Name::CUDNN_ATTR_TENSOR_DATA_TYPE, &[numbers])?
        .set(Name::CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, &[16i64])?
        .set(Name::CUDNN_ATTR_TENSOR_IS_VIRTUAL, &[id >= BETWEEN])?
        .sizes(Name::CUDNN_ATTR_TENSOR_DIMENSIONS, extents.iter().copied())?
        .sizes(Name::CUDNN_ATTR_TENSOR_STRIDES, strides)?
        .finalize()
}

/// The operations of a graph that computes `c`, with sums in `f32` between them.
pub(super) fn operations(c: &Convolution) -> Result<Vec<Descriptor>> {
    let axes = c.axes();
    let (side, extents) = match c.direction {
        Direction::Forward => (1, c.output),
        Direction::DataGradient => (0, c.input),
        Direction::WeightGradient => return Ok(vec![convolution(c, None)?]),
    };
    let shape = [&[c.images, c.channels[side]], &extents[axes.clone()]].concat();
    let between = |number: usize| tensor(BETWEEN + number as i64, &shape, c.order, F32);
    let result = |c: &Convolution| {
        let id = if c.direction == Direction::Forward { IDS[2] } else { IDS[0] };
        tensor(id, &shape, c.order, numbers(c.precision))
    };
    let epilogue = c.epilogue;
    let mut steps: Vec<(Mode, Option<Descriptor>)> = Vec::new();
    if epilogue.bias {
        let extents = [&[1, c.channels[side]], &[1; 3][axes.clone()]].concat();
        steps.push((Mode::CUDNN_POINTWISE_ADD, Some(tensor(IDS[3], &extents, c.order, F32)?)));
    }
    if epilogue.residual {
        let residual = tensor(IDS[4], &shape, c.order, numbers(c.precision))?;
        steps.push((Mode::CUDNN_POINTWISE_ADD, Some(residual)));
    }
    match epilogue.activation {
        Activation::None => {}
        Activation::Relu | Activation::Relu6 => steps.push((Mode::CUDNN_POINTWISE_RELU_FWD, None)),
        Activation::Tanh => steps.push((Mode::CUDNN_POINTWISE_TANH_FWD, None)),
        Activation::Sigmoid => steps.push((Mode::CUDNN_POINTWISE_SIGMOID_FWD, None)),
        Activation::ScaledTanh => return Err(Error::failed("cuDNN has no scaled tanh")),
    }
    let last = steps.len();
    let value = |number: usize| if number == last { result(c) } else { between(number) };
    let mut operations = vec![convolution(c, Some(&value(0)?))?];
    for (number, (mode, operand)) in steps.iter().enumerate() {
        let most = (epilogue.activation == Activation::Relu6 && operand.is_none()).then_some(6.0);
        operations.push(pointwise(*mode, most, [&value(number)?, &value(number + 1)?], operand.as_ref())?);
    }
    Ok(operations)
}

/// An operation on every element of the first value, with a second operand or without, that gives the second value;
/// `most` limits a ReLU.
fn pointwise(
    mode: Mode,
    most: Option<f64>,
    [x, y]: [&Descriptor; 2],
    operand: Option<&Descriptor>,
) -> Result<Descriptor> {
    let function = Descriptor::new(Kind::CUDNN_BACKEND_POINTWISE_DESCRIPTOR)?
        .set(Name::CUDNN_ATTR_POINTWISE_MODE, &[mode])?
        .set(Name::CUDNN_ATTR_POINTWISE_MATH_PREC, &[F32])?;
    // NaN counts as the maximum, as in the own kernels.
    let function = match mode {
        Mode::CUDNN_POINTWISE_RELU_FWD => function
            .set(Name::CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, &[cudnnNanPropagation_t::CUDNN_PROPAGATE_NAN])?,
        _ => function,
    };
    let function = match most {
        Some(most) => function.set(Name::CUDNN_ATTR_POINTWISE_RELU_UPPER_CLIP, &[most])?,
        None => function,
    };
    let function = function.finalize()?;
    let operation = Descriptor::new(Kind::CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR)?
        .descriptors(Name::CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, &[&function])?
        .descriptors(Name::CUDNN_ATTR_OPERATION_POINTWISE_XDESC, &[x])?;
    let operation = match operand {
        Some(operand) => operation.descriptors(Name::CUDNN_ATTR_OPERATION_POINTWISE_BDESC, &[operand])?,
        None => operation,
    };
    operation.descriptors(Name::CUDNN_ATTR_OPERATION_POINTWISE_YDESC, &[y])?.finalize()
}

/// The convolution, with `result` in place of its own.
fn convolution(c: &Convolution, result: Option<&Descriptor>) -> Result<Descriptor> {
    let (axes, numbers) = (c.axes(), numbers(c.precision));
    let value = |id, channels, extents: [usize; 3]| {
        tensor(id, &[&[c.images, channels], &extents[axes.clone()]].concat(), c.order, numbers)
    };
    let x = value(IDS[0], c.channels[0], c.input)?;
    let weights = [&[c.channels[1], c.channels[0] / c.groups], &c.kernel[axes.clone()]].concat();
    let w = tensor(IDS[1], &weights, c.order, numbers)?;
    let y = value(IDS[2], c.channels[1], c.output)?;
    let of = |extents: [usize; 3]| extents[axes.clone()].to_vec();
    let window = Descriptor::new(Kind::CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)?
        .set(Name::CUDNN_ATTR_CONVOLUTION_COMP_TYPE, &[F32])?
        .set(Name::CUDNN_ATTR_CONVOLUTION_CONV_MODE, &[cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION])?
        .sizes(Name::CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, [axes.len()])?
        .sizes(Name::CUDNN_ATTR_CONVOLUTION_DILATIONS, of(c.dilation))?
        .sizes(Name::CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, of(c.stride))?
        .sizes(Name::CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, of(c.padding))?
        .sizes(Name::CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, of(c.padding_after()))?
        .finalize()?;
    // The names of the attributes differ by direction.
    let (kind, [alpha, beta, at_window, at_x, at_w, at_y]) = match c.direction {
        Direction::Forward => (
            Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
            [
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
            ],
        ),
        Direction::DataGradient => (
            Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
            [
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
            ],
        ),
        Direction::WeightGradient => (
            Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
            [
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
            ],
        ),
    };
    let (x, y) = match (c.direction, result) {
        (Direction::Forward, Some(result)) => (&x, result),
        (Direction::DataGradient, Some(result)) => (result, &y),
        _ => (&x, &y),
    };
    Descriptor::new(kind)?
        .set(alpha, &[1.0f32])?
        .set(beta, &[0.0f32])?
        .descriptors(at_window, &[&window])?
        .descriptors(at_x, &[x])?
        .descriptors(at_w, &[&w])?
        .descriptors(at_y, &[y])?
        .finalize()
}
