//! An ONNX tensor's elements, from the file or from a file beside it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use half::{bf16, f16};
use striate_tensor::{Error, Result};

use super::constant::{Constant, count};
use super::proto::Tensor;
use crate::message::shown;

/// Extents beyond this are a mistake, not a tensor.
const LARGEST_EXTENT: i64 = 1 << 31;
/// Axes beyond this are a mistake.
const MOST_AXES: usize = 8;

/// How elements of a type lie in raw bytes.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    F32,
    F64,
    F16,
    Bf16,
    /// Integers of so many bytes, with a sign or without.
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
            8 => return Err(Error::input("holds texts, which no network here takes")),
            other => {
                return Err(Error::input(format!("is of type {other}; floats and whole integers are read")));
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

/// The elements of `tensor`; those that lie outside the file are looked for in `folder`.
pub(super) fn read(tensor: &Tensor, folder: Option<&Path>) -> Result<Constant> {
    inner(tensor, folder).map_err(|e| e.at(format!("tensor {}", shown(tensor.name))))
}

fn inner(tensor: &Tensor, folder: Option<&Path>) -> Result<Constant> {
    if tensor.dims.len() > MOST_AXES {
        return Err(Error::input(format!("{} axes are too many", tensor.dims.len())));
    }
    if let Some(extent) = tensor.dims.iter().find(|extent| !(0..=LARGEST_EXTENT).contains(*extent)) {
        return Err(Error::input(format!("extent {extent} is none of a tensor")));
    }
    let shape: Vec<usize> = tensor.dims.iter().map(|extent| *extent as usize).collect();
    let total = count(&shape)?;
    if tensor.segmented {
        return Err(Error::input("is stored in segments, which are not read"));
    }
    let kind = Kind::of(tensor.data_type)?;
    if tensor.is_external {
        let bytes = total.checked_mul(kind.size());
        let bytes = bytes.ok_or_else(|| Error::input(format!("shape {shape:?} is absurdly large")))?;
        return decode(kind, shape, &external(tensor, bytes, folder)?);
    }
    if let Some(raw) = tensor.raw {
        return decode(kind, shape, raw);
    }
    let given = tensor.floats.len() + tensor.ints.len();
    let misfit = || Error::input(format!("{given} elements for shape {shape:?}"));
    match kind {
        Kind::F32 | Kind::F64 if tensor.floats.len() == total => {
            Ok(Constant::floats(shape, tensor.floats.clone()))
        }
        // Halves stand as integers of 16 bits.
        Kind::F16 | Kind::Bf16 if tensor.ints.len() == total => {
            let bits = |value: &i64| *value as u16;
            let values = match kind {
                Kind::F16 => tensor.ints.iter().map(|x| f16::from_bits(bits(x)).to_f32()).collect(),
                _ => tensor.ints.iter().map(|x| bf16::from_bits(bits(x)).to_f32()).collect(),
            };
            Ok(Constant::floats(shape, values))
        }
        Kind::Int(..) if tensor.ints.len() == total => {
            Ok(Constant::ints(shape, [tensor.ints.clone(), tensor.ints.clone()]))
        }
        _ => Err(misfit()),
    }
}

fn decode(kind: Kind, shape: Vec<usize>, raw: &[u8]) -> Result<Constant> {
    let total = count(&shape)?;
    if total.checked_mul(kind.size()) != Some(raw.len()) {
        return Err(Error::input(format!("{} bytes for shape {shape:?}", raw.len())));
    }
    let floats = |values: Vec<f32>| Constant::floats(shape.clone(), values);
    Ok(match kind {
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
            let values: Vec<i64> = raw.chunks_exact(size).map(integer).collect();
            Constant::ints(shape.clone(), [values.clone(), values])
        }
    })
}

/// The bytes of a tensor that lie in another file of the model's folder.
fn external(tensor: &Tensor, wanted: usize, folder: Option<&Path>) -> Result<Vec<u8>> {
    let entry = |key: &str| tensor.external.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    let number = |key: &str| -> Result<Option<u64>> {
        let refuse = |text: &str| Error::input(format!("external data: {key} {} is no number", shown(text)));
        entry(key).map(|text| text.parse().map_err(|_| refuse(text))).transpose()
    };
    let location = entry("location").ok_or_else(|| Error::input("external data: no location is given"))?;
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    if length.is_some_and(|length| length != wanted as u64) {
        return Err(Error::input(format!("external data: {} bytes for {wanted}", length.unwrap_or(0))));
    }
    let folder = folder.ok_or_else(|| Error::input("external data: there is no folder to look into"))?;
    let path = inside(folder, location)?;
    let at = |e: std::io::Error| Error::read(&path, e);
    let mut file = File::open(&path).map_err(at)?;
    let found = file.metadata().map_err(at)?;
    if !found.is_file() {
        return Err(Error::input(format!("external data: {} is no file", path.display())));
    }
    if offset.checked_add(wanted as u64).is_none_or(|end| end > found.len()) {
        return Err(Error::input(format!(
            "external data: {wanted} bytes from {offset} on reach past the end of {} ({} bytes)",
            path.display(),
            found.len()
        )));
    }
    file.seek(SeekFrom::Start(offset)).map_err(at)?;
    let mut bytes = vec![0; wanted];
    file.read_exact(&mut bytes).map_err(at)?;
    Ok(bytes)
}

/// The file `location` of `folder`, which must lie in it, links followed.
fn inside(folder: &Path, location: &str) -> Result<PathBuf> {
    let outside = || {
        Error::input(format!(
            "external data: {} leads out of the model's folder; it is not read",
            shown(location)
        ))
    };
    let relative = Path::new(location);
    let plain = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    if location.is_empty() || !relative.components().all(plain) {
        return Err(outside());
    }
    let path = folder.join(relative);
    let real = path.canonicalize().map_err(|e| Error::read(&path, e))?;
    let home = folder.canonicalize().map_err(|e| Error::read(folder, e))?;
    if real.starts_with(&home) { Ok(real) } else { Err(outside()) }
}
