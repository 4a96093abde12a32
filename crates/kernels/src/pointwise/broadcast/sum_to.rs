//! Sums over broadcast or averaged axes, and the reverse: each element of a wide value corresponds to one of a
//! narrow value.

use super::reference;
use crate::Implementation;
use crate::reference::{Reference, floats};

/// The correspondence of a wide and a narrow value, both plain.
#[derive(Debug, Clone, PartialEq)]
pub struct SumToDesc {
    /// Extents of the wide value.
    pub shape: Vec<usize>,
    /// Strides of the narrow value along each axis; 0 along summed axes.
    pub strides: Vec<usize>,
    /// Factor on the result.
    pub factor: f32,
}

impl SumToDesc {
    /// Describes a `wide` value and a `narrow` one that broadcasts to it.
    pub fn new(wide: &[usize], narrow: &[usize], factor: f32) -> SumToDesc {
        let mut strides = vec![0; wide.len()];
        let mut step = 1;
        for (axis, extent) in (0..wide.len()).rev().zip(narrow.iter().rev()) {
            if *extent > 1 {
                strides[axis] = step;
            }
            step *= extent;
        }
        SumToDesc { shape: wide.to_vec(), strides, factor }
    }
}

/// Sums over the wide value. Reads the wide value, writes the narrow one.
pub fn sum() -> &'static [&'static dyn Implementation<SumToDesc>] {
    &[&Reference::<SumToDesc> {
        name: "sum_to_reference",
        operands: |_| floats(2),
        run: |desc, views| reference::sum_to(desc, views.read::<f32>(0), views.write(0)),
    }]
}

/// Copies each element of the narrow value to all corresponding ones. Reads the narrow value, writes the wide one.
pub fn broadcast() -> &'static [&'static dyn Implementation<SumToDesc>] {
    &[&Reference::<SumToDesc> {
        name: "broadcast_to_reference",
        operands: |_| floats(2),
        run: |desc, views| reference::broadcast_to(desc, views.read::<f32>(0), views.write(0)),
    }]
}
