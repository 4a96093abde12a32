//! Local response normalization across channels, and its gradient.

mod forward;
mod gradient;
mod lines;
pub mod reference;

use crate::Implementation;
use crate::reference::{Reference, floats};

/// y = x / (k + α/size · Σ x²)^β over `size` neighboring channels.
#[derive(Debug, Clone, PartialEq)]
pub struct LrnDesc {
    /// `[N, C, H, W]`.
    pub shape: [usize; 4],
    /// Number of channels in a sum; odd.
    pub size: usize,
    /// Factor on the mean of the squares.
    pub alpha: f32,
    /// The exponent.
    pub beta: f32,
    /// The constant added to the mean; positive.
    pub k: f32,
}

impl LrnDesc {
    /// The factor on the sum of squares.
    pub(crate) fn share(&self) -> f64 {
        f64::from(self.alpha) / self.size as f64
    }

    /// β in quarters, if it is a small multiple of one.
    fn quarters(&self) -> Option<usize> {
        (1..=8).find(|quarters| *quarters as f32 / 4.0 == self.beta)
    }
}

/// Reads x, writes y.
pub fn forward() -> &'static [&'static dyn Implementation<LrnDesc>] {
    &[
        &forward::Blocked,
        &Reference::<LrnDesc> {
            name: "lrn_reference",
            operands: |_| floats(2),
            run: |desc, views| reference::forward(desc, views.read::<f32>(0), views.write(0)),
        },
    ]
}

/// Reads x and dy, writes dx.
pub fn gradient() -> &'static [&'static dyn Implementation<LrnDesc>] {
    &[
        &gradient::Blocked,
        &Reference::<LrnDesc> {
            name: "lrn_gradient_reference",
            operands: |_| floats(3),
            run: |desc, views| {
                reference::gradient(desc, views.read::<f32>(0), views.read(1), views.write(0));
            },
        },
    ]
}
