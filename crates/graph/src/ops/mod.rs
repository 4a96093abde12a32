//! The closed set of operations, one file each.
//!
//! A *layer* is what a person writes in a network. The other operations are made by the compiler:
//! gradients, the loss, updates of variables, changes of layout. Order of operands: data first, then
//! variables; the order of outputs is stated with each operation.

mod activation;
mod arithmetic;
mod average_pool;
mod batch_norm;
mod channel_sum;
mod class_loss;
mod clip;
mod codes;
mod concat;
mod constant;
mod conv;
mod cross_entropy;
mod dropout;
mod flatten;
mod global_average_pool;
mod linear;
mod locally_connected;
mod log_softmax;
mod lrn;
mod matmul;
mod max_pool;
mod multiply_by;
mod pad;
mod pad_channels;
mod rbf;
mod reduce_mean;
mod reorder;
mod reshape;
mod scale;
mod slice;
mod softmax;
mod spread_kernels;
mod transpose;
mod update;
mod window;

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

pub use activation::{Activation, ActivationGradient, Relu, Relu6, ScaledTanh, Sigmoid, Tanh};
pub use arithmetic::{Add, Div, Mul, Sub, SumTo};
pub use average_pool::{AveragePool, AveragePoolGradient};
pub use batch_norm::{BatchNorm, BatchNormGradient, BatchNormTraining, FoldBatchNorm};
pub use channel_sum::{ChannelProductSum, ChannelSum};
pub use class_loss::{ClassLoss, ClassLossGradient, Criterion};
pub use clip::{Clip, ClipGradient};
pub(crate) use codes::codes;
pub use concat::{Concat, ConcatGradient};
pub use constant::Constant;
pub use conv::{Conv, ConvDataGradient, ConvWeightGradient};
pub use cross_entropy::{CrossEntropy, CrossEntropyGradient};
pub use dropout::Dropout;
pub use flatten::Flatten;
pub use global_average_pool::GlobalAveragePool;
pub use linear::{Linear, LinearDataGradient, LinearWeightGradient};
pub use locally_connected::{LocallyConnected, LocallyConnectedDataGradient, LocallyConnectedWeightGradient};
pub use log_softmax::{LogSoftmax, LogSoftmaxGradient};
pub use lrn::{Lrn, LrnGradient};
pub use matmul::MatMul;
pub use max_pool::{MaxPool, MaxPoolGradient};
pub use multiply_by::MultiplyBy;
pub use pad::{Pad, PadGradient};
pub use pad_channels::{PadChannels, PadChannelsGradient};
pub use rbf::{Rbf, RbfGradient};
pub use reduce_mean::{ReduceMean, ReduceMeanGradient};
pub use reorder::Reorder;
pub use reshape::Reshape;
pub use scale::Scale;
pub use slice::{Slice, SliceGradient};
pub use softmax::{Softmax, SoftmaxGradient};
pub use spread_kernels::{SpreadKernels, SpreadKernelsGradient};
pub use transpose::Transpose;
pub use update::{Accumulate, Adam, ClipNorm, Sgd};
pub use window::Window;
use window::spatial_axes;

use crate::graph::Role;
use crate::{Fan, Init, Padding, PerAxis};

/// How many data inputs a layer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operands {
    /// None: it stands at a beginning.
    None,
    /// Exactly one.
    One,
    /// Exactly two.
    Two,
    /// One or more.
    Many,
}

/// A variable that a layer owns.
#[derive(Debug, Clone, PartialEq)]
pub struct VariableSpec {
    /// The name after the layer's: `weight`, `bias`, `running_mean`.
    pub name: &'static str,
    /// Extents.
    pub shape: Shape,
    /// Parameter or buffer.
    pub role: Role,
    /// First values; `None`: as the network says.
    pub init: Option<Init>,
    /// Inputs and outputs of one unit.
    pub fan: Fan,
}

/// What one layer costs for its whole batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Multiply-adds of convolutions and linear layers, padded taps included.
    pub macs: u64,
    /// Connections as LeCun counts them: inputs of every unit, its bias included; units of
    /// convolution, linear and pooling layers.
    pub connections: u64,
    /// Units of convolution and linear layers.
    pub neurons: u64,
}

/// An operation that a person writes as a layer of a network.
pub trait LayerOp {
    /// How many data inputs it takes.
    fn operands(&self) -> Operands {
        Operands::One
    }

    /// The output's shape.
    ///
    /// # Errors
    /// If the attributes do not fit the shapes.
    fn output(&self, inputs: &[&Shape]) -> Result<Shape>;

    /// The variables it owns, in the order in which they follow its data inputs.
    fn variables(&self, inputs: &[&Shape]) -> Vec<VariableSpec> {
        let _ = inputs;
        Vec::new()
    }

