//! The gradient of the larger or smaller of two values, one of which may be stretched. All values are plain.

use crate::Implementation;
use crate::broadcast::{Arithmetic, BroadcastDesc};
use crate::reference::{self, Reference};

/// Reads a, b and dy, writes the share of a: dy where a was taken, half of it where both are equal, else 0.
///
/// The descriptor's operation is [`Arithmetic::Max`] or [`Arithmetic::Min`].
pub fn gradient() -> &'static [&'static dyn Implementation<BroadcastDesc>] {
    &[&Reference::<BroadcastDesc> {
        name: "extremum_gradient_reference",
        operands: |_| 4,
        run: |desc, views| {
            debug_assert!(matches!(desc.op, Arithmetic::Max | Arithmetic::Min));
            let (a, b, dy) = (views.read::<f32>(0), views.read(1), views.read(2));
            reference::broadcast::extremum_gradient(desc, a, b, dy, views.write(0));
        },
    }]
}
