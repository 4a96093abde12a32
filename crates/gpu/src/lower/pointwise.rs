//! Operations on every element, and sums over axes.

use striate_graph::Op;
use striate_graph::ops::{Activation, Clip, Dropout, Function};
use striate_kernels::broadcast::sum_to::SumToDesc;
use striate_kernels::broadcast::{Arithmetic, BroadcastDesc};
use striate_tensor::random::Stream;
use striate_tensor::{Result, Shape};

use super::{Operation, axes};
use crate::launch::{Launch, Work};
use crate::order::width;

/// A kernel over all elements of the first output.
fn each(node: Operation, kernel: &'static str) -> Launch {
    let count = node.output(0).numel();
    Launch::each(kernel, count).int(count)
}

pub(super) fn activation(node: Operation) -> Work {
    applied(node, node.node.op.activation().expect("the node is an activation"))
}

pub(super) fn identity(node: Operation) -> Work {
    applied(node, Activation::None)
}

/// A kernel over all elements of the first output, of which each thread handles several at once if it can.
fn wide(node: Operation, kernel: &'static str) -> Launch {
    let count = node.output(0).numel();
    Launch::wide(kernel, count, width(count)).int(count)
}

fn applied(node: Operation, activation: Activation) -> Work {
    wide(node, "activation").int(super::activation(activation)).inputs([0]).outputs([0]).into()
}

/// Operands: y, dy; output: dx.
pub(super) fn activation_gradient(node: Operation, activation: Activation) -> Work {
    let launch = wide(node, "activation_gradient").int(super::activation(activation));
    launch.inputs([0, 1]).outputs([0]).into()
}

pub(super) fn function(node: Operation) -> Work {
    let function = node.node.op.function().expect("the node is a function");
    each(node, "function").function(function).inputs([0]).outputs([0]).into()
}

/// Operands: x, dy; output: dx.
pub(super) fn function_gradient(node: Operation, function: Function) -> Work {
    each(node, "function_gradient").function(function).inputs([0, 1]).outputs([0]).into()
}

impl Launch {
    /// Adds the number of a function in the kernels, and its parameters.
    fn function(self, function: Function) -> Launch {
        let (number, parameters) = match function {
            Function::LeakyRelu { slope } => (0, [slope, 0.0, 0.0]),
            Function::Elu { alpha, scale, rate } => (1, [alpha, scale, rate]),
            Function::HardSigmoid { slope, offset } => (2, [slope, offset, 0.0]),
            Function::HardSwish => (3, [0.0; 3]),
            Function::Gelu => (4, [0.0; 3]),
            Function::GeluTanh => (5, [0.0; 3]),
            Function::Exp => (6, [0.0; 3]),
            Function::Log => (7, [0.0; 3]),
            Function::Sqrt => (8, [0.0; 3]),
            Function::Abs => (9, [0.0; 3]),
            Function::Erf => (10, [0.0; 3]),
            Function::Power { exponent } => (11, [exponent, 0.0, 0.0]),
            Function::Step { threshold } => (12, [threshold, 0.0, 0.0]),
        };
        parameters.into_iter().fold(self.int(number), Launch::float)
    }
}

pub(super) fn add(node: Operation) -> Work {
    wide(node, "add").inputs([0, 1]).outputs([0]).into()
}

pub(super) fn multiply_by(node: Operation, factor: f32) -> Work {
    each(node, "multiply_by").float(factor).inputs([0]).outputs([0]).into()
}

pub(super) fn clip(node: Operation, clip: &Clip) -> Work {
    each(node, "clip").float(clip.min).float(clip.max).inputs([0]).outputs([0]).into()
}

/// Operands: x, dy; output: dx.
pub(super) fn clip_gradient(node: Operation, clip: &Clip) -> Work {
    each(node, "clip_gradient").float(clip.min).float(clip.max).inputs([0, 1]).outputs([0]).into()
}

