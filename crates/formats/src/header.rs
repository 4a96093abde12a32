//! The header of a safetensors file, checked before any tensor is created.
//!
//! The crate `safetensors` accepts duplicate names, of which the last wins, and does not check offsets against the
//! length of the file; here duplicates are refused, and each tensor's position and size are checked.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use crate::dtype::DType;
use crate::message::shown;

/// The key of the text metadata in the header.
pub(crate) const METADATA: &str = "__metadata__";
/// Limit of a header in bytes, the same as the crate's.
pub(crate) const LARGEST_HEADER: usize = 100_000_000;

/// A tensor's entry in the header; fields in the order in which they are written.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Info {
    /// Start and end of its bytes, counted from the end of the header.
    pub data_offsets: (usize, usize),
    pub dtype: String,
    pub shape: Vec<usize>,
}

/// A header whose tensors lie within the file and have the sizes of their shapes.
#[derive(Debug, Default)]
pub(crate) struct Header {
    pub metadata: HashMap<String, String>,
    pub tensors: Vec<(String, Info)>,
}

impl Header {
    /// Reads the header of the file `bytes`. Gaps and overlaps are left to the crate.
    pub fn read(bytes: &[u8]) -> Result<Header> {
        let Some((length, rest)) = bytes.split_first_chunk() else {
            return Err(damaged("it is shorter than 8 bytes"));
        };
        let length = u64::from_le_bytes(*length);
        let fits = |length: &usize| *length <= LARGEST_HEADER && *length <= rest.len();
        let Some(length) = usize::try_from(length).ok().filter(fits) else {
            return Err(damaged(format!("a header of {length} bytes in {}", bytes.len())));
        };
        let (text, data) = rest.split_at(length);
        Header::parse(text, data.len())
    }

    /// Reads the header `text` of a file with `available` bytes of data.
    pub fn parse(text: &[u8], available: usize) -> Result<Header> {
        let header: Header = serde_json::from_slice(text).map_err(|e| damaged(format!("header: {e}")))?;
        header.tensors.iter().try_for_each(|(name, info)| check(name, info, available))?;
        Ok(header)
    }
}

/// The error about a damaged file, with the cause on one line of bounded length.
pub(crate) fn damaged(cause: impl fmt::Display) -> Error {
    Error::input(format!(
        "is not a complete safetensors file ({}); copy or download it again",
        shown(&cause.to_string())
    ))
}

/// The type called `name` in files, if it is supported.
pub(crate) fn dtype_of(name: &str) -> Option<DType> {
    Some(match name {
        "F32" => DType::F32,
        "F64" => DType::F64,
        "F16" => DType::F16,
        "BF16" => DType::BF16,
        "I64" => DType::I64,
        "I32" => DType::I32,
        "I16" => DType::I16,
        "I8" => DType::I8,
        "U8" => DType::U8,
        "BOOL" => DType::Bool,
        _ => return None,
    })
}

/// Checks that a tensor's type is supported, and that its bytes lie within the data and match its shape.
fn check(name: &str, info: &Info, available: usize) -> Result<()> {
    let tensor = shown(name);
    let Some(dtype) = dtype_of(&info.dtype) else {
        return Err(Error::input(format!(
            "tensor {tensor} is of the unsupported type {}; save it as F32, F16, BF16 or F64",
            shown(&info.dtype)
        )));
    };
    let (begin, end) = info.data_offsets;
    if begin > end || end > available {
        return Err(damaged(format!("tensor {tensor} at bytes {begin} to {end} of {available}")));
    }
    let shape = Shape::new(info.shape.clone());
    let needed = shape.checked_len().ok().and_then(|elements| elements.checked_mul(dtype.size()));
    if needed != Some(end - begin) {
        let what = format!("tensor {tensor}: {} bytes for {} {shape}", end - begin, info.dtype);
        return Err(damaged(what));
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Header, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header::default();
        let mut seen = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                return Err(A::Error::custom(format!("{name} occurs twice")));
            }
            if name == METADATA {
                header.metadata = map.next_value::<Option<Texts>>()?.unwrap_or_default().0;
            } else {
                let info = map.next_value().map_err(|e| A::Error::custom(format!("tensor {name}: {e}")))?;
                header.tensors.push((name, info));
            }
        }
        Ok(header)
    }
}

/// Text by key, without duplicates.
#[derive(Default)]
struct Texts(HashMap<String, String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
        deserializer.deserialize_map(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object of text")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
        let mut texts = HashMap::new();
        while let Some((key, text)) = map.next_entry::<String, String>()? {
            if texts.contains_key(&key) {
                return Err(A::Error::custom(format!("metadata {key} occurs twice")));
            }
            texts.insert(key, text);
        }
        Ok(Texts(texts))
    }
}
