//! Operations on values of any rank, all plain: arithmetic with broadcasting, matrix products, other orders of
//! elements, means over axes, limits.

use striate_graph::ops::{Clip, MatMul, Pad, Slice, Transpose};
use striate_graph::{Graph, Node, Op};
use striate_kernels::broadcast::{self, Arithmetic, BroadcastDesc};
use striate_kernels::limits::{self, LimitsDesc};
use striate_kernels::matmul::{self, MatMulDesc};
use striate_kernels::strided::{self, Steps, StridedDesc};
use striate_kernels::sum_to::{self, SumToDesc};
use striate_tensor::Shape;

use super::{Lowering, kernels};

/// Operands: a, b.
pub(super) fn arithmetic(graph: &Graph, node: &Node) -> Lowering {
    let op = match &node.op {
        Op::Sub(_) => Arithmetic::Sub,
        Op::Mul(_) => Arithmetic::Mul,
        Op::Div(_) => Arithmetic::Div,
        _ => Arithmetic::Add,
    };
    let [a, b] = [0, 1].map(|side| graph.shape(node.inputs[side]));
    kernels(BroadcastDesc::new(op, a, b), broadcast::list())
}

/// Operand: the wide value.
pub(super) fn sum_to(graph: &Graph, node: &Node, factor: f32) -> Lowering {
    let (wide, narrow) = ends(graph, node);
    kernels(SumToDesc::new(wide, narrow, factor), sum_to::sum())
}

pub(super) fn reduce_mean(graph: &Graph, node: &Node) -> Lowering {
    let (wide, narrow) = ends(graph, node);
    let factor = narrow.numel() as f32 / wide.numel() as f32;
    kernels(SumToDesc::new(wide, narrow, factor), sum_to::sum())
}

/// Operand: dy, the narrow value.
pub(super) fn reduce_mean_gradient(graph: &Graph, node: &Node) -> Lowering {
    let (narrow, wide) = ends(graph, node);
    let factor = narrow.numel() as f32 / wide.numel() as f32;
    kernels(SumToDesc::new(wide, narrow, factor), sum_to::spread())
}

pub(super) fn matmul(graph: &Graph, node: &Node, op: &MatMul) -> Lowering {
    let [a, b] = [0, 1].map(|side| graph.shape(node.inputs[side]));
    kernels(MatMulDesc::new(a, b, op.transpose_a, op.transpose_b), matmul::list())
}

pub(super) fn transpose(graph: &Graph, node: &Node, op: &Transpose) -> Lowering {
    let (x, y) = ends(graph, node);
    let plain = Steps::plain(x);
    let from = Steps { steps: op.permutation.iter().map(|axis| plain.steps[*axis]).collect(), ..plain };
    copy(y, from, Steps::plain(y), None)
}

pub(super) fn slice(graph: &Graph, node: &Node, op: &Slice) -> Lowering {
    let (x, y) = ends(graph, node);
    copy(y, sliced(x, op), Steps::plain(y), None)
}

/// Operand: dy.
pub(super) fn slice_gradient(graph: &Graph, node: &Node, op: &Slice) -> Lowering {
    let (dy, dx) = ends(graph, node);
    copy(dy, Steps::plain(dy), sliced(dx, op), Some(0.0))
}

pub(super) fn pad(graph: &Graph, node: &Node, op: &Pad) -> Lowering {
    let (x, y) = ends(graph, node);
    copy(x, Steps::plain(x), inside(y, op), Some(op.value))
}

/// Operand: dy.
pub(super) fn pad_gradient(graph: &Graph, node: &Node, op: &Pad) -> Lowering {
    let (dy, dx) = ends(graph, node);
    copy(dx, inside(dy, op), Steps::plain(dx), None)
}

pub(super) fn clip(graph: &Graph, node: &Node, op: &Clip) -> Lowering {
    kernels(limits_of(graph, node, op), limits::forward())
}

/// Operands: x, dy.
pub(super) fn clip_gradient(graph: &Graph, node: &Node, op: &Clip) -> Lowering {
    kernels(limits_of(graph, node, op), limits::gradient())
}

fn limits_of(graph: &Graph, node: &Node, op: &Clip) -> LimitsDesc {
    LimitsDesc { len: graph.shape(node.inputs[0]).numel(), min: op.min, max: op.max }
}

fn copy(shape: &Shape, from: Steps, to: Steps, rest: Option<f32>) -> Lowering {
    kernels(StridedDesc { shape: shape.to_vec(), from, to, rest }, strided::list())
}

/// Where the elements of a slice lie in the whole.
fn sliced(whole: &Shape, op: &Slice) -> Steps {
    let mut steps = Steps::plain(whole);
    steps.offset = op.start * steps.steps[op.axis] as usize;
    steps.steps[op.axis] *= op.step;
    steps
}

/// Where the elements within a border lie in the whole.
fn inside(whole: &Shape, op: &Pad) -> Steps {
    let mut steps = Steps::plain(whole);
    steps.offset = op.before.iter().zip(&steps.steps).map(|(before, step)| before * *step as usize).sum();
    steps
}

/// The shapes of the first operand and the first result.
fn ends<'g>(graph: &'g Graph, node: &Node) -> (&'g Shape, &'g Shape) {
    (graph.shape(node.inputs[0]), graph.shape(node.outputs[0]))
}
