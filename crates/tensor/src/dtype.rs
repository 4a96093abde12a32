//! Element types and the Rust types that represent them.

use std::fmt;

use half::bf16;

/// The type of one element of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit float: the type of images, weights and activations.
    F32,
    /// 64-bit float: reference computations and gradient checks.
    F64,
    /// 64-bit signed integer: labels and counters.
    I64,
    /// 32-bit signed integer.
    I32,
    /// Unsigned byte: pixels.
    U8,
    /// bfloat16: the upper half of an `f32`.
    BF16,
}

impl DType {
    /// The size of one element in bytes.
    pub const fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 | DType::I32 => 4,
            DType::BF16 => 2,
            DType::U8 => 1,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::I64 => "i64",
            DType::I32 => "i32",
            DType::U8 => "u8",
            DType::BF16 => "bf16",
        })
    }
}

/// A Rust type that can be an element: plain bytes without padding, valid for every bit pattern.
pub trait Element: bytemuck::Pod + Send + Sync {
    /// The tag for this type in files and graphs.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($rust:ty => $tag:ident),*) => {
        $(impl Element for $rust { const DTYPE: DType = DType::$tag; })*
    };
}
elements!(f32 => F32, f64 => F64, i64 => I64, i32 => I32, u8 => U8, bf16 => BF16);
