//! Pooling and its gradients.

use striate_graph::ops::{AveragePool, AveragePoolGradient, GlobalAveragePool, MaxPool, MaxPoolGradient};
use striate_graph::{Graph, Node, Padding, PerAxis};
use striate_kernels::activation::Activation;
use striate_kernels::pooling::{self, PoolDesc, PoolKind};
use striate_kernels::pooling3d::{self, Pool3dDesc};
use striate_tensor::Shape;

use super::{Lowering, kernel_activation, kernels};

pub(super) fn max_pool(graph: &Graph, node: &Node, op: &MaxPool) -> Lowering {
    let pool = maximum(op, graph.shape(node.inputs[0]), graph.shape(node.outputs[0]));
    match pool.on_maps() {
        Some(desc) => kernels(desc, pooling::forward()),
        None => kernels(pool.on_volumes(), pooling3d::forward()),
    }
}

pub(super) fn average_pool(graph: &Graph, node: &Node, op: &AveragePool) -> Lowering {
    let pool = average(op, graph.shape(node.inputs[0]), graph.shape(node.outputs[0]));
    match pool.on_maps() {
        Some(desc) => kernels(desc, pooling::forward()),
        None => kernels(pool.on_volumes(), pooling3d::forward()),
    }
}

pub(super) fn global_average_pool(graph: &Graph, node: &Node) -> Lowering {
    average_pool(graph, node, &GlobalAveragePool::as_pool(graph.shape(node.inputs[0])))
}

/// Operands: x, dy; output: dx.
pub(super) fn max_pool_gradient(graph: &Graph, node: &Node, op: &MaxPoolGradient) -> Lowering {
    let (x, dy) = (graph.shape(node.inputs[0]), graph.shape(node.inputs[1]));
    let pool = Pooling { activation: kernel_activation(op.activation), ..maximum(&op.pool, x, dy) };
    match pool.on_maps() {
        Some(desc) => kernels(desc, pooling::max_gradient()),
        None => kernels(pool.on_volumes(), pooling3d::max_gradient()),
    }
}

/// Operands: dy, and with an activation its output; output: dx.
pub(super) fn average_pool_gradient(graph: &Graph, node: &Node, op: &AveragePoolGradient) -> Lowering {
    let (dy, dx) = (graph.shape(node.inputs[0]), graph.shape(node.outputs[0]));
    let pool = Pooling { activation: kernel_activation(op.activation), ..average(&op.pool, dx, dy) };
    match pool.on_maps() {
        Some(desc) => kernels(desc, pooling::average_gradient()),
        None => kernels(pool.on_volumes(), pooling3d::average_gradient()),
    }
}

fn maximum<'a>(op: &MaxPool, x: &'a Shape, y: &'a Shape) -> Pooling<'a> {
    let MaxPool { kernel_size, stride, dilation, padding, .. } = *op;
    let activation = Activation::None;
    Pooling { kind: PoolKind::Max, x, y, kernel_size, stride, dilation, padding, activation }
}

fn average<'a>(op: &AveragePool, x: &'a Shape, y: &'a Shape) -> Pooling<'a> {
    let AveragePool { kernel_size, stride, dilation, padding, count_include_pad, .. } = *op;
    let kind = PoolKind::Average { count_include_pad };
    Pooling { kind, x, y, kernel_size, stride, dilation, padding, activation: Activation::None }
}

/// A pooling operation with the shapes of its operands.
struct Pooling<'a> {
    kind: PoolKind,
    x: &'a Shape,
    y: &'a Shape,
    kernel_size: PerAxis,
    stride: PerAxis,
    dilation: PerAxis,
    padding: Padding,
    activation: Activation,
}

impl Pooling<'_> {
    /// The descriptor for maps, and for signals as maps with one row; `None` if only the kernels for volumes
    /// support the operation.
    fn on_maps(&self) -> Option<PoolDesc> {
        let asymmetric =
            self.kind == (PoolKind::Average { count_include_pad: true }) && !self.padding.is_symmetric();
        let fits = self.x.len() < 5 && self.dilation == PerAxis::ONE && !asymmetric;
        let ([batch, channels, input @ ..], [_, _, output @ ..]) = (self.x.nchw(), self.y.nchw());
        fits.then(|| PoolDesc {
            kind: self.kind,
            batch,
            channels,
            input,
            output,
            kernel: self.kernel_size.plane(),
            stride: self.stride.plane(),
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
            kernel: self.kernel_size.array(),
            stride: self.stride.array(),
            dilation: self.dilation.array(),
            padding: self.padding.before(),
            padding_after: self.padding.after(),
            activation: self.activation,
        }
    }
}
