//! How a value is laid out in memory: the contract between the compiler and the kernels.
//!
//! Activations are [`Layout::Plain`] (contiguous `[N][C][H][W]`) or [`Layout::Channels`]: blocks of channels
//! innermost, with a zero halo around each feature map so that a convolution can read its padding from
//! memory. Lanes beyond the channel count are zero and every kernel keeps them zero; the halo is zero and is
//! rewritten by whichever kernel produces the value. Where there are too few channels to fill the lanes, the
//! innermost dimension is a block of images instead: [`Layout::Images`].
//! Convolution weights have their own blocked layouts.

mod format;
pub(crate) mod maps;
mod packing;
pub mod reorder;
pub(crate) mod transpose;

use std::fmt;

use striate_tensor::Shape;

pub use format::Format;
pub use packing::{Packed, Packing};

/// A border of zero rows and columns around a feature map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Halo {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Halo {
    /// No halo.
    pub const NONE: Halo = Halo { top: 0, left: 0, bottom: 0, right: 0 };

    /// Returns the larger of the two on every side.
    #[must_use]
    pub fn max(self, other: Halo) -> Halo {
        Halo {
            top: self.top.max(other.top),
            left: self.left.max(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.max(other.right),
        }
    }

    /// Whether every side is at least as wide as `needed`'s.
    pub fn covers(self, needed: Halo) -> bool {
        self.max(needed) == self
    }
}

/// The order of a value's elements in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Row-major in the order of the shape, contiguous: `[N][C][H][W]`, `[O][I][KH][KW]`.
    Plain,
    /// `[N][C/b][top + H + bottom][left + W + right][b]`: an activation in blocks of `b` channels
    /// (the last block padded with zeros). With `block` 1 it is planar with a halo.
    Channels {
        /// Channels per block.
        block: usize,
        /// Zero border of every feature map.
        halo: Halo,
    },
    /// As [`Layout::Channels`], but images lie further apart: the value is part of a wider one, such as a concatenated
    /// value, from a certain block of channels on.
    Part {
        /// Channels per block.
        block: usize,
        /// Zero border of every feature map.
        halo: Halo,
        /// Blocks per image of the wider value.
        blocks: usize,
    },
    /// `[N/b][C][H][W][b]`: a batch-innermost activation. N is a multiple of `block`, so no lane is
    /// padding, and there is no halo; flattening such a value does not move its bytes.
    Images {
        /// Images per block.
        block: usize,
    },
    /// `[O/b][I/b][KH][KW][b of I][b of O]`: a convolution's weights `[O, I, KH, KW]` for the
    /// forward direction.
    KernelForward {
        /// Channels per block, for both inputs and outputs.
        block: usize,
    },
    /// `[I/b][O/b][KH][KW][b of O][b of I]` with both kernel axes reversed: the weights
    /// `[O, I, KH, KW]` for the data gradient, which is itself a forward convolution.
    KernelBackward {
        /// Channels per block, for both inputs and outputs.
        block: usize,
    },
    /// Weights in the order of one implementation.
    Packed(Packed),
    /// `[O/b][I][KH][KW][b of O]`: weights `[O, I, KH, KW]` for a planar input with few channels.
    KernelPlanarInput {
        /// Output channels per block.
        block: usize,
    },
}

impl Layout {
    /// Blocks of `block` channels without a halo.
    pub const fn channels(block: usize) -> Layout {
        Layout::Channels { block, halo: Halo::NONE }
    }

    /// Whether this is [`Layout::Images`].
    pub fn is_images(self) -> bool {
        matches!(self, Layout::Images { .. })
    }

    /// The zero border; only [`Layout::Channels`] and [`Layout::Part`] can have one.
    pub fn halo(self) -> Halo {
        match self {
            Layout::Channels { halo, .. } | Layout::Part { halo, .. } => halo,
            _ => Halo::NONE,
        }
    }

    /// Returns the layout with the given halo; layouts other than [`Layout::Channels`] and [`Layout::Part`] are
    /// unchanged.
    #[must_use]
    pub fn with_halo(self, halo: Halo) -> Layout {
        match self {
            Layout::Channels { block, .. } => Layout::Channels { block, halo },
            Layout::Part { block, blocks, .. } => Layout::Part { block, halo, blocks },
            other => other,
        }
    }

