//! The values that an unpickler can build: plain data, tensors over storages, and objects of unknown classes.
//!
//! Values are stored in one list and refer to each other by index, so that depth, sharing and cycles require neither
//! recursion nor copies.

use striate_tensor::Shape;

use crate::dtype::DType;

/// The index of a value.
pub(super) type Id = u32;

/// One object of a pickle.
#[derive(Debug)]
pub(super) enum Value {
    None,
    Bool(bool),
    Integer(i128),
    Text(String),
    /// A list or a set.
    List(Vec<Id>),
    Tuple(Vec<Id>),
    /// Keys with values, in the order of insertion.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Box<Storage>),
    Tensor(Box<Tensor>),
    Object(Object),
    /// Data that cannot be weights: floats, bytes, large integers, tensors of unsupported types.
    Opaque,
}

/// An instance of an unknown class, or the result of an unknown function, represented by its arguments; never
/// executed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object {
    /// The tuple of its arguments.
    pub arguments: Id,
    /// Its attributes, usually a dictionary.
    pub state: Option<Id>,
    /// The list or dictionary of its items, if its class extends one of them.
    pub items: Option<Id>,
}

/// A class or function that a pickle refers to by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// `collections.OrderedDict`: becomes a [`Value::Dict`].
    OrderedDict,
    /// `set` and `frozenset`: become a [`Value::List`].
    Set,
    /// `torch._utils._rebuild_tensor` and `_rebuild_tensor_v2`.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter` and similar: the tensor itself.
    RebuildParameter,
    /// `torch._tensor._rebuild_from_type_v2`: calls its first argument with its third.
    RebuildFromType,
    /// `torch.Size`: its tuple.
    Size,
    /// `torch.FloatStorage` and similar.
    StorageType(DType),
    /// Everything else.
    Unknown,
}

/// Elements stored elsewhere in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    /// Its name in the file.
    pub key: String,
    pub dtype: DType,
    /// Its start in the stored elements; nonzero only for views.
    pub offset: usize,
    /// Its elements.
    pub len: usize,
    /// The number of stored elements.
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
    /// The global `module.name`.
    pub fn find(module: &str, name: &str) -> Global {
        match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("builtins" | "__builtin__", "set" | "frozenset") => Global::Set,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Global::RebuildParameter
            }
            ("torch._tensor", "_rebuild_from_type" | "_rebuild_from_type_v2") => Global::RebuildFromType,
            ("torch", "Size") => Global::Size,
            // Files from before PyTorch 1.0 name the device's module, others that of the class.
            ("torch" | "torch.cuda" | "torch.storage", name) => {
                dtype_of(name).map_or(Global::Unknown, Global::StorageType)
            }
            _ => Global::Unknown,
        }
    }
}

/// The type of the elements of PyTorch's storage `class`.
fn dtype_of(class: &str) -> Option<DType> {
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
        "QInt8Storage" | "QUInt8Storage" | "QUInt4x2Storage" | "QUInt2x4Storage" | "UntypedStorage" => {
            DType::Unsupported(1)
        }
        "QInt32Storage" => DType::Unsupported(4),
        "ComplexFloatStorage" => DType::Unsupported(8),
        "ComplexDoubleStorage" => DType::Unsupported(16),
        _ => return None,
    })
}
