//! Convolution and locally connected layers in all three directions.

use striate_engine::Precision;
use striate_graph::ops::{Activation, Conv, LocallyConnected};
use striate_tensor::{DType, Shape};

use super::{Operation, activation};
use crate::convolution::{Convolution, Direction, Epilogue};
use crate::launch::{Launch, Library, Operand, Work};
use crate::order::{Maps, Order, width};

const OWN: [&str; 3] = ["convolution", "convolution_data_gradient", "convolution_weight_gradient"];

/// Operands: x, weight, the optional bias and residual; output: y.
pub(super) fn forward(node: Operation, conv: &Conv) -> Work {
    let (x, y) = (node.input(0), node.output(0));
    let convolution = node.convolution(Direction::Forward, conv, x, y);
    let bias = conv.bias.then_some(Operand::Input(2));
    let residual = conv.residual.then(|| Operand::Input(node.inputs() - 1));
    let own = Launch::convolution(&convolution, 1).int(activation(conv.activation));
    let own = own.inputs([0, 1]).maybe(bias).maybe(residual).outputs([0]);
    let epilogue = Launch::epilogue(node.output_maps(0), conv.activation, bias, residual);
    let operands =
        [Some(Operand::Input(0)), Some(Operand::Input(1)), Some(Operand::Output(0)), bias, residual];
    Work { library: library(node, convolution, conv.activation, operands, epilogue), ..own.into() }
}

/// Operands: dy, weight, the optional residual; output: dx.
pub(super) fn data_gradient(node: Operation, conv: &Conv) -> Work {
    let (dy, dx) = (node.input(0), node.output(0));
    let convolution = node.convolution(Direction::DataGradient, conv, dx, dy);
    let residual = conv.residual.then_some(Operand::Input(2));
    let own = Launch::convolution(&convolution, 1).inputs([0, 1]).maybe(residual).outputs([0]);
    let add = residual.map(|residual| {
        let count = dx.numel();
        let launch = Launch::wide("add", count, width(count)).int(count).outputs([0]);
        launch.at(residual).outputs([0])
    });
    let operands =
        [Some(Operand::Output(0)), Some(Operand::Input(1)), Some(Operand::Input(0)), None, residual];
    Work { library: library(node, convolution, Activation::None, operands, add), ..own.into() }
}

/// Operands: x, dy; output: dw.
pub(super) fn weight_gradient(node: Operation, conv: &Conv) -> Work {
    let convolution = node.convolution(Direction::WeightGradient, conv, node.input(0), node.input(1));
    let own = Launch::convolution(&convolution, 1).inputs([0, 1]).outputs([0]);
    let operands = [Some(Operand::Input(0)), Some(Operand::Output(0)), Some(Operand::Input(1)), None, None];
    Work { library: library(node, convolution, Activation::None, operands, None), ..own.into() }
}

/// What a library can do: x, w and y must have the same type, and for an epilogue also the residual; the bias is `f32`.
pub(super) fn library(
    node: Operation,
    convolution: Convolution,
    activation: Activation,
    operands: [Option<Operand>; 5],
    after: Option<Launch>,
) -> Option<Box<Library>> {
    let ids = [node.node.inputs[0], node.node.inputs[1], node.node.outputs[0]];
    let precision = match ids.map(|id| node.graph.value(id).dtype) {
        [DType::F32, DType::F32, DType::F32] => Precision::F32,
        [DType::BF16, DType::BF16, DType::BF16] => Precision::Bf16,
        _ => return None,
    };
    let type_of = |operand: Option<Operand>| match operand {
        Some(Operand::Input(input)) => Some(node.graph.value(node.node.inputs[input]).dtype),
        _ => None,
    };
    let [.., bias, residual] = operands;
    let fuses = type_of(bias).is_none_or(|dtype| dtype == DType::F32)
        && type_of(residual).is_none_or(|dtype| dtype == node.graph.value(ids[2]).dtype);
    let epilogue = Epilogue { bias: bias.is_some(), residual: residual.is_some(), activation };
    let convolution = Convolution { precision, epilogue, ..convolution };
    Some(Box::new(Library { convolution, operands, fuses, after }))
}

