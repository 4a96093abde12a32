//! The time that convolutions take, in multiply-adds at the peak; measured once.

use super::ConvDesc;
use crate::isa::Isa;
use crate::simd::CACHE_LINE;

/// Multiply-adds in the time of a byte of weights that is read.
const BYTE: f64 = 10.0 / 3.0;
/// The share of the peak that direct convolution reaches.
const DIRECT: f64 = 0.88;
/// See [`half_lines`]; measured.
const HALF_LINES: f64 = 1.4;

/// The time of a direct convolution in which an input channel takes as many lanes as `in_channels`, and the like for
/// output channels.
pub(super) fn direct(d: &ConvDesc, [in_channels, out_channels]: [usize; 2]) -> f64 {
    let pairs = pairs(d, [in_channels, out_channels]);
    let taps = (d.kernel[0] * d.kernel[1]) as f64;
    let outputs = (d.batch * d.output[0] * d.output[1]) as f64;
    pairs * taps * (outputs / DIRECT + weight())
}

/// The time in which a weight is read.
pub(super) fn weight() -> f64 {
    size_of::<f32>() as f64 * BYTE
}

/// Pairs of an input and an output channel.
pub(super) fn pairs(d: &ConvDesc, [in_channels, out_channels]: [usize; 2]) -> f64 {
    in_channels as f64 * out_channels as f64 / d.groups as f64
}

/// Input and output channels in whole blocks.
pub(super) fn in_blocks(d: &ConvDesc, block: usize) -> [usize; 2] {
    [d.in_channels, d.out_channels].map(|channels| channels.next_multiple_of(block))
}

/// The factor by which the gradients of a direct convolution take longer if its columns are strided and a vector is
/// half a line of the cache: a tile then uses only half of each line. Measured with AVX2, where forward convolutions
/// take no longer.
pub(super) fn half_lines(d: &ConvDesc, isa: Isa) -> f64 {
    if d.stride[1] > 1 && isa.lanes() < CACHE_LINE { HALF_LINES } else { 1.0 }
}
