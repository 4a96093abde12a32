//! Launches of kernels, before memory is assigned.

use crate::convolution::Convolution;
use crate::driver::THREADS;

/// More blocks than this take several passes of a kernel's loop over elements.
const MOST_BLOCKS: usize = 1 << 16;

/// Memory that a node uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operand {
    /// The node's input of this number.
    Input(usize),
    /// The node's output of this number.
    Output(usize),
    /// The node's scratch memory from this byte on.
    Scratch(usize),
    /// The node's table of whole numbers of this number.
    Table(usize),
}

/// An argument of a kernel. The address of an input or output of floats, or null in its place, is followed by the type
/// of its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Word {
    Int(i64),
    Float(f64),
    Address(Operand),
    Null,
}

/// A kernel with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Launch {
    pub kernel: &'static str,
    pub blocks: usize,
    pub words: Vec<Word>,
}

impl Launch {
    /// A kernel that loops over `count` elements.
    pub fn each(kernel: &'static str, count: usize) -> Launch {
        Launch::blocks(kernel, count.div_ceil(THREADS).clamp(1, MOST_BLOCKS))
    }

    /// A kernel that loops over `count` elements, of which each thread handles `width` at once.
    pub fn wide(kernel: &'static str, count: usize, width: usize) -> Launch {
        Launch::each(kernel, count / width).int(width)
    }

    /// A kernel that gives each block a task of its own.
    pub fn blocks(kernel: &'static str, blocks: usize) -> Launch {
        Launch { kernel, blocks, words: Vec::new() }
    }

    /// Adds a whole number.
    pub fn int(self, value: usize) -> Launch {
        self.ints([value as i64])
    }

    /// Adds whole numbers.
    pub fn ints(mut self, values: impl IntoIterator<Item = i64>) -> Launch {
        self.words.extend(values.into_iter().map(Word::Int));
        self
    }

    /// Adds sizes.
    pub fn sizes(self, values: impl IntoIterator<Item = usize>) -> Launch {
        self.ints(values.into_iter().map(|value| value as i64))
    }

    /// Adds a floating-point number.
    pub fn float(mut self, value: impl Into<f64>) -> Launch {
        self.words.push(Word::Float(value.into()));
        self
    }

    /// Adds the address of an operand.
    pub fn at(mut self, operand: Operand) -> Launch {
        self.words.push(Word::Address(operand));
        self
    }

    /// Adds the address of an operand, or null.
    pub fn maybe(mut self, operand: Option<Operand>) -> Launch {
        self.words.push(operand.map_or(Word::Null, Word::Address));
        self
    }

    /// Adds the addresses of inputs.
    pub fn inputs(self, numbers: impl IntoIterator<Item = usize>) -> Launch {
        numbers.into_iter().fold(self, |launch, number| launch.at(Operand::Input(number)))
    }

    /// Adds the addresses of outputs.
    pub fn outputs(self, numbers: impl IntoIterator<Item = usize>) -> Launch {
        numbers.into_iter().fold(self, |launch, number| launch.at(Operand::Output(number)))
    }
}

/// How a node is computed.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Work {
    /// In order.
    pub launches: Vec<Launch>,
    /// Bytes of scratch memory.
    pub scratch_bytes: usize,
    /// Whole numbers that kernels read.
    pub tables: Vec<Vec<i64>>,
    /// What a driver's library can do instead of the launches.
    pub library: Option<Box<Library>>,
}

/// A convolution for a driver's library.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Library {
    pub convolution: Convolution,
    /// x, w and y, or their gradients, the bias and the residual.
    pub operands: [Option<Operand>; 5],
    /// Whether the library may do the epilogue.
    pub fuses: bool,
    /// What does the epilogue if the library does not.
    pub after: Option<Launch>,
}

impl From<Launch> for Work {
    fn from(launch: Launch) -> Work {
        Work { launches: vec![launch], ..Work::default() }
    }
}

impl Work {
    /// Several launches.
    pub fn of(launches: impl IntoIterator<Item = Launch>) -> Work {
        Work { launches: launches.into_iter().collect(), ..Work::default() }
    }
}
