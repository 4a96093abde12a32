//! Max and average pooling of plain volumes, and their gradients. Windows may be dilated, and padding may differ on
//! every side; maps and signals with such windows are treated as volumes of depth 1, and of height 1.

mod average_gradient;
mod forward;
mod max_gradient;
pub mod reference;
mod windows;

use crate::Implementation;
use crate::activation::Activation;
use crate::pooling::PoolKind;
use crate::reference::{Reference, floats};

/// Pooling of volumes; sizes are in the order depth, height, width. Every window must cover at least one element.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool3dDesc {
    /// The quantity computed over a window.
    pub kind: PoolKind,
    /// Number of volumes.
    pub batch: usize,
    /// Number of channels.
    pub channels: usize,
    /// Extents of x.
    pub input: [usize; 3],
    /// Extents of y.
    pub output: [usize; 3],
    /// Extent of the window.
    pub kernel: [usize; 3],
    /// Stride of the window.
    pub stride: [usize; 3],
    /// Distance between adjacent taps.
    pub dilation: [usize; 3],
    /// Padding before the first element of each axis.
    pub padding: [usize; 3],
    /// Padding after the last.
    pub padding_after: [usize; 3],
    /// For the gradients: the activation that produced x, whose gradient is applied as well.
    pub activation: Activation,
}

impl Pool3dDesc {
    /// The elements of x that window number `at` along `axis` covers: the first, and how many, `dilation` apart.
    pub(crate) fn covered(&self, axis: usize, at: usize) -> (usize, usize) {
        let (start, padding) = (at * self.stride[axis], self.padding[axis]);
        let skipped = padding.saturating_sub(start).div_ceil(self.dilation[axis]);
        let taps = self.taps_before(axis, start, self.input[axis] + padding);
        let first = (start + skipped * self.dilation[axis]).saturating_sub(padding);
        (first, taps.saturating_sub(skipped))
    }

    /// The divisor of window number `at` along `axis`; that of the whole window is the product over the axes.
    pub(crate) fn divisor(&self, axis: usize, at: usize) -> usize {
        if self.kind == (PoolKind::Average { count_include_pad: true }) {
            let end = self.padding[axis] + self.input[axis] + self.padding_after[axis];
            return self.taps_before(axis, at * self.stride[axis], end);
        }
        self.covered(axis, at).1
    }

    /// The number of taps of a window starting at `start` that lie before `end`.
    fn taps_before(&self, axis: usize, start: usize, end: usize) -> usize {
        end.saturating_sub(start).div_ceil(self.dilation[axis]).min(self.kernel[axis])
    }

    fn volumes(&self) -> [usize; 2] {
        [self.input, self.output].map(|extents| extents.iter().product())
    }
}

/// Forward. Reads x, writes y.
pub fn forward() -> &'static [&'static dyn Implementation<Pool3dDesc>] {
    &[
        &forward::Rows,
        &Reference::<Pool3dDesc> {
            name: "pool3d_reference",
            operands: |_| floats(2),
            run: |desc, views| reference::forward(desc, views.read::<f32>(0), views.write(0)),
        },
    ]
}

/// Gradient of max pooling and of the activation before it. Reads x and dy, writes dx.
pub fn max_gradient() -> &'static [&'static dyn Implementation<Pool3dDesc>] {
    &[
        &max_gradient::Rows,
        &Reference::<Pool3dDesc> {
            name: "max_pool3d_gradient_reference",
            operands: |_| floats(3),
            run: |desc, views| {
                let (x, dy) = (views.read::<f32>(0), views.read(1));
                reference::max_gradient(desc, x, dy, views.write(0));
            },
        },
    ]
}

/// Gradient of average pooling and of the optional activation before it. Reads dy, and with an activation x;
/// writes dx.
pub fn average_gradient() -> &'static [&'static dyn Implementation<Pool3dDesc>] {
    &[
        &average_gradient::Rows,
        &Reference::<Pool3dDesc> {
            name: "average_pool3d_gradient_reference",
            operands: |desc| floats(2 + usize::from(desc.activation != Activation::None)),
            run: |desc, views| {
                let x = (desc.activation != Activation::None).then(|| views.read::<f32>(1));
                reference::average_gradient(desc, views.read(0), x, views.write(0));
            },
        },
    ]
}
