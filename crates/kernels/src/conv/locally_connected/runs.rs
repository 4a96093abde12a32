//! Rows of products of a locally connected layer.

use crate::conv::ConvDesc;
use crate::conv::taps::{Tap, along_row};

/// Neighboring output positions: the offsets of their inputs, weights and outputs.
pub(super) struct Run {
    pub x: usize,
    pub w: usize,
    pub y: usize,
    pub count: usize,
}

/// The taps of a layer along both axes.
pub(super) struct Runs {
    pub d: ConvDesc,
    taps: [Vec<Tap>; 2],
}

impl Runs {
    pub fn new(d: &ConvDesc) -> Runs {
        let taps = |axis: usize| {
            let [stride, dilation, padding] = [d.stride, d.dilation, d.padding].map(|sizes| sizes[axis]);
            along_row(d.kernel[axis], stride, dilation, padding, d.input[axis], d.output[axis])
        };
        Runs { d: d.clone(), taps: [taps(0), taps(1)] }
    }

    /// The number of elements of x, w and y.
    pub fn lengths(&self) -> [usize; 3] {
        let d = &self.d;
        let [x, y] = [[d.in_channels, d.input[0], d.input[1]], [d.out_channels, d.output[0], d.output[1]]]
            .map(|extents| extents.iter().product::<usize>());
        [d.batch * x, y * d.in_channels * d.kernel[0] * d.kernel[1], d.batch * y]
    }

    /// Calls `visit` for every tap of every row of one output channel of one image.
    #[inline(always)]
    pub fn each(&self, image: usize, channel: usize, mut visit: impl FnMut(Run)) {
        let d = &self.d;
        let ([oh, ow], [kh, kw]) = (d.output, d.kernel);
        for input in 0..d.in_channels {
            for (ky, rows) in self.taps[0].iter().enumerate() {
                for (index, row) in rows.outputs.clone().enumerate() {
                    let x_row = rows.first + index * d.stride[0];
                    let x = ((image * d.in_channels + input) * d.input[0] + x_row) * d.input[1];
                    let y = ((image * d.out_channels + channel) * oh + row) * ow;
                    for (kx, columns) in self.taps[1].iter().enumerate() {
                        if columns.outputs.is_empty() {
                            continue;
                        }
                        let first = columns.outputs.start;
                        let tap = ((channel * d.in_channels + input) * kh + ky) * kw + kx;
                        visit(Run {
                            x: x + columns.first,
                            w: (tap * oh + row) * ow + first,
                            y: y + first,
                            count: columns.outputs.len(),
                        });
                    }
                }
            }
        }
    }
}
