//! Integer types of a graph's input.

use std::fmt;

/// An integer type of ONNX.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntegerType {
    /// Its name, such as `uint8`.
    pub name: &'static str,
    /// The smallest value.
    pub smallest: i64,
    /// The largest value; that of `uint64` is larger than any number that matters here.
    pub largest: i64,
}

impl IntegerType {
    /// The type of bytes.
    pub const BYTES: IntegerType = IntegerType { name: "uint8", smallest: 0, largest: 255 };

    /// Returns the type with ONNX's number `kind` (`TensorProto.DataType`); `None` if it is not an integer type.
    pub(super) fn of(kind: u64) -> Option<IntegerType> {
        let (name, smallest, largest) = match kind {
            2 => return Some(IntegerType::BYTES),
            3 => ("int8", i8::MIN.into(), i8::MAX.into()),
            4 => ("uint16", 0, u16::MAX.into()),
            5 => ("int16", i16::MIN.into(), i16::MAX.into()),
            6 => ("int32", i32::MIN.into(), i32::MAX.into()),
            7 => ("int64", i64::MIN, i64::MAX),
            12 => ("uint32", 0, u32::MAX.into()),
            13 => ("uint64", 0, i64::MAX),
            _ => return None,
        };
        Some(IntegerType { name, smallest, largest })
    }
}

impl fmt::Display for IntegerType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self == IntegerType::BYTES {
            true => f.write_str("bytes (uint8), from 0 to 255"),
            false => write!(f, "integers ({})", self.name),
        }
    }
}
