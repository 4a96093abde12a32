//! An ONNX tensor's elements, from the file or from a file beside it.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use half::{bf16, f16};
use striate_tensor::file::open;
use striate_tensor::{Error, Result};

use super::budget::Budget;
use super::constant::{Constant, count};
use super::proto::Tensor;
use crate::message::shown;

/// Extents beyond this are a mistake, not a tensor.
const LARGEST_EXTENT: i64 = 1 << 31;
/// Axes beyond this are a mistake.
pub(super) const MOST_AXES: usize = 8;

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

/// The elements of `tensor`, which are taken from `budget`; those that lie outside the file are looked for in
/// `beside`.
pub(super) fn read(tensor: &Tensor, beside: Option<&mut Beside>, budget: &mut Budget) -> Result<Constant> {
    inner(tensor, beside, budget).map_err(|e| e.at(format!("tensor {}", shown(tensor.name))))
}

fn inner(tensor: &Tensor, beside: Option<&mut Beside>, budget: &mut Budget) -> Result<Constant> {
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
    let mut spend = || match kind {
        Kind::Int(..) => budget.ints(total),
        _ => budget.floats(total),
    };
    if tensor.is_external {
        let bytes = total.checked_mul(kind.size());
        let bytes = bytes.ok_or_else(|| Error::input(format!("shape {shape:?} is absurdly large")))?;
        let beside = beside.ok_or_else(|| Error::input("external data: there is no folder to look into"))?;
        return Ok(decode(kind, shape, &beside.read(tensor, bytes, spend)?));
    }
    if let Some(raw) = tensor.raw {
        if total.checked_mul(kind.size()) != Some(raw.len()) {
            return Err(Error::input(format!("{} bytes for shape {shape:?}", raw.len())));
        }
        spend()?;
        return Ok(decode(kind, shape, raw));
    }
    let stored = if matches!(kind, Kind::F32 | Kind::F64) { tensor.floats.len() } else { tensor.ints.len() };
    if stored != total {
        let given = tensor.floats.len() + tensor.ints.len();
        return Err(Error::input(format!("{given} elements for shape {shape:?}")));
    }
    spend()?;
    // Halves stand as integers of 16 bits.
    let bits = tensor.ints.iter().map(|value| *value as u16);
    Ok(match kind {
        Kind::F32 | Kind::F64 => Constant::floats(shape, tensor.floats.clone()),
        Kind::F16 => Constant::floats(shape, bits.map(|bits| f16::from_bits(bits).to_f32()).collect()),
        Kind::Bf16 => Constant::floats(shape, bits.map(|bits| bf16::from_bits(bits).to_f32()).collect()),
        Kind::Int(..) => Constant::fixed(shape, tensor.ints.clone()),
    })
}

/// The elements in `raw`, which has the bytes of `shape`.
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

/// The files of a model's folder, in which tensors lie.
pub(super) struct Beside<'a> {
    folder: &'a Path,
    /// What was read of each file: the end of every range by its start.
    ranges: HashMap<PathBuf, BTreeMap<u64, u64>>,
}

impl<'a> Beside<'a> {
    pub fn new(folder: &'a Path) -> Beside<'a> {
        Beside { folder, ranges: HashMap::new() }
    }

    /// The `wanted` bytes of `tensor`; `spend` may refuse them once they are found.
    fn read(
        &mut self,
        tensor: &Tensor,
        wanted: usize,
        mut spend: impl FnMut() -> Result<()>,
    ) -> Result<Vec<u8>> {
        let entry =
            |key: &str| tensor.external.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        let number = |key: &str| -> Result<Option<u64>> {
            let refuse =
                |text: &str| Error::input(format!("external data: {key} {} is no number", shown(text)));
            entry(key).map(|text| text.parse().map_err(|_| refuse(text))).transpose()
        };
        let location =
            entry("location").ok_or_else(|| Error::input("external data: no location is given"))?;
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        if length.is_some_and(|length| length != wanted as u64) {
            return Err(Error::input(format!("external data: {} bytes for {wanted}", length.unwrap_or(0))));
        }
        let path = inside(self.folder, location)?;
        let at = |e: std::io::Error| Error::read(&path, e);
        let (mut file, found) = open(&path)?;
        let end = offset.checked_add(wanted as u64).filter(|end| *end <= found).ok_or_else(|| {
            Error::input(format!(
                "external data: {wanted} bytes from {offset} on reach past the end of {} ({found} bytes)",
                path.display(),
            ))
        })?;
        spend()?;
        file.seek(SeekFrom::Start(offset)).map_err(at)?;
        let mut bytes = vec![0; wanted];
        file.read_exact(&mut bytes).map_err(at)?;
        self.take(path, offset, end)?;
        Ok(bytes)
    }

    /// Notes that a tensor lies in `path` from `start` to before `end`, where no other may lie.
    fn take(&mut self, path: PathBuf, start: u64, end: u64) -> Result<()> {
        let ranges = self.ranges.entry(path).or_default();
        if start < end {
            let before = ranges.range(..end).next_back();
            if let Some((other, _)) = before.filter(|(_, other_end)| **other_end > start) {
                return Err(Error::input(format!(
                    "external data: bytes {start} to {end} overlap those from {other} on, which another tensor has; export it with each tensor's bytes of their own"
                )));
            }
            ranges.insert(start, end);
        }
        Ok(())
    }
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
