//! Updates of variables.

use striate_graph::ops::{Adam, ClipNorm, Sgd};

use super::Operation;
use crate::driver::SHARES;
use crate::launch::{Launch, Operand, Work};
use crate::plan::padded_floats;

/// Operands: gradient, rate; outputs: parameter, and with momentum its state.
pub(super) fn sgd(node: Operation, op: &Sgd) -> Work {
    let count = node.output(0).numel();
    let state = (op.momentum != 0.0).then_some(Operand::Output(1));
    let launch = Launch::each("sgd", count).sizes([count, usize::from(op.nesterov)]);
    let launch = launch.float(op.momentum).float(op.weight_decay);
    launch.inputs([0, 1]).outputs([0]).maybe(state).into()
}

/// Operands: gradient, rate, step; outputs: parameter, first moment, second moment.
pub(super) fn adam(node: Operation, op: &Adam) -> Work {
    let count = node.output(0).numel();
    let launch = Launch::each("adam", count).sizes([count, usize::from(op.decoupled)]);
    let launch = launch.float(op.beta1).float(op.beta2).float(op.epsilon).float(op.weight_decay);
    launch.inputs([0, 1, 2]).outputs([0, 1, 2]).into()
}

/// Outputs: the gradients, which are contiguous, and last their norm.
pub(super) fn clip_norm(node: Operation, op: &ClipNorm) -> Work {
    let norm = node.node.outputs.len() - 1;
    let count = (0..norm).map(|index| padded_floats(node.output(index).numel())).sum();
    let sums = Launch::blocks("square_sums", SHARES).int(count).outputs([0]).at(Operand::Scratch(0));
    let total = Launch::blocks("gradient_norm", 1).at(Operand::Scratch(0)).outputs([norm]);
    let clip = Launch::each("clip_norm", count).int(count).float(op.max_norm).outputs([norm, 0]);
    Work { scratch_bytes: SHARES * size_of::<f64>(), ..Work::of([sums, total, clip]) }
}