/// Operands in training: x, seed, step. In inference, the only operand is x, and the operation is the identity.
pub(super) fn dropout(node: Operation, op: &Dropout) -> Work {
    if node.inputs() == 1 {
        return identity(node);
    }
    let probability = f64::from(op.probability);
    let threshold = (probability * 4_294_967_296.0) as u32;
    let launch = Launch::each("dropout", node.output(0).numel()).maps(node.input_maps(0));
    let launch = launch.float(1.0 / (1.0 - probability)).int(threshold as usize);
    launch.ints([op.salt as i64]).int(Stream::Dropout as usize).inputs([0, 1, 2]).outputs([0]).into()
}

/// Operands: a, b.
pub(super) fn arithmetic(node: Operation) -> Result<Work> {
    let operation = match &node.node.op {
        Op::Sub(_) => Arithmetic::Sub,
        Op::Mul(_) => Arithmetic::Mul,
        Op::Div(_) => Arithmetic::Div,
        Op::Max(_) => Arithmetic::Max,
        Op::Min(_) => Arithmetic::Min,
        _ => Arithmetic::Add,
    };
    Ok(each(node, "arithmetic").broadcast(node, operation)?.inputs([0, 1]).outputs([0]).into())
}

/// Operands: a, b, dy; output: the gradient of a in the shape of dy.
pub(super) fn extremum_gradient(node: Operation, is_min: bool) -> Result<Work> {
    let operation = if is_min { Arithmetic::Min } else { Arithmetic::Max };
    let launch = each(node, "extremum_gradient").broadcast(node, operation)?;
    Ok(launch.inputs([0, 1, 2]).outputs([0]).into())
}

impl Launch {
    /// Adds the number of an operation in the kernels, and the geometry of its operands.
    fn broadcast(self, node: Operation, operation: Arithmetic) -> Result<Launch> {
        let number = match operation {
            Arithmetic::Add => 0,
            Arithmetic::Sub => 1,
            Arithmetic::Mul => 2,
            Arithmetic::Div => 3,
            Arithmetic::Max => 4,
            Arithmetic::Min => 5,
        };
        let BroadcastDesc { shape, strides: [a, b], .. } =
            BroadcastDesc::new(operation, node.input(0), node.input(1));
        Ok(self.int(number).sizes(axes(&shape, 1)?).sizes(axes(&a, 0)?).sizes(axes(&b, 0)?))
    }
}

pub(super) fn sum_to(node: Operation, factor: f32) -> Result<Work> {
    sum(node.input(0), node.output(0), factor)
}

pub(super) fn reduce_mean(node: Operation) -> Result<Work> {
    let (wide, narrow) = (node.input(0), node.output(0));
    sum(wide, narrow, narrow.numel() as f32 / wide.numel() as f32)
}

fn sum(wide: &Shape, narrow: &Shape, factor: f32) -> Result<Work> {
    let SumToDesc { shape, strides, .. } = SumToDesc::new(wide, narrow, factor);
    // The axes that remain, and those that are summed, each with its distances in the wide value.
    let (mut outer, mut inner) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    let mut distance = wide.numel();
    for (extent, stride) in shape.iter().zip(&strides) {
        distance /= extent;
        let (extents, distances) = if *stride > 0 { &mut outer } else { &mut inner };
        extents.push(*extent);
        distances.push(distance);
    }
    let count = narrow.numel();
    let launch = Launch::each("sum_to", count).int(count).int(inner.0.iter().product());
    let launch = launch.sizes(axes(&outer.0, 1)?).sizes(axes(&outer.1, 0)?);
    let launch = launch.sizes(axes(&inner.0, 1)?).sizes(axes(&inner.1, 0)?);
    Ok(launch.float(factor).inputs([0]).outputs([0]).into())
}

/// Operand: dy, the narrow value.
pub(super) fn reduce_mean_gradient(node: Operation) -> Result<Work> {
    let (narrow, wide) = (node.input(0), node.output(0));
    let SumToDesc { shape, strides, factor } =
        SumToDesc::new(wide, narrow, narrow.numel() as f32 / wide.numel() as f32);
    let launch = each(node, "broadcast_to").sizes(axes(&shape, 1)?).sizes(axes(&strides, 0)?);
    Ok(launch.float(factor).inputs([0]).outputs([0]).into())
}
