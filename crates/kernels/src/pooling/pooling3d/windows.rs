//! Windows over plain volumes, row by row, and each row tap by tap, so that neighboring elements are computed
//! together.

use super::Pool3dDesc;
use crate::conv::taps::{Tap, along_row};

/// The taps that a window covers along one axis, and the weight of each in the mean.
pub(super) struct Span {
    pub first: usize,
    pub taps: usize,
    pub share: f32,
}

/// The windows of a volume.
pub(super) struct Windows {
    pub desc: Pool3dDesc,
    /// Windows along the depth and the height.
    pub spans: [Vec<Span>; 2],
    /// Windows along the width.
    pub columns: Vec<Span>,
    pub along_row: Vec<Tap>,
    /// The shares of the windows along the width.
    pub shares: Vec<f32>,
}

impl Windows {
    pub fn new(desc: &Pool3dDesc) -> Windows {
        let spans = |axis: usize| {
            let span = |at| {
                let (first, taps) = desc.covered(axis, at);
                Span { first, taps, share: 1.0 / desc.divisor(axis, at) as f32 }
            };
            (0..desc.output[axis]).map(span).collect::<Vec<_>>()
        };
        let [kernel, stride, dilation, padding, input, output] =
            [desc.kernel, desc.stride, desc.dilation, desc.padding, desc.input, desc.output]
                .map(|sizes| sizes[2]);
        let along_row = along_row(kernel, stride, dilation, padding, input, output);
        let columns = spans(2);
        let shares = columns.iter().map(|span| span.share).collect();
        Windows { desc: desc.clone(), spans: [spans(0), spans(1)], columns, along_row, shares }
    }

    /// Calls `visit` for each row of y and each row of x that its windows cover, with the offsets of both and the
    /// product of the shares along depth and height.
    #[inline(always)]
    pub fn each_row(&self, mut visit: impl FnMut(usize, usize, f32)) {
        let [_, height, width] = self.desc.input;
        let dilation = self.desc.dilation;
        for (oz, maps) in self.spans[0].iter().enumerate() {
            for (oy, rows) in self.spans[1].iter().enumerate() {
                let row = (oz * self.desc.output[1] + oy) * self.desc.output[2];
                for map in 0..maps.taps {
                    for line in 0..rows.taps {
                        let map = maps.first + map * dilation[0];
                        let line = rows.first + line * dilation[1];
                        visit(row, (map * height + line) * width, maps.share * rows.share);
                    }
                }
            }
        }
    }
}
