//! The interpreter's convolutions and pooling, with the naive kernels for maps (and for signals, as maps with one row)
//! or for volumes.

use striate_graph::ops::{self, Activation};
use striate_graph::{Graph, Node, Op, Padding, PerAxis};
use striate_kernels::activation;
use striate_kernels::conv::{self, ConvDesc};
use striate_kernels::conv3d::{self, Conv3dDesc};
use striate_kernels::pooling::{self, PoolDesc, PoolKind};
use striate_kernels::pooling3d::{self, Pool3dDesc};
use striate_tensor::Shape;

/// Computes `node` from its operands `r` into `w`.
pub(crate) fn step(graph: &Graph, node: &Node, r: &[&[f64]], w: &mut [f64]) {
    let input = |i: usize| graph.shape(node.inputs[i]);
    let output = graph.shape(node.outputs[0]);
    match &node.op {
        Op::Conv(op) => forward(op, input(0), output, r, w),
        Op::ConvDataGradient(op) => data_gradient(&op.0, output, input(0), r, w),
        Op::ConvWeightGradient(op) => weight_gradient(&op.0, input(0), input(1), r, w),
        Op::MaxPool(op) => max_pool(op, input(0), output).forward(r[0], w),
        Op::MaxPoolGradient(op) => max_pool(&op.0, input(0), input(1)).max_gradient(r[0], r[1], w),
        Op::AveragePool(op) => average_pool(op, input(0), output).forward(r[0], w),
        Op::GlobalAveragePool(_) => {
            let op = ops::GlobalAveragePool::as_pool(input(0));
            average_pool(&op, input(0), output).forward(r[0], w);
        }
        Op::AveragePoolGradient(op) => {
            let pool = average_pool(&op.pool, output, input(0));
            let pool = Pooling { activation: kernel(op.activation), ..pool };
            pool.average_gradient(r[0], r.get(1).copied(), w);
        }
        other => unreachable!("{} is computed elsewhere", other.name()),
    }
}

fn forward(op: &ops::Conv, x: &Shape, y: &Shape, r: &[&[f64]], w: &mut [f64]) {
    let bias = op.bias.then(|| r[2]);
    let residual = op.residual.then(|| r[r.len() - 1]);
    match x.len() {
        5 => conv3d::reference::forward(&volumes(op, x, y), r[0], r[1], bias, residual, w),
        _ => conv::reference::forward(&maps(op, x.nchw(), y.nchw()), r[0], r[1], bias, residual, w),
    }
}

fn data_gradient(op: &ops::Conv, dx: &Shape, dy: &Shape, r: &[&[f64]], w: &mut [f64]) {
    match dx.len() {
        5 => conv3d::reference::data_gradient(&volumes(op, dx, dy), r[0], r[1], w),
        _ => conv::reference::data_gradient(&maps(op, dx.nchw(), dy.nchw()), r[0], r[1], w),
    }
}

fn weight_gradient(op: &ops::Conv, x: &Shape, dy: &Shape, r: &[&[f64]], w: &mut [f64]) {
    match x.len() {
        5 => conv3d::reference::weight_gradient(&volumes(op, x, dy), r[0], r[1], w),
        _ => conv::reference::weight_gradient(&maps(op, x.nchw(), dy.nchw()), r[0], r[1], w),
    }
}

/// The descriptor of the convolution `op` for maps.
pub(crate) fn maps(op: &ops::Conv, x: [usize; 4], y: [usize; 4]) -> ConvDesc {
    ConvDesc {
        batch: x[0],
        in_channels: x[1],
        out_channels: y[1],
        groups: op.groups,
        input: [x[2], x[3]],
        output: [y[2], y[3]],
        kernel: op.kernel_size.plane(),
        stride: op.stride.plane(),
        dilation: op.dilation.plane(),
        padding: [op.padding.top, op.padding.left],
        bias: op.bias,
        residual: op.residual,
        activation: kernel(op.activation),
    }
}

