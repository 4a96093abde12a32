//! Batch normalization, local response normalization, sums and factors of channels.

use striate_graph::ops::{
    Activation, BatchNorm, BatchNormGradient, BatchNormResidualGradient, BatchNormTraining, FoldBatchNorm,
    Lrn, Scale,
};

use super::{Operation, activation};
use crate::launch::{Launch, Operand, Work};
use crate::order::{Maps, Order, width};

/// A kernel over all elements of the first input.
fn each(node: Operation, kernel: &'static str) -> Launch {
    let maps = node.input_maps(0);
    Launch::each(kernel, maps.numel()).maps(maps)
}

/// A kernel over all elements of the first input, of which each thread handles several at once if it can.
fn wide(node: Operation, kernel: &'static str) -> Launch {
    let maps = node.input_maps(0);
    Launch::wide(kernel, maps.numel(), maps.width()).maps(maps)
}

/// Blocks that keep a GPU busy.
const BLOCKS: usize = 512;

/// Adjacent channels that a block adds up, if they are contiguous: the threads of a warp then read contiguous memory.
const LANES: usize = 32;

/// How sums over the images and pixels of each channel of the first input are divided among blocks.
#[derive(Clone, Copy)]
struct Parts {
    maps: Maps,
    /// The channels of a block.
    lanes: usize,
    /// The parts of the images.
    splits: usize,
}

impl Parts {
    fn of(node: Operation) -> Parts {
        let maps = node.input_maps(0);
        let [images, channels, _] = maps.extents;
        let lanes = match maps.order {
            Order::Plain => 1,
            Order::ChannelsLast => channels.next_power_of_two().min(LANES),
        };
        Parts { maps, lanes, splits: (BLOCKS / channels.div_ceil(lanes)).clamp(1, images) }
    }

    fn channels(self) -> usize {
        self.maps.extents[1]
    }

    /// A kernel with a block for each part of each group of channels.
    fn launch(self, kernel: &'static str) -> Launch {
        let blocks = self.channels().div_ceil(self.lanes) * self.splits;
        Launch::blocks(kernel, blocks).maps(self.maps).sizes([self.splits, self.lanes])
    }

    /// Adds sum number `which` of `each` of the parts, a block for each channel.
    fn add(self, each: usize, which: usize, output: usize) -> Launch {
        let launch = Launch::blocks("add_splits", self.channels()).sizes([self.splits, each, which]);
        launch.at(Operand::Scratch(0)).outputs([output])
    }

    /// Work whose first launch leaves `each` sums of every part in scratch memory.
    fn work(self, each: usize, launches: impl IntoIterator<Item = Launch>) -> Work {
        let scratch_bytes = self.channels() * self.splits * each * size_of::<f32>();
        Work { scratch_bytes, ..Work::of(launches) }
    }
}

/// Operands: x, γ, β, mean, variance; output: y.
pub(super) fn inference(node: Operation, norm: &BatchNorm) -> Work {
    wide(node, "batch_norm").float(norm.epsilon).inputs([0, 1, 2, 3, 4]).outputs([0]).into()
}

/// Operands: x, γ, β, the optional residual; outputs: y, mean, 1/√(variance + ε), running mean, running variance.
pub(super) fn training(node: Operation, op: &BatchNormTraining) -> Work {
    let parts = Parts::of(node);
    let moments = parts.launch("batch_moments").inputs([0]).at(Operand::Scratch(0));
    let statistics = Launch::blocks("batch_statistics", parts.channels()).maps(parts.maps).int(parts.splits);
    let statistics = statistics.float(op.norm.epsilon).float(op.norm.momentum);
    let statistics = statistics.at(Operand::Scratch(0)).outputs([1, 2, 3, 4]);
    let residual = op.residual.then_some(Operand::Input(3));
    let normalize = wide(node, "normalize").int(activation(op.activation)).inputs([0, 1, 2]).maybe(residual);
    parts.work(2, [moments, statistics, normalize.outputs([1, 2, 0])])
}

/// Operands: x, dy, γ, mean, 1/√(variance + ε), with an activation also β; outputs: dx, dγ, dβ.
pub(super) fn gradient(node: Operation, op: &BatchNormGradient) -> Work {
    let beta = (op.activation != Activation::None).then_some(Operand::Input(5));
    Parts::of(node).work(2, gradients(node, Operand::Input(1), op.activation, beta))
}

/// Operands: x, dy, γ, mean, 1/√(variance + ε), y, the optional second addend of dy; outputs: dx, dγ, dβ, and the
/// gradient of the residual, which is the one before the activation.
pub(super) fn residual_gradient(node: Operation, op: &BatchNormResidualGradient) -> Work {
    let count = node.input(0).numel();
    let before =
        Launch::wide("before_activation", count, width(count)).int(count).int(activation(op.activation));
    let addend = op.is_sum.then_some(Operand::Input(6));
    let before = before.inputs([5, 1]).maybe(addend).outputs([3]);
    let gradients = gradients(node, Operand::Output(3), Activation::None, None);
    Parts::of(node).work(2, [before].into_iter().chain(gradients))
}

/// The sums of parts, dβ, dγ, then dx.
fn gradients(node: Operation, dy: Operand, function: Activation, beta: Option<Operand>) -> [Launch; 4] {
    let operands =
        |launch: Launch| launch.int(activation(function)).inputs([0]).at(dy).inputs([2, 3, 4]).maybe(beta);
    let parts = Parts::of(node);
    let sums = operands(parts.launch("batch_norm_sums")).at(Operand::Scratch(0));
    let dx = operands(wide(node, "batch_norm_gradient")).outputs([1, 2, 0]);
    [sums, parts.add(2, 0, 2), parts.add(2, 1, 1), dx]
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
    let parts = Parts::of(node);
    let sums = parts.launch("channel_sum").inputs([0]).maybe(second).at(Operand::Scratch(0));
    parts.work(1, [sums, parts.add(1, 0, 0)])
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
