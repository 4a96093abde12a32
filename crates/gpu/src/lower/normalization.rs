//! Batch normalization, local response normalization, sums and factors of channels.

use striate_graph::ops::{
    Activation, BatchNorm, BatchNormGradient, BatchNormResidualGradient, BatchNormTraining, FoldBatchNorm,
    Lrn, Scale,
};

use super::{Operation, activation};
use crate::launch::{Launch, Operand, Work};

/// A kernel over all elements of the first input.
fn each(node: Operation, kernel: &'static str) -> Launch {
    Launch::each(kernel, node.input(0).numel()).maps(node.input(0))
}

/// Blocks that keep a GPU busy.
const BLOCKS: usize = 512;

/// The blocks among which the images of each channel of the first input are divided.
fn splits(node: Operation) -> usize {
    let shape = node.input(0);
    (BLOCKS / shape[1]).clamp(1, shape[0])
}

/// A kernel with a block for each part of the channels of the first input.
fn per_part(node: Operation, kernel: &'static str) -> Launch {
    let blocks = node.input(0)[1] * splits(node);
    Launch::blocks(kernel, blocks).maps(node.input(0)).int(splits(node))
}

/// Adds sum number `which` of `each` of the parts.
fn add_splits(node: Operation, each: usize, which: usize, output: usize) -> Launch {
    let channels = node.input(0)[1];
    let launch = Launch::each("add_splits", channels).sizes([channels, splits(node), each, which]);
    launch.at(Operand::Scratch(0)).outputs([output])
}

/// Work whose first launch leaves `each` sums of every part in scratch memory.
fn with_sums(node: Operation, each: usize, launches: impl IntoIterator<Item = Launch>) -> Work {
    let scratch_bytes = node.input(0)[1] * splits(node) * each * size_of::<f32>();
    Work { scratch_bytes, ..Work::of(launches) }
}

/// Operands: x, γ, β, mean, variance; output: y.
pub(super) fn inference(node: Operation, norm: &BatchNorm) -> Work {
    each(node, "batch_norm").float(norm.epsilon).inputs([0, 1, 2, 3, 4]).outputs([0]).into()
}

/// Operands: x, γ, β, the optional residual; outputs: y, mean, 1/√(variance + ε), running mean, running variance.
pub(super) fn training(node: Operation, op: &BatchNormTraining) -> Work {
    let moments = per_part(node, "batch_moments").inputs([0]).at(Operand::Scratch(0));
    let channels = node.input(0)[1];
    let statistics = Launch::each("batch_statistics", channels).maps(node.input(0)).int(splits(node));
    let statistics = statistics.float(op.norm.epsilon).float(op.norm.momentum);
    let statistics = statistics.at(Operand::Scratch(0)).outputs([1, 2, 3, 4]);
    let residual = op.residual.then_some(Operand::Input(3));
    let normalize = each(node, "normalize").int(activation(op.activation)).inputs([0, 1, 2]).maybe(residual);
    with_sums(node, 2, [moments, statistics, normalize.outputs([1, 2, 0])])
}

/// Operands: x, dy, γ, mean, 1/√(variance + ε), with an activation also β; outputs: dx, dγ, dβ.
pub(super) fn gradient(node: Operation, op: &BatchNormGradient) -> Work {
    let beta = (op.activation != Activation::None).then_some(Operand::Input(5));
    with_sums(node, 2, gradients(node, Operand::Input(1), op.activation, beta))
}

/// Operands: x, dy, γ, mean, 1/√(variance + ε), y, the optional second addend of dy; outputs: dx, dγ, dβ, and the
/// gradient of the residual, which is the one before the activation.
pub(super) fn residual_gradient(node: Operation, op: &BatchNormResidualGradient) -> Work {
    let count = node.input(0).numel();
    let before = Launch::each("before_activation", count).int(count).int(activation(op.activation));
    let addend = op.is_sum.then_some(Operand::Input(6));
    let before = before.inputs([5, 1]).maybe(addend).outputs([3]);
    let gradients = gradients(node, Operand::Output(3), Activation::None, None);
    with_sums(node, 2, [before].into_iter().chain(gradients))
}

/// The sums of parts, dβ, dγ, then dx.
fn gradients(node: Operation, dy: Operand, function: Activation, beta: Option<Operand>) -> [Launch; 4] {
    let operands =
        |launch: Launch| launch.int(activation(function)).inputs([0]).at(dy).inputs([2, 3, 4]).maybe(beta);
    let sums = operands(per_part(node, "batch_norm_sums")).at(Operand::Scratch(0));
    let dx = operands(each(node, "batch_norm_gradient")).outputs([1, 2, 0]);
    [sums, add_splits(node, 2, 0, 2), add_splits(node, 2, 1, 1), dx]
}

/// Operands: weight, γ, β, mean, variance, the optional bias; outputs: weight, bias.
pub(super) fn fold(node: Operation, op: &FoldBatchNorm) -> Work {
    let weight = node.input(0);
    let bias = (node.inputs() == 6).then_some(Operand::Input(5));
    let launch = Launch::each("fold_batch_norm", weight.numel());
    let launch = launch.sizes([weight[0], weight[1..].iter().product()]).float(op.epsilon);
    launch.inputs([0, 1, 2, 3, 4]).maybe(bias).outputs([0, 1]).into()
}

/// Operands: x, and for a sum of products the second factor.
pub(super) fn channel_sum(node: Operation) -> Work {
    let second = (node.inputs() == 2).then_some(Operand::Input(1));
    let sums = per_part(node, "channel_sum").inputs([0]).maybe(second).at(Operand::Scratch(0));
    with_sums(node, 1, [sums, add_splits(node, 1, 0, 0)])
}

/// Operands: x, weight, the optional bias.
pub(super) fn scale(node: Operation, op: &Scale) -> Work {
    let bias = op.bias.then_some(Operand::Input(2));
    each(node, "scale").inputs([0, 1]).maybe(bias).outputs([0]).into()
}

pub(super) fn lrn(node: Operation, op: &Lrn) -> Work {
    each(node, "lrn").lrn(op).inputs([0]).outputs([0]).into()
}

/// Operands: x, dy; output: dx.
pub(super) fn lrn_gradient(node: Operation, op: &Lrn) -> Work {
    each(node, "lrn_gradient").lrn(op).inputs([0, 1]).outputs([0]).into()
}

impl Launch {
    /// Adds the parameters of local response normalization.
    fn lrn(self, op: &Lrn) -> Launch {
        let share = f64::from(op.alpha) / op.size as f64;
        self.int(op.size / 2).float(share).float(op.beta).float(op.k)
    }
}
