//! Maps each node to the list of kernels that can compute it. Each family of operations has its own file.

mod conv;
mod elementwise;
mod general;
mod join;
mod linear;
mod loss;
mod normalization;
mod pooling;
mod update;

pub(crate) use loss::criterion;

use striate_graph::ops::Activation;
use striate_graph::{Graph, Node, Op, ValueId};
use striate_kernels::isa::Isa;
use striate_kernels::{Format, Implementation, Kernel, Layout, activation};
use striate_tensor::DType;

/// The way a node is computed.
pub(crate) enum Lowering {
    /// By one of a list of kernels.
    Kernels(Box<dyn Candidates>),
    /// Not at all: the output has the same bytes as the input, with another shape.
    Alias,
}

/// A way to compute a node: an implementation with the layouts that it wants, and what it costs (see
/// [`Implementation::cost`]).
pub(crate) struct Way {
    /// The position of the implementation in its list.
    pub position: usize,
    pub name: &'static str,
    pub layouts: Vec<Layout>,
    pub cost: f64,
}

/// A descriptor with its list of implementations.
pub(crate) trait Candidates {
    /// Returns the implementations for operands of the types `dtypes`, if the first is in the layout `first`.
    fn options(&self, isa: Isa, dtypes: &[DType], first: Layout) -> Vec<Way>;
    /// Returns the position of the reference implementation for these types, and its layouts, all plain.
    fn reference(&self, dtypes: &[DType]) -> (usize, Vec<Layout>);
    /// The name of the implementation at `position`.
    fn name(&self, position: usize) -> &'static str;
    /// Whether the result of the implementation at `position` can take the place of the residual (see
    /// [`Implementation::replaces_residual`]).
    fn replaces_residual(&self, position: usize, isa: Isa) -> bool;
    /// Creates the kernel of the implementation at `position` for these layouts.
    fn prepare(&self, position: usize, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel>;
}

/// The layouts of `formats`, if their types are `dtypes`.
fn layouts_for(dtypes: &[DType], formats: &[Format]) -> Option<Vec<Layout>> {
    let are_equal = formats.iter().map(|format| &format.dtype).eq(dtypes);
    are_equal.then(|| Format::layouts(formats))
}

/// The element types of the operands of `node`, those read first. Gradients that are clipped are one operand.
pub(crate) fn dtypes(graph: &Graph, node: &Node) -> Vec<DType> {
    let joined = if matches!(node.op, Op::ClipNorm(_)) { node.outputs.len() - 2 } else { 0 };
    node.inputs.iter().chain(&node.outputs[joined..]).map(|id| graph.value(*id).dtype).collect()
}

struct Listed<D: 'static> {
    desc: D,
    list: &'static [&'static dyn Implementation<D>],
}

impl<D> Candidates for Listed<D> {
    fn options(&self, isa: Isa, dtypes: &[DType], first: Layout) -> Vec<Way> {
        let way = |(position, candidate): (usize, &&dyn Implementation<D>)| {
            let formats = candidate.formats(&self.desc, isa, first)?;
            let layouts = layouts_for(dtypes, &formats)?;
            Some(Way { position, name: candidate.name(), layouts, cost: candidate.cost(&self.desc, isa) })
        };
        self.list.iter().enumerate().filter_map(way).collect()
    }

    fn reference(&self, dtypes: &[DType]) -> (usize, Vec<Layout>) {
        let mut ways = self.options(Isa::Scalar, dtypes, Layout::Plain);
        let Way { position, layouts, .. } = ways.pop().expect("the reference supports everything");
        (position, layouts)
    }

    fn name(&self, position: usize) -> &'static str {
        self.list[position].name()
    }

    fn replaces_residual(&self, position: usize, isa: Isa) -> bool {
        self.list[position].replaces_residual(&self.desc, isa)
    }

    fn prepare(&self, position: usize, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        self.list[position].prepare(&self.desc, isa, layouts)
    }
}

fn kernels<D: 'static>(desc: D, list: &'static [&'static dyn Implementation<D>]) -> Lowering {
    Lowering::Kernels(Box::new(Listed { desc, list }))
}

