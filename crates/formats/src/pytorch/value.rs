//! What an unpickler can build: plain data, and tensors over storages.
//!
//! Values lie in one list and refer to each other by index, so that any depth, sharing or circle costs
//! neither recursion nor copies.

use striate_tensor::Shape;

/// The index of a value.
pub(super) type Id = u32;

/// One object of a pickle.
#[derive(Debug)]
pub(super) enum Value {
    None,
    Bool(bool),
    Integer(i128),
    Float,
    Text(String),
    Bytes,
    List(Vec<Id>),
    Tuple(Vec<Id>),
    /// Keys with values, in the order of insertion.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Box<Storage>),
    Tensor(Box<Tensor>),
}

/// What a pickle may ask for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// `collections.OrderedDict`: becomes a [`Value::Dict`].
    OrderedDict,
    /// `torch._utils._rebuild_tensor` and `_rebuild_tensor_v2`.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`: the tensor itself.
    RebuildParameter,
    /// `torch.Size`: its tuple.
    Size,
    /// `torch.FloatStorage` and its like.
    StorageType(DType),
}

/// The type of a storage's numbers, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DType {
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
}

/// Numbers that lie elsewhere in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    /// Its name in the file.
    pub key: String,
    pub dtype: DType,
    /// Where it begins in the storage that the file holds, in elements; not zero for a view of one.
    pub offset: usize,
    /// Its elements.
    pub len: usize,
    /// Elements of the storage that the file holds.
    pub whole: usize,
}

/// A view of a storage.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    pub storage: Storage,
    /// In elements, like the strides.
    pub offset: usize,
    pub shape: Shape,
    pub strides: Vec<usize>,
}

impl Global {
    /// The global `module.name`, if it is one of the few that are known.
    pub fn find(module: &str, name: &str) -> Option<Global> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Global::OrderedDict),
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
            ("torch", "Size") => Some(Global::Size),
            // Files of PyTorch before 1.0 name the device's module.
            ("torch" | "torch.cuda", name) => DType::of_storage(name).map(Global::StorageType),
            _ => None,
        }
    }
}

impl DType {
    fn of_storage(class: &str) -> Option<DType> {
        Some(match class {
            "FloatStorage" => DType::F32,
            "DoubleStorage" => DType::F64,
            "HalfStorage" => DType::F16,
            "BFloat16Storage" => DType::BF16,
            "LongStorage" => DType::I64,
            "IntStorage" => DType::I32,
            "ShortStorage" => DType::I16,
            "CharStorage" => DType::I8,
            "ByteStorage" => DType::U8,
            "BoolStorage" => DType::Bool,
            _ => return None,
        })
    }

    /// As PyTorch calls it.
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
        }
    }

    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 | DType::I32 => 4,
            DType::F16 | DType::BF16 | DType::I16 => 2,
            DType::I8 | DType::U8 | DType::Bool => 1,
        }
    }
}
