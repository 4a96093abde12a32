//! The gradient of an elementwise maximum or minimum with broadcasting. All values are in plain layout.

use super::reference;
use crate::Implementation;
use crate::broadcast::{Arithmetic, BroadcastDesc};
use crate::reference::{Reference, floats};

/// Reads a, b and dy; writes the gradient of a: dy where a was selected, dy / 2 where both are equal, else 0.
///
/// The descriptor's operation must be [`Arithmetic::Max`] or [`Arithmetic::Min`].
pub fn gradient() -> &'static [&'static dyn Implementation<BroadcastDesc>] {
    &[&Reference::<BroadcastDesc> {
        name: "extremum_gradient_reference",
        operands: |_| floats(4),
        run: |desc, views| {
            debug_assert!(matches!(desc.op, Arithmetic::Max | Arithmetic::Min));
            let (a, b, dy) = (views.read::<f32>(0), views.read(1), views.read(2));
            reference::extremum_gradient(desc, a, b, dy, views.write(0));
        },
    }]
}