/// Returns the way that `node` of `graph` is computed; `len` returns the number of elements that a value occupies.
pub(crate) fn lower(graph: &Graph, node: &Node, len: &dyn Fn(ValueId) -> usize) -> Lowering {
    match &node.op {
        Op::Conv(conv) => conv::forward(graph, node, conv),
        Op::ConvDataGradient(conv) => conv::data_gradient(graph, node, &conv.0),
        Op::ConvWeightGradient(conv) => conv::weight_gradient(graph, node, &conv.0),
        Op::Linear(linear) => linear::forward(graph, node, linear),
        Op::LinearDataGradient(_) => linear::data_gradient(graph, node),
        Op::LinearWeightGradient(_) => linear::weight_gradient(graph, node),
        Op::MaxPool(pool) => pooling::max_pool(graph, node, pool),
        Op::AveragePool(pool) => pooling::average_pool(graph, node, pool),
        Op::GlobalAveragePool(_) => pooling::global_average_pool(graph, node),
        Op::MaxPoolGradient(pool) => pooling::max_pool_gradient(graph, node, pool),
        Op::AveragePoolGradient(pool) => pooling::average_pool_gradient(graph, node, pool),
        Op::Relu(_) | Op::Relu6(_) | Op::Tanh(_) | Op::Sigmoid(_) | Op::ScaledTanh(_) => {
            elementwise::activation(graph, node)
        }
        Op::LeakyRelu(_)
        | Op::Elu(_)
        | Op::HardSigmoid(_)
        | Op::HardSwish(_)
        | Op::Step(_)
        | Op::Gelu(_)
        | Op::Unary(_)
        | Op::Power(_) => elementwise::function(graph, node),
        Op::FunctionGradient(gradient) => elementwise::function_gradient(graph, node, gradient.0),
        Op::LocallyConnected(local) => conv::local(graph, node, local),
        Op::LocallyConnectedDataGradient(local) => conv::local_data_gradient(graph, node, &local.0),
        Op::LocallyConnectedWeightGradient(local) => conv::local_weight_gradient(graph, node, &local.0),
        Op::ScatterKernels(scatter) => conv::scatter(graph, node, scatter),
        Op::ScatterKernelsGradient(scatter) => conv::gather(graph, node, &scatter.0),
        Op::Rbf(_) => linear::rbf(graph, node),
        Op::RbfGradient(_) => linear::rbf_gradient(graph, node),
        Op::Cast(_) => elementwise::cast(graph, node),
        Op::MultiplyBy(multiply) => elementwise::multiply_by(graph, node, multiply.factor),
        Op::Scale(scale) => elementwise::scale(graph, node, scale),
        Op::Lrn(lrn) => normalization::lrn(graph, node, lrn),
        Op::LrnGradient(lrn) => normalization::lrn_gradient(graph, node, &lrn.0),
        Op::PadChannels(pad) => join::pad_channels(graph, node, pad),
        Op::PadChannelsGradient(pad) => join::pad_channels_gradient(graph, node, &pad.0),
        Op::ActivationGradient(gradient) => elementwise::activation_gradient(graph, node, gradient.0),
        Op::Add(_) if graph.shape(node.inputs[0]) == graph.shape(node.inputs[1]) => {
            elementwise::add(graph, node)
        }
        Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Div(_) | Op::Max(_) | Op::Min(_) => {
            general::arithmetic(graph, node)
        }
        Op::ExtremumGradient(gradient) => general::extremum_gradient(graph, node, gradient),
        Op::Gather(gather) => general::gather(graph, node, gather),
        Op::GatherGradient(gather) => general::gather_gradient(graph, node, &gather.0),
        Op::SumTo(sum) => general::sum_to(graph, node, sum.factor),
        Op::ReduceMean(_) => general::reduce_mean(graph, node),
        Op::ReduceMeanGradient(_) => general::reduce_mean_gradient(graph, node),
        Op::MatMul(matmul) => general::matmul(graph, node, matmul),
        Op::Transpose(_) | Op::Slice(_) | Op::SliceGradient(_) | Op::Pad(_) | Op::PadGradient(_) => {
            general::strided(graph, node)
        }
        Op::Clip(clip) => general::clip(graph, node, clip),
        Op::ClipGradient(clip) => general::clip_gradient(graph, node, &clip.0),
        Op::Dropout(dropout) => elementwise::dropout(graph, node, dropout),
        Op::BatchNorm(norm) => normalization::inference(graph, node, norm),
        Op::BatchNormTraining(norm) => normalization::training(graph, node, norm),
        Op::BatchNormGradient(norm) => normalization::gradient(graph, node, norm),
        Op::BatchNormResidualGradient(norm) => normalization::residual_gradient(graph, node, norm),
        Op::FoldBatchNorm(fold) => normalization::fold(graph, node, fold),
        Op::Concat(_) => join::concat(graph, node),
        Op::ConcatGradient(_) => join::gradient(graph, node),
        Op::Softmax(_) => loss::softmax(graph, node),
        Op::LogSoftmax(_) => loss::log_softmax(graph, node),
        Op::LogSoftmaxGradient(_) => loss::log_softmax_gradient(graph, node),
        Op::SoftmaxGradient(_) => loss::softmax_gradient(graph, node),
        Op::CrossEntropy(loss) => loss::cross_entropy(graph, node, loss),
        Op::SoftCrossEntropy(loss) => loss::soft_cross_entropy(graph, node, loss),
        Op::SoftCrossEntropyGradient(loss) => loss::soft_cross_entropy_gradient(graph, node, &loss.0),
        Op::ClassLoss(loss) => loss::class_loss(graph, node, loss),
        Op::ClassLossGradient(loss) => loss::class_loss_gradient(graph, node, &loss.0),
        Op::CrossEntropyGradient(loss) => loss::cross_entropy_gradient(graph, node, &loss.0),
        Op::ChannelSum(_) | Op::ChannelProductSum(_) => join::channel_sum(graph, node),
        Op::Sgd(sgd) => update::sgd(node, sgd, len),
        Op::Adam(adam) => update::adam(node, adam, len),
        Op::RmsProp(rms_prop) => update::rms_prop(node, rms_prop, len),
        Op::Lars(lars) => update::lars(node, lars, len),
        Op::Average(_) => update::average(node, len),
        Op::ClipNorm(clip) => update::clip_norm(node, clip, len),
        Op::Flatten(_) | Op::Reshape(_) | Op::Constant(_) => Lowering::Alias,
    }
}

/// `[N, C, H, W]` of the node's first input.
fn input_shape(graph: &Graph, node: &Node) -> [usize; 4] {
    graph.shape(node.inputs[0]).nchw()
}

/// `[N, C, H, W]` of the node's first output.
fn output_shape(graph: &Graph, node: &Node) -> [usize; 4] {
    graph.shape(node.outputs[0]).nchw()
}

fn kernel_activation(activation: Activation) -> activation::Activation {
    match activation {
        Activation::None => activation::Activation::None,
        Activation::Relu => activation::Activation::Relu,
        Activation::Relu6 => activation::Activation::Relu6,
        Activation::Tanh => activation::Activation::Tanh,
        Activation::Sigmoid => activation::Activation::Sigmoid,
        Activation::ScaledTanh => activation::Activation::ScaledTanh,
    }
}