    /// The number of elements that a value of `shape` occupies, including padding: from its first to its last.
    ///
    /// # Panics
    /// If the number does not fit `usize`.
    pub fn len(self, shape: &Shape) -> usize {
        self.checked_len(shape).expect("the number of elements fits usize")
    }

    /// Like [`Layout::len`]; `None` if the number does not fit `usize`.
    pub fn checked_len(self, shape: &Shape) -> Option<usize> {
        let product =
            |extents: &[usize]| extents.iter().try_fold(1usize, |all, extent| all.checked_mul(*extent));
        if self == Layout::Plain || self.is_images() {
            return product(shape);
        }
        if let Layout::Packed(packed) = self {
            return Some(packed.packing.len(packed.groups, shape.nchw()));
        }
        let [a, b, h, w] = shape.nchw();
        let up = |extent: usize, block: usize| extent.div_ceil(block) * block;
        match self {
            Layout::Plain | Layout::Images { .. } | Layout::Packed(_) => unreachable!("returned above"),
            Layout::Channels { block, halo } => {
                product(&[a, up(b, block), halo.top + h + halo.bottom, halo.left + w + halo.right])
            }
            Layout::Part { block, halo, blocks } => {
                let map = [block, halo.top + h + halo.bottom, halo.left + w + halo.right];
                let maps = (a - 1).checked_mul(blocks)?.checked_add(b.div_ceil(block))?;
                product(&map)?.checked_mul(maps)
            }
            Layout::KernelForward { block } | Layout::KernelBackward { block } => {
                product(&[up(a, block), up(b, block), h, w])
            }
            Layout::KernelPlanarInput { block } => product(&[up(a, block), b, h, w]),
        }
    }

    /// The offset, in elements, of element `[i0, i1, i2, i3]` (`[n, c, h, w]` or `[o, i, kh, kw]`) of a
    /// value with extents `shape` (see [`Shape::nchw`]).
    ///
    /// # Panics
    /// For packed weights, which have no such offsets.
    pub fn offset(self, shape: [usize; 4], index: [usize; 4]) -> usize {
        let [d0, d1, d2, d3] = shape;
        let [i0, i1, i2, i3] = index;
        match self {
            Layout::Plain => ((i0 * d1 + i1) * d2 + i2) * d3 + i3,
            Layout::Packed(packed) => panic!("the elements of {packed:?} have no offsets"),
            Layout::Channels { block, halo } => {
                let blocks = d1.div_ceil(block);
                Layout::Part { block, halo, blocks }.offset(shape, index)
            }
            Layout::Part { block, halo, blocks } => {
                let rows = halo.top + d2 + halo.bottom;
                let columns = halo.left + d3 + halo.right;
                let map = i0 * blocks + i1 / block;
                ((map * rows + halo.top + i2) * columns + halo.left + i3) * block + i1 % block
            }
            Layout::Images { block } => (((i0 / block * d1 + i1) * d2 + i2) * d3 + i3) * block + i0 % block,
            Layout::KernelForward { block } => {
                let blocks = (i0 / block) * d1.div_ceil(block) + i1 / block;
                (((blocks * d2 + i2) * d3 + i3) * block + i1 % block) * block + i0 % block
            }
            Layout::KernelBackward { block } => {
                let blocks = (i1 / block) * d0.div_ceil(block) + i0 / block;
                (((blocks * d2 + d2 - 1 - i2) * d3 + d3 - 1 - i3) * block + i0 % block) * block + i1 % block
            }
            Layout::KernelPlanarInput { block } => {
                ((((i0 / block) * d1 + i1) * d2 + i2) * d3 + i3) * block + i0 % block
            }
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Layout::Plain => f.write_str("plain"),
            Layout::Channels { block, halo } if *halo == Halo::NONE => write!(f, "nchw{block}c"),
            Layout::Channels { block, halo: h } => {
                write!(f, "nchw{block}c+{},{},{},{}", h.top, h.left, h.bottom, h.right)
            }
            Layout::Part { block, halo, blocks } => {
                write!(f, "{}/{blocks}", Layout::Channels { block: *block, halo: *halo })
            }
            Layout::Images { block } => write!(f, "nchw{block}n"),
            Layout::KernelForward { block } => write!(f, "oihw{block}i{block}o"),
            Layout::KernelBackward { block } => write!(f, "iohw{block}o{block}i"),
            Layout::KernelPlanarInput { block } => write!(f, "oihw{block}o"),
            Layout::Packed(packed) => write!(f, "{packed:?}"),
        }
    }
}
