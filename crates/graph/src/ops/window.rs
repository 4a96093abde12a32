//! Windows that slide over signals, maps or volumes, shared by convolutions and pools.

use striate_tensor::{Error, Result, Shape};

use crate::geometry::window_count;
use crate::{Padding, PerAxis};

/// The largest kernel, stride and padding accepted along an axis.
pub(super) const LARGEST_WINDOW: usize = 1 << 16;
/// The largest number of taps accepted in a window.
const MOST_TAPS: usize = 1 << 32;

/// A window and how it moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Extent of the window.
    pub kernel: PerAxis,
    /// Stride of the window.
    pub stride: PerAxis,
    /// Distance between adjacent taps.
    pub dilation: PerAxis,
}

impl Window {
    /// The window that covers all of `input`.
    pub(super) fn whole(input: &Shape) -> Window {
        let kernel = match input.get(2..) {
            Some(extents) if (1..=3).contains(&extents.len()) => PerAxis::of(extents),
            // For values of other ranks, every element counts as a column.
            _ => PerAxis { w: input.iter().skip(2).product(), ..PerAxis::ONE },
        };
        Window { kernel, stride: PerAxis::ONE, dilation: PerAxis::ONE }
    }

    /// The number of taps of the window over `input`.
    pub(crate) fn taps(&self, input: &Shape) -> usize {
        inner(self.kernel, input.len().saturating_sub(2)).iter().product()
    }

    /// The spatial extents of the output for `input` with `padding`; with `ceil`, a last, partially covered
    /// window counts.
    pub(super) fn places(&self, input: &Shape, padding: Padding, ceil: bool) -> Result<Vec<usize>> {
        let axes = spatial_axes(input)?;
        self.check()?;
        let [kernel, stride, dilation] = [self.kernel, self.stride, self.dilation].map(PerAxis::array);
        let (before, after) = (padding.before(), padding.after());
        if [before, after].concat().iter().any(|side| *side > LARGEST_WINDOW) {
            return Err(Error::input(format!("padding exceeds {LARGEST_WINDOW}, the limit")));
        }
        if self.taps(input) > MOST_TAPS {
            return Err(Error::input(format!("kernel_size exceeds {MOST_TAPS} taps, the limit")));
        }
        let places: Option<Vec<usize>> = (3 - axes..3)
            .zip(&input[2..])
            .map(|(i, extent)| {
                window_count(*extent, kernel[i], stride[i], dilation[i], before[i], after[i], ceil)
            })
            .collect();
        places.ok_or_else(|| {
            let sides: Vec<String> = inner(self.kernel, axes).iter().map(usize::to_string).collect();
            Error::input(format!("a window of {} does not fit the input {input}", sides.join("x")))
        })
    }

    /// Refuses sizes that are zero or above the limit.
    fn check(&self) -> Result<()> {
        let extents = [self.kernel, self.stride, self.dilation].map(PerAxis::array).concat();
        if extents.contains(&0) {
            return Err(Error::input("kernel_size, stride and dilation must be at least 1"));
        }
        if extents.iter().any(|extent| *extent > LARGEST_WINDOW) {
            return Err(Error::input(format!(
                "kernel_size, stride or dilation exceeds {LARGEST_WINDOW}, the limit"
            )));
        }
        Ok(())
    }
}

/// The number of spatial axes: those after batch and channels of signals, maps or volumes.
pub(super) fn spatial_axes(shape: &Shape) -> Result<usize> {
    match shape.len() {
        rank @ 3..=5 => Ok(rank - 2),
        _ => Err(Error::input(format!(
            "takes maps [N, C, H, W], signals [N, C, W] or volumes [N, C, D, H, W], not {shape}"
        ))),
    }
}

/// The numbers of the `axes` innermost axes.
pub(super) fn inner(each: PerAxis, axes: usize) -> Vec<usize> {
    each.array()[3usize.saturating_sub(axes)..].to_vec()
}
