//! The taps of a window that slides along a row: which outputs read the input through each tap, and where.

use std::ops::Range;

/// A tap of a window along a row.
pub(crate) struct Tap {
    /// The outputs for which the tap lies in the input; for the others it lies in the padding.
    pub outputs: Range<usize>,
    /// The input of the first of these outputs; each of the next is a stride further.
    pub first: usize,
}

/// Computes the taps of a window of `kernel` taps, `dilation` apart, that slides with `stride` over `input` elements
/// preceded by `padding`, to `output` positions.
pub(crate) fn along_row(
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: usize,
    input: usize,
    output: usize,
) -> Vec<Tap> {
    let tap = |tap: usize| {
        let offset = tap * dilation;
        let start = padding.saturating_sub(offset).div_ceil(stride).min(output);
        let end = (input + padding).saturating_sub(offset).div_ceil(stride).min(output).max(start);
        Tap { outputs: start..end, first: (start * stride + offset).saturating_sub(padding).min(input) }
    };
    (0..kernel).map(tap).collect()
}
