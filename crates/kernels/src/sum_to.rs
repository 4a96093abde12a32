//! Sums over what was stretched or averaged, and the way back: every element of a wide value belongs to one of
//! a narrow value.

use crate::Implementation;
use crate::reference::{self, Reference};

/// Wide and narrow values, both plain.
#[derive(Debug, Clone, PartialEq)]
pub struct SumToDesc {
    /// Extents of the wide value.
    pub shape: Vec<usize>,
    /// How far apart its neighbors along each axis lie in the narrow value; 0 along axes that are summed.
    pub strides: Vec<usize>,
    /// Multiplies the result.
    pub factor: f32,
}

impl SumToDesc {
    /// Between a wide value and a `narrow` one that broadcasts to it.
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
        operands: |_| 2,
        run: |desc, views| reference::broadcast::sum_to(desc, views.read::<f32>(0), views.write(0)),
    }]
}

/// Gives each element of the wide value its own. Reads the narrow value, writes the wide one.
pub fn spread() -> &'static [&'static dyn Implementation<SumToDesc>] {
    &[&Reference::<SumToDesc> {
        name: "spread_reference",
        operands: |_| 2,
        run: |desc, views| reference::broadcast::spread(desc, views.read::<f32>(0), views.write(0)),
    }]
}
