//! Max and average pooling, and their gradients.

mod average_gradient;
mod forward;
mod max_gradient;
pub mod pooling3d;
pub mod reference;
mod windows;

use std::ops::Range;

use crate::Implementation;
use crate::activation::Activation;
use crate::reference::{Reference, floats};

/// The quantity computed over a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolKind {
    /// The largest element, NaN if there is one; padding counts as minus infinity.
    Max,
    /// The mean.
    Average {
        /// Whether padding counts in the divisor.
        count_include_pad: bool,
    },
}

/// Pooling of maps. Windows may extend past the map on every side.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolDesc {
    /// The quantity computed over a window.
    pub kind: PoolKind,
    /// Number of images.
    pub batch: usize,
    /// Number of channels.
    pub channels: usize,
    /// Rows and columns of x.
    pub input: [usize; 2],
    /// Rows and columns of y.
    pub output: [usize; 2],
    /// Extent of the window.
    pub kernel: [usize; 2],
    /// Stride of the window.
    pub stride: [usize; 2],
    /// Rows above and columns to the left. Those below and to the right follow from `output`; if padding
    /// counts in the divisor, they must be the same.
    pub padding: [usize; 2],
    /// For the gradients: the activation that produced x, whose gradient is applied as well.
    pub activation: Activation,
}

impl PoolDesc {
    /// The rows and columns of x that window number `window` (row-major) covers.
    pub(crate) fn clipped(&self, window: usize) -> [Range<usize>; 2] {
        let at = [window / self.output[1], window % self.output[1]];
        [self.clipped_on(0, at[0]), self.clipped_on(1, at[1])]
    }

    fn clipped_on(&self, axis: usize, at: usize) -> Range<usize> {
        let start = at * self.stride[axis];
        let end = (start + self.kernel[axis]).saturating_sub(self.padding[axis]).min(self.input[axis]);
        start.saturating_sub(self.padding[axis])..end
    }

    /// The divisor of the sum over window number `window`.
    pub(crate) fn divisor(&self, window: usize) -> usize {
        self.divisor_on(0, window / self.output[1]) * self.divisor_on(1, window % self.output[1])
    }

    fn divisor_on(&self, axis: usize, at: usize) -> usize {
        if self.kind == (PoolKind::Average { count_include_pad: true }) {
            let start = at * self.stride[axis];
            (start + self.kernel[axis]).min(self.input[axis] + 2 * self.padding[axis]) - start
        } else {
            self.clipped_on(axis, at).len()
        }
    }

    fn x_shape(&self) -> [usize; 4] {
        [self.batch, self.channels, self.input[0], self.input[1]]
    }

    fn y_shape(&self) -> [usize; 4] {
        [self.batch, self.channels, self.output[0], self.output[1]]
    }
}

/// Forward. Reads x, writes y.
pub fn forward() -> &'static [&'static dyn Implementation<PoolDesc>] {
    &[
        &forward::Blocked,
        &Reference::<PoolDesc> {
            name: "pool_reference",
            operands: |_| floats(2),
            run: |desc, views| reference::forward(desc, views.read::<f32>(0), views.write(0)),
        },
    ]
}

/// Gradient of max pooling and of the activation before it. Reads x and dy, writes dx.
pub fn max_gradient() -> &'static [&'static dyn Implementation<PoolDesc>] {
    &[
        &max_gradient::Blocked,
        &Reference::<PoolDesc> {
            name: "max_pool_gradient_reference",
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
pub fn average_gradient() -> &'static [&'static dyn Implementation<PoolDesc>] {
    &[
        &average_gradient::Blocked,
        &Reference::<PoolDesc> {
            name: "average_pool_gradient_reference",
            operands: |desc| floats(2 + usize::from(desc.activation != Activation::None)),
            run: |desc, views| {
                let x = (desc.activation != Activation::None).then(|| views.read::<f32>(1));
                reference::average_gradient(desc, views.read(0), x, views.write(0));
            },
        },
    ]
}
