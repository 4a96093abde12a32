//! Fully connected layers in all three directions, which are convolutions to a library; matrix products; RBF layers.

use striate_graph::ops::{Activation, Linear, MatMul};
use striate_kernels::matmul::MatMulDesc;
use striate_tensor::Result;

use super::convolution::library;
use super::{Operation, activation, axes};
use crate::convolution::{Convolution, Direction};
use crate::launch::{Launch, Operand, Work};

/// Rows, terms of each sum, and columns of a product, with the distances between neighbors in both operands.
struct Product {
    sizes: [usize; 3],
    /// Between the rows and between the terms of the first operand.
    first: [usize; 2],
    /// Between the terms and between the columns of the second operand.
    second: [usize; 2],
}

impl Launch {
    /// Adds one product.
    fn product(self, product: &Product) -> Launch {
        let one = self.int(1).sizes([1; super::AXES]).sizes([0; super::AXES]).sizes([0; super::AXES]);
        one.sizes(product.sizes).sizes(product.first).sizes(product.second)
    }
}

/// Operands: x, weight, the optional bias; output: y.
pub(super) fn linear(node: Operation, linear: &Linear) -> Work {
    let (x, y) = (node.input(0), node.output(0));
    let [n, inputs, outputs] = [x[0], x[1], y[1]];
    let bias = linear.bias.then_some(Operand::Input(2));
    let product = Product { sizes: [n, inputs, outputs], first: [inputs, 1], second: [1, inputs] };
    let launch = Launch::each("matmul", n * outputs).product(&product).int(activation(linear.activation));
    let own = launch.inputs([0, 1]).maybe(bias).outputs([0]);
    let convolution = Convolution::linear(Direction::Forward, n, [inputs, outputs]);
    let operands = [Some(Operand::Input(0)), Some(Operand::Input(1)), Some(Operand::Output(0)), bias, None];
    let epilogue = Launch::epilogue(node.output_maps(0), linear.activation, bias, None);
    Work { library: library(node, convolution, linear.activation, operands, epilogue), ..own.into() }
}

/// Operands: dy, weight; output: dx.
pub(super) fn linear_data_gradient(node: Operation) -> Work {
    let [n, outputs, inputs] = [node.input(0)[0], node.input(0)[1], node.output(0)[1]];
    let product = Product { sizes: [n, outputs, inputs], first: [outputs, 1], second: [inputs, 1] };
    let launch = Launch::each("matmul", n * inputs).product(&product).int(activation(Activation::None));
    let own = launch.inputs([0, 1]).maybe(None).outputs([0]);
    let convolution = Convolution::linear(Direction::DataGradient, n, [inputs, outputs]);
    let operands = [Some(Operand::Output(0)), Some(Operand::Input(1)), Some(Operand::Input(0)), None, None];
    Work { library: library(node, convolution, Activation::None, operands, None), ..own.into() }
}

/// Operands: x, dy; output: dw.
pub(super) fn linear_weight_gradient(node: Operation) -> Work {
    let [n, inputs, outputs] = [node.input(0)[0], node.input(0)[1], node.input(1)[1]];
    let product = Product { sizes: [outputs, n, inputs], first: [1, outputs], second: [inputs, 1] };
    let launch = Launch::each("matmul", outputs * inputs).product(&product).int(activation(Activation::None));
    let own = launch.inputs([1, 0]).maybe(None).outputs([0]);
    let convolution = Convolution::linear(Direction::WeightGradient, n, [inputs, outputs]);
    let operands = [Some(Operand::Input(0)), Some(Operand::Output(0)), Some(Operand::Input(1)), None, None];
    Work { library: library(node, convolution, Activation::None, operands, None), ..own.into() }
}

pub(super) fn matmul(node: Operation, op: &MatMul) -> Result<Work> {
    let d = MatMulDesc::new(node.input(0), node.input(1), op.transpose_a, op.transpose_b);
    let [first, second] = [d.rows * d.inner, d.inner * d.columns];
    let scaled = |side: usize, size: usize| {
        let strides: Vec<usize> = d.outer.strides[side].iter().map(|stride| stride * size).collect();
        axes(&strides, 0)
    };
    let launch = Launch::each("matmul", node.output(0).numel()).int(d.outer.shape.iter().product());
    let launch = launch.sizes(axes(&d.outer.shape, 1)?).sizes(scaled(0, first)?).sizes(scaled(1, second)?);
    let launch = launch.sizes([d.rows, d.inner, d.columns]);
    let launch = launch.sizes(if d.transpose_a { [1, d.rows] } else { [d.inner, 1] });
    let launch = launch.sizes(if d.transpose_b { [1, d.inner] } else { [d.columns, 1] });
    Ok(launch.int(activation(Activation::None)).inputs([0, 1]).maybe(None).outputs([0]).into())
}

/// Operands: x, codes; output: y.
pub(super) fn rbf(node: Operation) -> Work {
    distances(node, "rbf").inputs([0, 1]).outputs([0]).into()
}

/// Operands: x, codes, dy; output: dx.
pub(super) fn rbf_gradient(node: Operation) -> Work {
    distances(node, "rbf_gradient").inputs([0, 1, 2]).outputs([0]).into()
}

fn distances(node: Operation, kernel: &'static str) -> Launch {
    let (x, codes) = (node.input(0), node.input(1));
    Launch::each(kernel, node.output(0).numel()).sizes([x[0], x[1], codes[0]])
}
