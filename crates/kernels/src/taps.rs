//! The taps of a window that moves along a row: which outputs see the input through each, and where.

use std::ops::Range;

/// A tap of a window along a row.
pub(crate) struct Tap {
    /// The outputs that see the input through it; the others see padding.
    pub outputs: Range<usize>,
    /// What the first of them sees; the next ones see what lies a stride further each.
    pub first: usize,
}

/// The taps of a window of `kernel` taps, `dilation` apart, that moves in steps of `stride` over `input` elements
/// with `padding` before them, to `output` places.
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