/// Operands: x, weight, the optional bias; output: y.
pub(super) fn local(node: Operation, local: &LocallyConnected) -> Work {
    let (x, y, conv) = (node.input(0), node.output(0), local.as_conv());
    let convolution = Convolution::new(Direction::Forward, &conv, x, y);
    let launch = Launch::convolution(&convolution, convolution.output.iter().product());
    let launch = launch.int(activation(conv.activation)).inputs([0, 1]);
    launch.maybe(conv.bias.then_some(Operand::Input(2))).maybe(None).outputs([0]).into()
}

/// Operands: dy, weight; output: dx.
pub(super) fn local_data_gradient(node: Operation, local: &LocallyConnected) -> Work {
    let (dy, dx) = (node.input(0), node.output(0));
    let convolution = Convolution::new(Direction::DataGradient, &local.as_conv(), dx, dy);
    let launch = Launch::convolution(&convolution, convolution.output.iter().product());
    launch.inputs([0, 1]).maybe(None).outputs([0]).into()
}

/// Operands: x, dy; output: dw.
pub(super) fn local_weight_gradient(node: Operation, local: &LocallyConnected) -> Work {
    let (x, dy) = (node.input(0), node.input(1));
    let convolution = Convolution::new(Direction::WeightGradient, &local.as_conv(), x, dy);
    let launch = Launch::convolution(&convolution, convolution.output.iter().product());
    launch.inputs([0, 1]).outputs([0]).into()
}

impl Operation<'_> {
    /// The convolution between values with the shapes of x and y. All operands have the same order, or only one.
    fn convolution(self, direction: Direction, conv: &Conv, x: &Shape, y: &Shape) -> Convolution {
        let ids = [self.node.inputs[0], self.node.inputs[1], self.node.outputs[0]];
        let has_last = ids.iter().any(|id| self.orders.of(*id) == Order::ChannelsLast);
        let order = if has_last { Order::ChannelsLast } else { Order::Plain };
        Convolution { order, ..Convolution::new(direction, conv, x, y) }
    }
}

impl Launch {
    /// What remains to be done after a convolution without bias, residual and activation.
    pub(super) fn epilogue(
        y: Maps,
        function: Activation,
        bias: Option<Operand>,
        residual: Option<Operand>,
    ) -> Option<Launch> {
        let is_bare = bias.or(residual).is_none() && function == Activation::None;
        let launch = Launch::wide("epilogue", y.numel(), y.width()).maps(y).int(activation(function));
        (!is_bare).then(|| launch.maybe(bias).maybe(residual).outputs([0]))
    }

    /// The own kernel for `c`, whose weights are separate for each of `places` output pixels, or shared if there is
    /// one. Operands follow.
    pub(crate) fn convolution(c: &Convolution, places: usize) -> Launch {
        let pixels = |extents: [usize; 3]| extents.iter().product::<usize>();
        let [x, y] = [(0, c.input), (1, c.output)]
            .map(|(side, extents)| [c.images, c.channels[side], pixels(extents)])
            .map(|extents| Maps::new(extents, c.order));
        let [inputs, outputs] = c.channels.map(|channels| channels / c.groups);
        let (kernel, count) = match c.direction {
            Direction::Forward => (OWN[0], y.numel()),
            Direction::DataGradient => (OWN[1], x.numel()),
            Direction::WeightGradient => (OWN[2], c.channels[1] * inputs * pixels(c.kernel) * places),
        };
        let weights = Maps::new([c.channels[1], inputs, pixels(c.kernel)], c.order);
        let [_, input, tap] = weights.distances();
        let launch = Launch::each(kernel, count).maps(x).maps(y);
        let window = [c.input, c.output, c.kernel, c.stride, c.dilation, c.padding].concat();
        launch.sizes(window).sizes([c.groups, inputs, outputs, places, input, tap])
    }
}
