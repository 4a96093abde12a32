//! Maps each node to launches of kernels. Each family of operations has its own file, as have the kernels.

mod convolution;
mod loss;
mod matrix;
mod movement;
mod normalization;
mod optimizer;
mod pointwise;
mod pooling;

use striate_graph::ops::{Activation, Window};
use striate_graph::{Graph, Node, Op, Padding, ValueId};
use striate_tensor::{Error, Result, Shape};

use crate::launch::{Launch, Work};
use crate::order::{Maps, Orders};

/// The way that a node is computed.
pub(crate) enum Lowering {
    /// By kernels.
    Work(Work),
    /// Not at all: the output has the same bytes as the input, with another shape.
    Alias,
}

/// Returns the way that `node` of `graph` is computed.
///
/// # Errors
/// If a value has more axes than kernels support.
pub(crate) fn lower(graph: &Graph, node: &Node, orders: &Orders) -> Result<Lowering> {
    let node = Operation { graph, node, orders };
    Ok(Lowering::Work(match &node.node.op {
        Op::Flatten(_) | Op::Reshape(_) | Op::Constant(_) => return Ok(Lowering::Alias),
        Op::Conv(conv) => convolution::forward(node, conv),
        Op::ConvDataGradient(conv) => convolution::data_gradient(node, &conv.0),
        Op::ConvWeightGradient(conv) => convolution::weight_gradient(node, &conv.0),
        Op::LocallyConnected(local) => convolution::local(node, local),
        Op::LocallyConnectedDataGradient(local) => convolution::local_data_gradient(node, &local.0),
        Op::LocallyConnectedWeightGradient(local) => convolution::local_weight_gradient(node, &local.0),
        Op::ScatterKernels(scatter) => movement::scatter(node, scatter),
        Op::ScatterKernelsGradient(scatter) => movement::scatter_gradient(node, &scatter.0),
        Op::Linear(linear) => matrix::linear(node, linear),
        Op::LinearDataGradient(_) => matrix::linear_data_gradient(node),
        Op::LinearWeightGradient(_) => matrix::linear_weight_gradient(node),
        Op::MatMul(matmul) => matrix::matmul(node, matmul)?,
        Op::Rbf(_) => matrix::rbf(node),
        Op::RbfGradient(_) => matrix::rbf_gradient(node),
        Op::MaxPool(pool) => pooling::max(node, pool),
        Op::MaxPoolGradient(pool) => pooling::max_gradient(node, pool),
        Op::AveragePool(pool) => pooling::average(node, pool),
        Op::GlobalAveragePool(_) => pooling::global_average(node),
        Op::AveragePoolGradient(pool) => pooling::average_gradient(node, pool),
        Op::Relu(_) | Op::Relu6(_) | Op::Tanh(_) | Op::Sigmoid(_) | Op::ScaledTanh(_) => {
            pointwise::activation(node)
        }
        Op::ActivationGradient(gradient) => pointwise::activation_gradient(node, gradient.0),
        Op::LeakyRelu(_)
        | Op::Elu(_)
        | Op::HardSigmoid(_)
        | Op::HardSwish(_)
        | Op::Step(_)
        | Op::Gelu(_)
        | Op::Unary(_)
        | Op::Power(_) => pointwise::function(node),
        Op::FunctionGradient(gradient) => pointwise::function_gradient(node, gradient.0),
        Op::MultiplyBy(multiply) => pointwise::multiply_by(node, multiply.factor),
        Op::Clip(clip) => pointwise::clip(node, clip),
        Op::ClipGradient(clip) => pointwise::clip_gradient(node, &clip.0),
        Op::Dropout(dropout) => pointwise::dropout(node, dropout),
        Op::Add(_) if node.input(0) == node.input(1) => pointwise::add(node),
        Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Div(_) | Op::Max(_) | Op::Min(_) => {
            pointwise::arithmetic(node)?
        }
        Op::ExtremumGradient(gradient) => pointwise::extremum_gradient(node, gradient.is_min)?,
        Op::SumTo(sum) => pointwise::sum_to(node, sum.factor)?,
        Op::ReduceMean(_) => pointwise::reduce_mean(node)?,
        Op::ReduceMeanGradient(_) => pointwise::reduce_mean_gradient(node)?,
        Op::Transpose(_) | Op::Slice(_) | Op::SliceGradient(_) | Op::Pad(_) | Op::PadGradient(_) => {
            movement::strided(node)?
        }
        Op::Concat(_) => movement::concat(node),
        Op::ConcatGradient(_) => movement::concat_gradient(node),
        Op::PadChannels(pad) => movement::shift_channels(node, pad.before as i64),
        Op::PadChannelsGradient(pad) => movement::shift_channels(node, -(pad.0.before as i64)),
        Op::Gather(gather) => movement::gather(node, gather),
        Op::GatherGradient(gather) => movement::gather_gradient(node, &gather.0),
        Op::Lrn(lrn) => normalization::lrn(node, lrn),
        Op::LrnGradient(lrn) => normalization::lrn_gradient(node, &lrn.0),
        Op::BatchNorm(norm) => normalization::inference(node, norm),
        Op::BatchNormTraining(norm) => normalization::training(node, norm),
        Op::BatchNormGradient(norm) => normalization::gradient(node, norm),
        Op::BatchNormResidualGradient(norm) => normalization::residual_gradient(node, norm),
        Op::FoldBatchNorm(fold) => normalization::fold(node, fold),
        Op::ChannelSum(_) | Op::ChannelProductSum(_) => normalization::channel_sum(node),
        Op::Scale(scale) => normalization::scale(node, scale),
        Op::Softmax(_) => loss::softmax(node, false),
        Op::LogSoftmax(_) => loss::softmax(node, true),
        Op::SoftmaxGradient(_) => loss::softmax_gradient(node, false),
        Op::LogSoftmaxGradient(_) => loss::softmax_gradient(node, true),
        Op::CrossEntropy(loss) => loss::cross_entropy(node, loss),
        Op::CrossEntropyGradient(loss) => loss::cross_entropy_gradient(node, &loss.0),
        Op::SoftCrossEntropy(loss) => loss::soft_cross_entropy(node, loss),
        Op::SoftCrossEntropyGradient(loss) => loss::soft_cross_entropy_gradient(node, &loss.0),
        Op::ClassLoss(loss) => loss::class_loss(node, loss),
        Op::ClassLossGradient(loss) => loss::class_loss_gradient(node, &loss.0),
        Op::Sgd(sgd) => optimizer::sgd(node, sgd),
        Op::Adam(adam) => optimizer::adam(node, adam),
        Op::RmsProp(rms_prop) => optimizer::rms_prop(node, rms_prop),
        Op::Lars(lars) => optimizer::lars(node, lars),
        Op::Average(_) => optimizer::average(node),
        Op::ClipNorm(clip) => optimizer::clip_norm(node, clip),
        Op::Cast(_) => movement::cast(node),
    }))
}