fn volumes(op: &ops::Conv, x: &Shape, y: &Shape) -> Conv3dDesc {
    Conv3dDesc {
        batch: x[0],
        in_channels: x[1],
        out_channels: y[1],
        groups: op.groups,
        input: [x[2], x[3], x[4]],
        output: [y[2], y[3], y[4]],
        kernel: op.kernel_size.array(),
        stride: op.stride.array(),
        dilation: op.dilation.array(),
        padding: op.padding.before(),
        bias: op.bias,
        residual: op.residual,
        activation: kernel(op.activation),
    }
}

fn max_pool<'a>(op: &ops::MaxPool, x: &'a Shape, y: &'a Shape) -> Pooling<'a> {
    let sizes = [op.kernel_size, op.stride, op.dilation];
    Pooling {
        kind: PoolKind::Max,
        x,
        y,
        sizes,
        padding: op.padding,
        activation: activation::Activation::None,
    }
}

fn average_pool<'a>(op: &ops::AveragePool, x: &'a Shape, y: &'a Shape) -> Pooling<'a> {
    let kind = PoolKind::Average { count_include_pad: op.count_include_pad };
    let sizes = [op.kernel_size, op.stride, op.dilation];
    Pooling { kind, x, y, sizes, padding: op.padding, activation: activation::Activation::None }
}

/// A pooling operation with the shapes of its operands.
struct Pooling<'a> {
    kind: PoolKind,
    x: &'a Shape,
    y: &'a Shape,
    /// Kernel, stride, dilation.
    sizes: [PerAxis; 3],
    padding: Padding,
    activation: activation::Activation,
}

impl Pooling<'_> {
    fn forward(&self, x: &[f64], y: &mut [f64]) {
        match self.on_maps() {
            Some(desc) => pooling::reference::forward(&desc, x, y),
            None => pooling3d::reference::forward(&self.on_volumes(), x, y),
        }
    }

    fn max_gradient(&self, x: &[f64], dy: &[f64], dx: &mut [f64]) {
        match self.on_maps() {
            Some(desc) => pooling::reference::max_gradient(&desc, x, dy, dx),
            None => pooling3d::reference::max_gradient(&self.on_volumes(), x, dy, dx),
        }
    }

    fn average_gradient(&self, dy: &[f64], x: Option<&[f64]>, dx: &mut [f64]) {
        match self.on_maps() {
            Some(desc) => pooling::reference::average_gradient(&desc, dy, x, dx),
            None => pooling3d::reference::average_gradient(&self.on_volumes(), dy, x, dx),
        }
    }

    /// The descriptor for maps, if windows are not dilated and padding is symmetric.
    fn on_maps(&self) -> Option<PoolDesc> {
        let fits = self.x.len() < 5 && self.sizes[2] == PerAxis::ONE && self.padding.is_symmetric();
        let ([batch, channels, input @ ..], [_, _, output @ ..]) = (self.x.nchw(), self.y.nchw());
        fits.then(|| PoolDesc {
            kind: self.kind,
            batch,
            channels,
            input,
            output,
            kernel: self.sizes[0].plane(),
            stride: self.sizes[1].plane(),
            padding: [self.padding.top, self.padding.left],
            activation: self.activation,
        })
    }

    fn on_volumes(&self) -> Pool3dDesc {
        let ([batch, channels, input @ ..], [_, _, output @ ..]) = (self.x.ncdhw(), self.y.ncdhw());
        Pool3dDesc {
            kind: self.kind,
            batch,
            channels,
            input,
            output,
            kernel: self.sizes[0].array(),
            stride: self.sizes[1].array(),
            dilation: self.sizes[2].array(),
            padding: self.padding.before(),
            padding_after: self.padding.after(),
            activation: self.activation,
        }
    }
}

pub(crate) fn kernel(activation: Activation) -> activation::Activation {
    match activation {
        Activation::None => activation::Activation::None,
        Activation::Relu => activation::Activation::Relu,
        Activation::Relu6 => activation::Activation::Relu6,
        Activation::Tanh => activation::Activation::Tanh,
        Activation::Sigmoid => activation::Activation::Sigmoid,
        Activation::ScaledTanh => activation::Activation::ScaledTanh,
    }
}