    /// What it costs.
    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        let _ = (inputs, output);
        Cost::default()
    }

    /// Multiply-adds for an element of the output at most, bias aside; by them a network of absurd work is
    /// refused.
    fn terms(&self, inputs: &[&Shape]) -> usize {
        let taps = |input: &&Shape| self.window(input).map(|window| window.taps(input));
        inputs.first().and_then(taps).unwrap_or(1)
    }

    /// The window through which an output sees its input, if not one to one.
    fn window(&self, input: &Shape) -> Option<Window> {
        let _ = input;
        None
    }
}

macro_rules! operations {
    (
        layers { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }
        internal { $($(#[$internal_doc:meta])* $internal:ident = $internal_name:literal,)* }
    ) => {
        /// An operation of a node.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "op")]
        pub enum Op {
            $($(#[$doc])* #[serde(rename = $name)] $variant($variant),)*
            $($(#[$internal_doc])* #[serde(skip)] $internal($internal),)*
        }

        impl Op {
            /// The names of all layers, as the text form writes them.
            pub const LAYERS: &'static [&'static str] = &[$($name,)*];

            /// The operation's name, as the text form writes it.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Op::$variant(_) => $name,)*
                    $(Op::$internal(_) => $internal_name,)*
                }
            }

            /// The operation as a layer, if it is one.
            pub fn layer(&self) -> Option<&dyn LayerOp> {
                match self {
                    $(Op::$variant(op) => Some(op),)*
                    _ => None,
                }
            }
        }

        $(impl From<$variant> for Op { fn from(op: $variant) -> Op { Op::$variant(op) } })*
        $(impl From<$internal> for Op { fn from(op: $internal) -> Op { Op::$internal(op) } })*
    };
}

operations! {
    layers {
        /// Convolution in one to three dimensions.
        Conv = "conv",
        /// Convolution whose weights are not shared between places.
        LocallyConnected = "locally_connected",
        /// Fully connected layer.
        Linear = "linear",
        /// Maximum over windows.
        MaxPool = "max_pool",
        /// Mean over windows.
        AveragePool = "average_pool",
        /// Mean over the whole map.
        GlobalAveragePool = "global_average_pool",
        /// max(x, 0).
        Relu = "relu",
        /// min(max(x, 0), 6).
        Relu6 = "relu6",
        /// Hyperbolic tangent.
        Tanh = "tanh",
        /// 1 / (1 + e^-x).
        Sigmoid = "sigmoid",
        /// 1.7159·tanh(2x/3).
        ScaledTanh = "scaled_tanh",
        /// A coefficient for each channel.
        Scale = "scale",
        /// A fixed factor.
        MultiplyBy = "multiply_by",
        /// Normalization by the channels around.
        Lrn = "lrn",
        /// Zero channels around those of a value.
        PadChannels = "pad_channels",
        /// Normalization over the batch.
        BatchNorm = "batch_norm",
        /// Sum of two values.
        Add = "add",
        /// Difference of two values.
        Sub = "sub",
        /// Product of two values.
        Mul = "mul",
        /// Quotient of two values.
        Div = "div",
        /// Matrix product of two values.
        MatMul = "matmul",
        /// A value of the network's own.
        Constant = "constant",
        /// Axes in another order.
        Transpose = "transpose",
        /// Another shape for the same elements.
        Reshape = "reshape",
        /// Part of an axis.
        Slice = "slice",
        /// A border of one value.
        Pad = "pad",
        /// Mean over axes.
        ReduceMean = "reduce_mean",
        /// Every element between two limits.
        Clip = "clip",
        /// Values side by side along the channels.
        Concat = "concat",
        /// All but the batch in one row.
        Flatten = "flatten",
        /// Random zeros in training.
        Dropout = "dropout",
        /// Distances to fixed codes.
        Rbf = "rbf",
        /// Probabilities from scores.
        Softmax = "softmax",
        /// Logarithms of probabilities from scores.
        LogSoftmax = "log_softmax",
    }
    internal {
        /// Mean cross-entropy of the softmax with the labels.
        CrossEntropy = "cross_entropy",
        /// Gradient of the cross-entropy.
        CrossEntropyGradient = "cross_entropy_gradient",
        /// Another loss of scores against labels.
        ClassLoss = "class_loss",
        /// Gradient of another loss.
        ClassLossGradient = "class_loss_gradient",
        /// Gradient of a convolution for its input.
        ConvDataGradient = "conv_data_gradient",
        /// Gradient of a convolution for its weights.
        ConvWeightGradient = "conv_weight_gradient",
        /// Gradient of a locally connected layer for its input.
        LocallyConnectedDataGradient = "locally_connected_data_gradient",
        /// Gradient of a locally connected layer for its weights.
        LocallyConnectedWeightGradient = "locally_connected_weight_gradient",
        /// Gradient of a linear layer for its input.
        LinearDataGradient = "linear_data_gradient",
        /// Gradient of a linear layer for its weights.
        LinearWeightGradient = "linear_weight_gradient",
        /// Sum over all but the channels: the gradient of a bias.
        ChannelSum = "channel_sum",
        /// Sum of a product over all but the channels: the gradient of a coefficient.
        ChannelProductSum = "channel_product_sum",
        /// Gradient of the distances to fixed codes.
        RbfGradient = "rbf_gradient",
        /// The kernels of a connection table among zeros.
        SpreadKernels = "spread_kernels",
        /// Gradient of kernels among zeros.
        SpreadKernelsGradient = "spread_kernels_gradient",
        /// Gradient of local response normalization.
        LrnGradient = "lrn_gradient",
        /// Gradient of zero channels.
        PadChannelsGradient = "pad_channels_gradient",
        /// Gradient of max pooling.
        MaxPoolGradient = "max_pool_gradient",
        /// Gradient of average pooling.
        AveragePoolGradient = "average_pool_gradient",
        /// Gradient of an activation, from its output.
        ActivationGradient = "activation_gradient",
        /// Batch normalization with the batch's own statistics.
        BatchNormTraining = "batch_norm_training",
        /// Gradient of batch normalization.
        BatchNormGradient = "batch_norm_gradient",
        /// Weights and bias of a convolution that takes over the batch norm behind it.
        FoldBatchNorm = "fold_batch_norm",
        /// The parts of a concatenation's gradient.
        ConcatGradient = "concat_gradient",
        /// Gradient of the softmax.
        SoftmaxGradient = "softmax_gradient",
        /// Gradient of the logarithms of probabilities.
        LogSoftmaxGradient = "log_softmax_gradient",
        /// Sum over what broadcasting repeated.
        SumTo = "sum_to",
        /// Gradient of a slice.
        SliceGradient = "slice_gradient",
        /// Gradient of a border.
        PadGradient = "pad_gradient",
        /// Gradient of a mean over axes.
        ReduceMeanGradient = "reduce_mean_gradient",
        /// Gradient of limits.
        ClipGradient = "clip_gradient",
        /// The same value in another layout.
        Reorder = "reorder",
        /// Stochastic gradient descent with momentum.
        Sgd = "sgd",
        /// Adam.
        Adam = "adam",
        /// Sum of gradients over micro-batches.
        Accumulate = "accumulate",
        /// Limit on the norm of all gradients together.
        ClipNorm = "clip_norm",
    }
}

impl Op {
    /// The operation as it works on inputs of rank `rank`. One number for all axes stands for those that there
    /// are: maps `[N, C, H, W]` have no depth, signals `[N, C, W]` no height either.
    ///
    /// # Errors
    /// If there are sizes of their own along axes that the inputs lack.
    pub fn for_rank(&self, rank: usize) -> Result<Op> {
        let mut op = self.clone();
        if !(3..=5).contains(&rank) {
            return Ok(op);
        }
        let axes = rank - 2;
        let (sizes, padding): (Vec<(&str, &mut PerAxis)>, &mut Padding) = match &mut op {
            Op::Conv(conv) => (
                vec![
                    ("kernel_size", &mut conv.kernel_size),
                    ("stride", &mut conv.stride),
                    ("dilation", &mut conv.dilation),
                ],
                &mut conv.padding,
            ),
            Op::LocallyConnected(local) => (
                vec![("kernel_size", &mut local.kernel_size), ("stride", &mut local.stride)],
                &mut local.padding,
            ),
            Op::MaxPool(MaxPool { kernel_size, stride, dilation, padding, .. })
            | Op::AveragePool(AveragePool { kernel_size, stride, dilation, padding, .. }) => {
                (vec![("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation)], padding)
            }
            _ => return Ok(op),
        };
        for (name, size) in sizes {
            *size = size.on(axes).map_err(|e| e.at(name))?;
        }
        *padding = padding.on(axes).map_err(|e| e.at("padding"))?;
        Ok(op)
    }

    /// The activation, if the operation is one.
    pub fn activation(&self) -> Option<Activation> {
        match self {
            Op::Relu(_) => Some(Activation::Relu),
            Op::Relu6(_) => Some(Activation::Relu6),
            Op::Tanh(_) => Some(Activation::Tanh),
            Op::Sigmoid(_) => Some(Activation::Sigmoid),
            Op::ScaledTanh(_) => Some(Activation::ScaledTanh),
            _ => None,
        }
    }
}

/// `[N, channels]` and the extents behind them.
fn with_channels(input: &Shape, channels: usize, extents: Vec<usize>) -> Shape {
    Shape::new([vec![input[0], channels], extents].concat())
}

/// Refuses biases that begin with no number, and a beginning of biases that there are not.
fn check_bias_init(bias: bool, value: Option<f32>) -> Result<()> {
    match value {
        Some(value) if !value.is_finite() => Err(Error::input(format!("bias_init is {value}, not finite"))),
        Some(_) if !bias => Err(Error::input("bias_init needs a bias; drop it, or bias = false")),
        _ => Ok(()),
    }
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_true(value: &bool) -> bool {
    *value
}

fn yes() -> bool {
    true
}
