//! Reads the elements of an ONNX tensor, from the file itself or from external data.

use half::{bf16, f16};
use striate_tensor::text::counted;
use striate_tensor::{Error, Result};

use super::budget::Budget;
use super::constant::{Constant, count};
use super::external::External;
use super::proto::Tensor;
use crate::message::shown;

/// Larger extents are refused.
const LARGEST_EXTENT: i64 = 1 << 31;
/// More axes are refused.
pub(super) const MOST_AXES: usize = 8;

/// How elements are stored as raw bytes.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    F32,
    F64,
    F16,
    Bf16,
    /// Integers: their size in bytes, and whether they are signed.
    Int(usize, bool),
}

impl Kind {
    fn of(data_type: u64) -> Result<Kind> {
        Ok(match data_type {
            1 => Kind::F32,
            2 | 9 => Kind::Int(1, false),
            3 => Kind::Int(1, true),
            4 => Kind::Int(2, false),
            5 => Kind::Int(2, true),
            6 => Kind::Int(4, true),
            7 => Kind::Int(8, true),
            10 => Kind::F16,
            11 => Kind::F64,
            12 => Kind::Int(4, false),
            13 => Kind::Int(8, false),
            16 => Kind::Bf16,
            8 => return Err(Error::input("contains strings, which are not supported")),
            other => {
                return Err(Error::input(format!(
                    "has type {other}; floats and integers of 8 bits or more are supported"
                )));
            }
        })
    }

    fn size(self) -> usize {
        match self {
            Kind::F32 => 4,
            Kind::F64 => 8,
            Kind::F16 | Kind::Bf16 => 2,
            Kind::Int(size, _) => size,
        }
    }
}

/// Reads the elements of `tensor` and charges `budget` for them; external data are read through `external`.
pub(super) fn read(
    tensor: &Tensor,
    external: Option<&mut External>,
    budget: &mut Budget,
) -> Result<Constant> {
    let read = inner(tensor, external, budget).map_err(|e| e.at(format!("tensor {}", shown(tensor.name))))?;
    let element_type = if read.is_float() { read.element_type } else { tensor.data_type };
    Ok(Constant { element_type, ..read })
}

fn inner(tensor: &Tensor, external: Option<&mut External>, budget: &mut Budget) -> Result<Constant> {
    if tensor.dims.len() > MOST_AXES {
        return Err(Error::input(format!("has {} axes; the limit is {MOST_AXES}", tensor.dims.len())));
    }
    if let Some(extent) = tensor.dims.iter().find(|extent| !(0..=LARGEST_EXTENT).contains(*extent)) {
        return Err(Error::input(format!("extent {extent} is out of range")));
    }
    let shape: Vec<usize> = tensor.dims.iter().map(|extent| *extent as usize).collect();
    let total = count(&shape)?;
    if tensor.segmented {
        return Err(Error::input("is stored in segments, which is not supported"));
    }
    let kind = Kind::of(tensor.data_type)?;
    let spend = |budget: &mut Budget| match kind {
        Kind::Int(..) => budget.ints(total),
        _ => budget.floats(total),
    };
    if tensor.is_external {
        let bytes = total.checked_mul(kind.size());
        let bytes = bytes
            .ok_or_else(|| Error::input(format!("shape {shape:?} has more bytes than the address space")))?;
        let external =
            external.ok_or_else(|| Error::input("has external data, which cannot be read from memory"))?;
        return Ok(decode(
            kind,
            shape,
            &external.read(tensor, bytes, || {
                budget.grow(bytes);
                spend(budget)
            })?,
        ));
    }
    if let Some(raw) = tensor.raw {
        if total.checked_mul(kind.size()) != Some(raw.len()) {
            return Err(Error::input(format!("has {} for shape {shape:?}", counted(raw.len(), "byte"))));
        }
        spend(budget)?;
        return Ok(decode(kind, shape, raw));
    }
    let stored = if matches!(kind, Kind::F32 | Kind::F64) { tensor.floats.len() } else { tensor.ints.len() };
    if stored != total {
        let given = tensor.floats.len() + tensor.ints.len();
        return Err(Error::input(format!("has {} for shape {shape:?}", counted(given, "element"))));
    }
    spend(budget)?;
    // Half-precision floats are stored as 16-bit integers.
    let bits = tensor.ints.iter().map(|value| *value as u16);
    Ok(match kind {
        Kind::F32 | Kind::F64 => Constant::floats(shape, tensor.floats.clone()),
        Kind::F16 => Constant::floats(shape, bits.map(|bits| f16::from_bits(bits).to_f32()).collect()),
        Kind::Bf16 => Constant::floats(shape, bits.map(|bits| bf16::from_bits(bits).to_f32()).collect()),
        Kind::Int(..) => Constant::fixed(shape, tensor.ints.clone()),
    })
}

/// Decodes `raw`, whose length is that of `shape`.
fn decode(kind: Kind, shape: Vec<usize>, raw: &[u8]) -> Constant {
    let floats = |values: Vec<f32>| Constant::floats(shape.clone(), values);
    match kind {
        Kind::F32 => floats(raw.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect()),
        Kind::F64 => floats(raw.as_chunks().0.iter().map(|word| f64::from_le_bytes(*word) as f32).collect()),
        Kind::F16 => {
            floats(raw.as_chunks().0.iter().map(|word| f16::from_le_bytes(*word).to_f32()).collect())
        }
        Kind::Bf16 => {
            floats(raw.as_chunks().0.iter().map(|word| bf16::from_le_bytes(*word).to_f32()).collect())
        }
        Kind::Int(size, signed) => {
            let integer = |bytes: &[u8]| {
                let fill = if signed && bytes[size - 1] >= 0x80 { 0xff } else { 0 };
                let mut word = [fill; 8];
                word[..size].copy_from_slice(bytes);
                i64::from_le_bytes(word)
            };
            Constant::fixed(shape.clone(), raw.chunks_exact(size).map(integer).collect())
        }
    }
}
