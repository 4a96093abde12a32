//! Updates of variables.

use striate_graph::ops::{Adam, ClipNorm, Lars, RmsProp, Sgd};

use super::Operation;
use crate::driver::SHARES;
use crate::launch::{Launch, Operand, Work};
use crate::plan::padded_floats;

/// Bytes of a number of double precision.
const DOUBLE: usize = size_of::<f64>();

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

/// Operands: gradient, rate; outputs: parameter, mean square, and with momentum its state.
pub(super) fn rms_prop(node: Operation, op: &RmsProp) -> Work {
    let count = node.output(0).numel();
    let state = (op.momentum != 0.0).then_some(Operand::Output(2));
    let launch = Launch::each("rms_prop", count).int(count);
    let launch = launch.float(op.decay).float(op.epsilon).float(op.momentum).float(op.weight_decay);
    launch.inputs([0, 1]).outputs([0, 1]).maybe(state).into()
}

/// Operands: gradient, rate; outputs: parameter, and with momentum its state.
pub(super) fn lars(node: Operation, op: &Lars) -> Work {
    let count = node.output(0).numel();
    let [of_parameter, of_gradient, ratio] = [0, SHARES, 2 * SHARES].map(|n| Operand::Scratch(n * DOUBLE));
    let sums = |operand, place| Launch::blocks("square_sums", SHARES).int(count).at(operand).at(place);
    let trust = Launch::blocks("trust_ratio", 1).float(op.trust).float(op.weight_decay);
    let state = (op.momentum != 0.0).then_some(Operand::Output(1));
    let step = Launch::each("lars", count).sizes([count, usize::from(op.nesterov)]);
    let step = step.float(op.momentum).float(op.weight_decay).at(ratio);
    let launches = [
        sums(Operand::Output(0), of_parameter),
        sums(Operand::Input(0), of_gradient),
        trust.at(of_parameter).at(of_gradient).at(ratio),
        step.inputs([0, 1]).outputs([0]).maybe(state),
    ];
    Work { scratch_bytes: (2 * SHARES + 1) * DOUBLE, ..Work::of(launches) }
}

/// Operands: x, keep, share; output: the average.
pub(super) fn average(node: Operation) -> Work {
    let count = node.output(0).numel();
    Launch::each("average", count).int(count).inputs([0, 1, 2]).outputs([0]).into()
}

/// Outputs: the gradients, which are contiguous, and last their norm.
pub(super) fn clip_norm(node: Operation, op: &ClipNorm) -> Work {
    let norm = node.node.outputs.len() - 1;
    let count = (0..norm).map(|index| padded_floats(node.output(index).numel())).sum();
    let sums = Launch::blocks("square_sums", SHARES).int(count).outputs([0]).at(Operand::Scratch(0));
    let total = Launch::blocks("gradient_norm", 1).at(Operand::Scratch(0)).outputs([norm]);
    let clip = Launch::each("clip_norm", count).int(count).float(op.max_norm).outputs([norm, 0]);
    Work { scratch_bytes: SHARES * DOUBLE, ..Work::of([sums, total, clip]) }
}
