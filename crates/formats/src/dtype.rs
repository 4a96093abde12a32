//! Element types of weights files, all of which are converted to `f32`.

/// The type of an element, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DType {
    F32,
    F64,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
    /// A type that cannot be converted to `f32` (complex, quantized, untyped), with its size in bytes.
    Unsupported(u8),
}

impl DType {
    /// Its name in PyTorch.
    pub fn name(self) -> &'static str {
        match self {
            DType::F32 => "float32",
            DType::F64 => "float64",
            DType::F16 => "float16",
            DType::BF16 => "bfloat16",
            DType::I64 => "int64",
            DType::I32 => "int32",
            DType::I16 => "int16",
            DType::I8 => "int8",
            DType::U8 => "uint8",
            DType::Bool => "bool",
            DType::Unsupported(_) => "unsupported",
        }
    }

    /// The size of an element in bytes.
    pub fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 | DType::I32 => 4,
            DType::F16 | DType::BF16 | DType::I16 => 2,
            DType::I8 | DType::U8 | DType::Bool => 1,
            DType::Unsupported(size) => usize::from(size),
        }
    }

    /// Returns the elements in `bytes`, which must be a whole number of them, as `f32`.
    pub fn numbers(self, bytes: &[u8]) -> Vec<f32> {
        fn read<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            bytes.as_chunks().0.iter().map(|word| number(*word)).collect()
        }
        match self {
            DType::F32 => read(bytes, f32::from_le_bytes),
            DType::F64 => read(bytes, |word| f64::from_le_bytes(word) as f32),
            DType::F16 => read(bytes, |word| half::f16::from_le_bytes(word).to_f32()),
            DType::BF16 => read(bytes, |word| half::bf16::from_le_bytes(word).to_f32()),
            DType::I64 => read(bytes, |word| i64::from_le_bytes(word) as f32),
            DType::I32 => read(bytes, |word| i32::from_le_bytes(word) as f32),
            DType::I16 => read(bytes, |word| f32::from(i16::from_le_bytes(word))),
            DType::I8 => read(bytes, |word| f32::from(i8::from_le_bytes(word))),
            DType::U8 => read(bytes, |[byte]| f32::from(byte)),
            DType::Bool => read(bytes, |[byte]| f32::from(u8::from(byte != 0))),
            DType::Unsupported(_) => unreachable!("no tensor is made of them"),
        }
    }
}
