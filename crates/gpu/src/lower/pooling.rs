//! Pooling and its gradients.

use striate_graph::ops::{
    AveragePool, AveragePoolGradient, GlobalAveragePool, MaxPool, MaxPoolGradient, Window,
};
use striate_tensor::Shape;

use super::{Operation, activation};
use crate::launch::{Launch, Operand, Work};

pub(super) fn max(node: Operation, pool: &MaxPool) -> Work {
    let (x, y) = (node.input(0), node.output(0));
    let window = Window { kernel: pool.kernel_size, stride: pool.stride, dilation: pool.dilation };
    let launch = Launch::each("max_pool", y.numel()).maps(node.input_maps(0)).maps(node.output_maps(0));
    launch.window(x, y, window, pool.padding).inputs([0]).outputs([0]).into()
}

/// Operands: x, dy; output: dx.
pub(super) fn max_gradient(node: Operation, gradient: &MaxPoolGradient) -> Work {
    let (x, dy, pool) = (node.input(0), node.input(1), &gradient.pool);
    let window = Window { kernel: pool.kernel_size, stride: pool.stride, dilation: pool.dilation };
    let launch =
        Launch::each("max_pool_gradient", x.numel()).maps(node.input_maps(0)).maps(node.input_maps(1));
    let launch = launch.window(x, dy, window, pool.padding).int(activation(gradient.activation));
    launch.inputs([0, 1]).outputs([0]).into()
}

pub(super) fn average(node: Operation, pool: &AveragePool) -> Work {
    let (x, y) = (node.input(0), node.output(0));
    let launch = Launch::each("average_pool", y.numel()).maps(node.input_maps(0)).maps(node.output_maps(0));
    launch.average(x, y, pool).inputs([0]).outputs([0]).into()
}

pub(super) fn global_average(node: Operation) -> Work {
    average(node, &GlobalAveragePool::as_pool(node.input(0)))
}

/// Operands: dy, and with an activation its value; output: dx.
pub(super) fn average_gradient(node: Operation, gradient: &AveragePoolGradient) -> Work {
    let (dy, dx) = (node.input(0), node.output(0));
    let value = (node.inputs() > 1).then_some(Operand::Input(1));
    let launch = Launch::each("average_pool_gradient", dx.numel());
    let launch = launch.maps(node.output_maps(0)).maps(node.input_maps(0)).average(dx, dy, &gradient.pool);
    launch.int(activation(gradient.activation)).inputs([0]).maybe(value).outputs([0]).into()
}

impl Launch {
    fn average(self, x: &Shape, y: &Shape, pool: &AveragePool) -> Launch {
        let window = Window { kernel: pool.kernel_size, stride: pool.stride, dilation: pool.dilation };
        let launch = self.window(x, y, window, pool.padding);
        launch.sizes(pool.padding.after()).int(usize::from(pool.count_include_pad))
    }
}
