//! Operations on plain values of any rank: arithmetic with broadcasting, matrix products, strided copies, means over
//! axes, clipping.

use striate_graph::ops::{Clip, ExtremumGradient, Gather, MatMul};
use striate_graph::{Graph, Node, Op};
use striate_kernels::broadcast::extremum;
use striate_kernels::broadcast::sum_to::{self, SumToDesc};
use striate_kernels::broadcast::{self, Arithmetic, BroadcastDesc};
use striate_kernels::clip::{self, ClipDesc};
use striate_kernels::gather::{self, GatherDesc};
use striate_kernels::matmul::{self, MatMulDesc};
use striate_kernels::strided;
use striate_tensor::Shape;

use super::{Lowering, kernels};
use crate::strided::strided_copy;

/// Operands: a, b.
pub(super) fn arithmetic(graph: &Graph, node: &Node) -> Lowering {
    let op = match &node.op {
        Op::Sub(_) => Arithmetic::Sub,
        Op::Mul(_) => Arithmetic::Mul,
        Op::Div(_) => Arithmetic::Div,
        Op::Max(_) => Arithmetic::Max,
        Op::Min(_) => Arithmetic::Min,
        _ => Arithmetic::Add,
    };
    let [a, b] = [0, 1].map(|side| graph.shape(node.inputs[side]));
    kernels(BroadcastDesc::new(op, a, b), broadcast::list())
}

/// Operands: a, b, dy; output: the gradient of a.
pub(super) fn extremum_gradient(graph: &Graph, node: &Node, op: &ExtremumGradient) -> Lowering {
    let arithmetic = if op.is_min { Arithmetic::Min } else { Arithmetic::Max };
    let [a, b] = [0, 1].map(|side| graph.shape(node.inputs[side]));
    kernels(BroadcastDesc::new(arithmetic, a, b), extremum::gradient())
}

pub(super) fn gather(graph: &Graph, node: &Node, op: &Gather) -> Lowering {
    kernels(gather_desc(graph.shape(node.inputs[0]), op), gather::forward())
}

/// Operand: dy.
pub(super) fn gather_gradient(graph: &Graph, node: &Node, op: &Gather) -> Lowering {
    kernels(gather_desc(graph.shape(node.outputs[0]), op), gather::gradient())
}

fn gather_desc(x: &Shape, op: &Gather) -> GatherDesc {
    GatherDesc::new(x, op.axis, op.indices.clone())
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
    kernels(SumToDesc::new(wide, narrow, factor), sum_to::broadcast())
}

pub(super) fn matmul(graph: &Graph, node: &Node, op: &MatMul) -> Lowering {
    let [a, b] = [0, 1].map(|side| graph.shape(node.inputs[side]));
    kernels(MatMulDesc::new(a, b, op.transpose_a, op.transpose_b), matmul::list())
}

/// Operand of a gradient: dy.
pub(super) fn strided(graph: &Graph, node: &Node) -> Lowering {
    kernels(strided_copy(graph, node).expect("the node copies elements"), strided::list())
}

pub(super) fn clip(graph: &Graph, node: &Node, op: &Clip) -> Lowering {
    kernels(clip_desc(graph, node, op), clip::forward())
}

/// Operands: x, dy.
pub(super) fn clip_gradient(graph: &Graph, node: &Node, op: &Clip) -> Lowering {
    kernels(clip_desc(graph, node, op), clip::gradient())
}

fn clip_desc(graph: &Graph, node: &Node, op: &Clip) -> ClipDesc {
    ClipDesc { len: graph.shape(node.inputs[0]).numel(), min: op.min, max: op.max }
}

/// The shapes of the first operand and the first result.
fn ends<'g>(graph: &'g Graph, node: &Node) -> (&'g Shape, &'g Shape) {
    (graph.shape(node.inputs[0]), graph.shape(node.outputs[0]))
}
