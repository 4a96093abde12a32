//! Convolutions as problems for a driver's library.

use striate_engine::Precision;
use striate_graph::ops::{Activation, Conv};
use striate_tensor::Shape;

use crate::launch::{Launch, Word};
use crate::lower::activation;
use crate::order::Order;

/// Which of the three operands is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// y from x and w.
    Forward,
    /// dx from dy and w.
    DataGradient,
    /// dw from x and dy.
    WeightGradient,
}

impl Direction {
    /// All of them.
    pub const ALL: [Direction; 3] = [Direction::Forward, Direction::DataGradient, Direction::WeightGradient];
}

/// What follows the sums of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Epilogue {
    /// Whether each channel has a bias of `f32`.
    pub bias: bool,
    /// Whether a value is added then, in the format of the result.
    pub residual: bool,
    /// The function that is applied then.
    pub activation: Activation,
}

/// A convolution of volumes, or of maps and signals, whose missing axes have extent 1. All operands are of `bf16` if
/// that is the precision, else of `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Convolution {
    /// What is computed.
    pub direction: Direction,
    /// The numbers that are multiplied.
    pub precision: Precision,
    /// The order of all operands.
    pub order: Order,
    /// Images in a batch.
    pub images: usize,
    /// Channels of x and of y.
    pub channels: [usize; 2],
    /// Groups of channels that are convolved independently.
    pub groups: usize,
    /// Extents of x along depth, rows and columns.
    pub input: [usize; 3],
    /// Extents of y.
    pub output: [usize; 3],
    /// Extents of the kernel.
    pub kernel: [usize; 3],
    /// Strides of the kernel.
    pub stride: [usize; 3],
    /// Distances between adjacent taps.
    pub dilation: [usize; 3],
    /// Padding before the first element of each axis.
    pub padding: [usize; 3],
    /// What follows; nothing after the gradient of weights.
    pub epilogue: Epilogue,
}

impl Convolution {
    /// Describes `conv` between values with the shapes of x and y.
    pub fn new(direction: Direction, conv: &Conv, x: &Shape, y: &Shape) -> Convolution {
        let ([images, inputs, input @ ..], [_, outputs, output @ ..]) = (x.ncdhw(), y.ncdhw());
        Convolution {
            direction,
            precision: Precision::F32,
            order: Order::Plain,
            images,
            channels: [inputs, outputs],
            groups: conv.groups,
            input,
            output,
            kernel: conv.kernel_size.array(),
            stride: conv.stride.array(),
            dilation: conv.dilation.array(),
            padding: conv.padding.before(),
            epilogue: Epilogue::default(),
        }
    }

    /// Describes a linear layer, whose features are channels of images of one pixel.
    pub fn linear(direction: Direction, images: usize, channels: [usize; 2]) -> Convolution {
        let one = [1; 3];
        Convolution {
            direction,
            precision: Precision::F32,
            order: Order::Plain,
            images,
            channels,
            groups: 1,
            input: one,
            output: one,
            kernel: one,
            stride: one,
            dilation: one,
            padding: [0; 3],
            epilogue: Epilogue::default(),
        }
    }

    /// The padding after the last element of each axis that a window reaches.
    pub fn padding_after(&self) -> [usize; 3] {
        std::array::from_fn(|axis| {
            let last = (self.output[axis] - 1) * self.stride[axis];
            let end = last + (self.kernel[axis] - 1) * self.dilation[axis] + 1;
            end.saturating_sub(self.padding[axis] + self.input[axis])
        })
    }

    /// The axes for a library: without depth if nothing has one.
    pub fn axes(&self) -> std::ops::Range<usize> {
        let is_flat = self.input[0] == 1 && self.output[0] == 1 && self.kernel[0] == 1;
        usize::from(is_flat)..3
    }
}

impl Convolution {
    /// The own kernel for this convolution, the number of blocks, and the words of its arguments for x, w and y, or
    /// their gradients, the bias and the residual, which are 0 if there is none, at these addresses.
    pub fn own_kernel(&self, [x, w, y, bias, residual]: [u64; 5]) -> (&'static str, usize, Vec<u64>) {
        let launch = Launch::convolution(self, 1);
        let type_of = u64::from(self.precision == Precision::Bf16);
        let [x, w, y, residual] = [x, w, y, residual].map(|address| [address, type_of]);
        let operands = match self.direction {
            Direction::Forward => {
                let function = activation(self.epilogue.activation) as u64;
                [&[function][..], &x, &w, &[bias, 0], &residual, &y].concat()
            }
            Direction::DataGradient => [y, w, residual, x].concat(),
            Direction::WeightGradient => [x, y, w].concat(),
        };
        let geometry = launch.words.iter().map(|word| match word {
            Word::Int(value) => *value as u64,
            other => unreachable!("geometry consists of whole numbers, not {other:?}"),
        });
        (launch.kernel, launch.blocks, geometry.chain(operands).collect())
    }
}

/// A convolution that a driver's library computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engine {
    /// The driver's number for it.
    pub number: usize,
    /// Bytes of scratch memory.
    pub workspace_bytes: usize,
}
