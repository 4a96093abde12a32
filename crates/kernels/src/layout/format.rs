//! The format of an operand: the order of its elements and their type.

use std::fmt;

use striate_tensor::DType;

use crate::Layout;

/// How an operand is stored. The graph determines the element type of a value; a kernel states which types it supports
/// and which order it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format {
    /// The order of the elements.
    pub layout: Layout,
    /// Their type.
    pub dtype: DType,
}

impl Format {
    /// Values of `f32` in these layouts.
    pub fn f32s(layouts: impl IntoIterator<Item = Layout>) -> Vec<Format> {
        layouts.into_iter().map(Layout::f32).collect()
    }

    /// The layouts of `formats`.
    pub fn layouts(formats: &[Format]) -> Vec<Layout> {
        formats.iter().map(|format| format.layout).collect()
    }
}

impl Layout {
    /// This order of elements of type `dtype`.
    pub const fn of(self, dtype: DType) -> Format {
        Format { layout: self, dtype }
    }

    /// This order of `f32`.
    pub const fn f32(self) -> Format {
        self.of(DType::F32)
    }
}

/// The layout, followed by the element type if it is not `f32`.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.layout)?;
        match self.dtype {
            DType::F32 => Ok(()),
            dtype => write!(f, " {dtype}"),
        }
    }
}