/// A node in its graph.
#[derive(Clone, Copy)]
struct Operation<'g> {
    graph: &'g Graph,
    node: &'g Node,
    orders: &'g Orders,
}

impl<'g> Operation<'g> {
    /// The extents of an input.
    fn input(self, number: usize) -> &'g Shape {
        self.shape(self.node.inputs[number])
    }

    /// The extents of an output.
    fn output(self, number: usize) -> &'g Shape {
        self.shape(self.node.outputs[number])
    }

    /// An input as images, channels and pixels.
    fn input_maps(self, number: usize) -> Maps {
        self.orders.maps(self.graph, self.node.inputs[number])
    }

    /// An output as images, channels and pixels.
    fn output_maps(self, number: usize) -> Maps {
        self.orders.maps(self.graph, self.node.outputs[number])
    }

    fn shape(self, id: ValueId) -> &'g Shape {
        self.graph.shape(id)
    }

    fn inputs(self) -> usize {
        self.node.inputs.len()
    }
}

/// The number of an activation in the kernels.
pub(crate) fn activation(activation: Activation) -> usize {
    match activation {
        Activation::None => 0,
        Activation::Relu => 1,
        Activation::Relu6 => 2,
        Activation::Tanh => 3,
        Activation::Sigmoid => 4,
        Activation::ScaledTanh => 5,
    }
}

impl Launch {
    /// Adds a value as images, channels and pixels: their numbers and distances.
    fn maps(self, maps: Maps) -> Launch {
        self.sizes(maps.extents).sizes(maps.distances())
    }

    /// Adds a window that moves over an input and gives an output.
    fn window(self, x: &Shape, y: &Shape, window: Window, padding: Padding) -> Launch {
        let ([_, _, input @ ..], [_, _, output @ ..]) = (x.ncdhw(), y.ncdhw());
        let [kernel, stride, dilation] =
            [window.kernel, window.stride, window.dilation].map(|axes| axes.array());
        self.sizes([input, output, kernel, stride, dilation, padding.before()].concat())
    }
}

/// The most axes of a value that kernels index axis by axis.
const AXES: usize = 8;

/// Extents or distances, preceded by extents of 1 or distances of 0.
fn axes<T: Copy>(values: &[T], fill: T) -> Result<[T; AXES]> {
    let Some(first) = AXES.checked_sub(values.len()) else {
        let rank = values.len();
        return Err(Error::input(format!("a value has {rank} axes; a GPU supports at most {AXES}")));
    };
    let mut axes = [fill; AXES];
    axes[first..].copy_from_slice(values);
    Ok(axes)
}
