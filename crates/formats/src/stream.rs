//! Reads a safetensors file of 32-bit floats tensor by tensor, so that there is only one copy of its numbers in memory.
//! Threads read ahead, while the calling thread computes the checksum.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};

use sha2::{Digest, Sha256};
use striate_tensor::file::Parts;
use striate_tensor::{Error, Result, Shape, zeroed};

use crate::Weights;
use crate::dtype::DType;
use crate::file::LARGEST_FILE;
use crate::header::{Header, Info, LARGEST_HEADER, dtype_of};
use crate::kind::{self, Kind};
use crate::model::{Evaluation, ModelFile, is_golden, stated_evaluation};
use crate::safetensors::Metadata;
use crate::weights::{hexadecimal, is_hashed, little_endian};

/// The content of a file.
pub(crate) struct Streamed {
    pub weights: Weights,
    pub metadata: Metadata,
    pub sums: Sums,
}

/// What was computed of the weights of a model file while they were read, which excludes its golden pair.
pub(crate) struct Sums {
    /// [`crate::weights_sha256`].
    pub sha256: String,
    /// Whether they are all finite.
    pub are_finite: bool,
}

/// Reads the file at `path`; `None` if it is of another kind, contains other types, or has a defect. It is then to be
/// read in one piece, which reports the defect.
///
/// # Errors
/// If it cannot be read, or there is not enough memory.
pub(crate) fn read(path: &Path) -> Result<Option<Streamed>> {
    let file = Parts::open(path)?;
    let Some((header, start)) = regular_header(&file)? else { return Ok(None) };
    let are_summed = header.metadata.contains_key(MODEL);
    read_streamed(path, &file, header, start, are_summed).map(Some)
}

/// Reads the tensors called `names` from the model file at `path`, without its checksum, which was checked when it was
/// opened; `None` if it is not a model file, contains other types, or lacks one of them.
///
/// # Errors
/// If it cannot be read, or there is not enough memory.
pub fn read_tensors(path: &Path, names: &[&str]) -> Result<Option<Weights>> {
    let file = Parts::open(path)?;
    let Some((mut header, start)) = regular_header(&file)? else { return Ok(None) };
    let wanted: HashSet<&str> = names.iter().copied().collect();
    header.tensors.retain(|(name, _)| wanted.contains(name.as_str()));
    if !header.metadata.contains_key(MODEL) || header.tensors.len() != wanted.len() {
        return Ok(None);
    }
    Ok(Some(read_streamed(path, &file, header, start, false)?.weights))
}

/// Returns the figures that the model file at `path` states, without reading its tensors and its checksum.
///
/// # Errors
/// If it is not a model file, or has a defect.
pub fn read_evaluation(path: &Path) -> Result<Option<Evaluation>> {
    let metadata = regular_header(&Parts::open(path)?)?.map(|(header, _)| header.metadata);
    match metadata.filter(|metadata| metadata.contains_key(MODEL)) {
        Some(metadata) => stated_evaluation(&metadata).map_err(|e| e.at(path.display())),
        None => Ok(ModelFile::load(path)?.evaluation),
    }
}

/// The key of the metadata that all model files have.
const MODEL: &str = "striate";

/// Reads the tensors of `header`, which lie behind `start`, and sums them up if they `are_summed`.
fn read_streamed(
    path: &Path,
    file: &Parts,
    header: Header,
    start: u64,
    are_summed: bool,
) -> Result<Streamed> {
    let Header { metadata, mut tensors } = header;
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let readers = (threads - 1).clamp(1, MOST_READERS);
    let (next, (sender, receiver)) = (AtomicUsize::new(0), channel());
    let read = std::thread::scope(|scope| {
        for _ in 0..readers {
            let (tensors, next, sender) = (&tensors[..], &next, sender.clone());
            scope.spawn(move || read_ahead(file, start, tensors, next, &sender));
        }
        drop(sender);
        let read = collect(&receiver, &tensors, are_summed);
        // After an error, the readers stop.
        next.store(tensors.len(), Relaxed);
        read
    });
    let (values, sums) = read.map_err(|e| e.at(path.display()))?;
    let weights = tensors.into_iter().zip(values);
    let weights = weights.map(|((name, info), values)| (name, (Shape::new(info.shape), values))).collect();
    Ok(Streamed { weights, metadata, sums })
}

/// More readers than this do not help a single checksum.
const MOST_READERS: usize = 3;

/// Returns the header and where the data start, if the header is valid and all tensors are floats without gaps.
fn regular_header(file: &Parts) -> Result<Option<(Header, u64)>> {
    let mut start = [0; 9];
    if cfg!(target_endian = "big") || !(start.len() as u64..=LARGEST_FILE).contains(&file.length()) {
        return Ok(None);
    }
    file.read(0, &mut start)?;
    let length = u64::from_le_bytes(start[..8].try_into().expect("8 bytes"));
    let most = (LARGEST_HEADER as u64).min(file.length() - 8);
    if kind::of(&start, "") != Kind::Safetensors || length > most {
        return Ok(None);
    }
    let mut text: Vec<u8> = zeroed(length as usize)?;
    file.read(8, &mut text)?;
    let data = file.length() - 8 - length;
    let Some(header) = usize::try_from(data).ok().and_then(|data| Header::parse(&text, data).ok()) else {
        return Ok(None);
    };
    let mut ranges: Vec<(usize, usize)> = header.tensors.iter().map(|(_, info)| info.data_offsets).collect();
    ranges.sort_unstable();
    let end = ranges.iter().try_fold(0, |end, range| (range.0 == end).then_some(range.1));
    let are_floats = header.tensors.iter().all(|(_, info)| dtype_of(&info.dtype) == Some(DType::F32));
    Ok((are_floats && end.map(|end| end as u64) == Some(data)).then_some((header, 8 + length)))
}

/// Numbers that are read at a time, so that they are in the cache when they are examined.
const PIECE: usize = 32 << 10;

/// Whether all `values` are finite. Does not stop at the first one that is not, so that it takes several at a time.
fn all_finite(values: &[f32]) -> bool {
    values.iter().fold(true, |all, x| all & x.is_finite())
}

/// A tensor that was read: its position, and its values with whether they are finite.
type Tensor = (usize, Result<(Vec<f32>, bool)>);

/// Reads tensors in order, starting with `next`, until none is left. The tensor data begin at offset `start`.
fn read_ahead(
    file: &Parts,
    start: u64,
    tensors: &[(String, Info)],
    next: &AtomicUsize,
    sender: &Sender<Tensor>,
) {
    while let index = next.fetch_add(1, Relaxed)
        && let Some((name, info)) = tensors.get(index)
    {
        let (begin, end) = info.data_offsets;
        let read = || {
            let mut values: Vec<f32> = zeroed((end - begin) / size_of::<f32>())?;
            let (mut at, mut are_finite) = (start + begin as u64, true);
            for piece in values.chunks_mut(PIECE) {
                file.read(at, bytemuck::cast_slice_mut(piece))?;
                at += size_of_val(piece) as u64;
                are_finite &= all_finite(piece);
            }
            Ok((values, are_finite))
        };
        // Nobody receives after an error.
        if sender.send((index, read().map_err(|e: Error| e.at(format!("tensor {name}"))))).is_err() {
            return;
        }
    }
}

/// Receives the values of all `tensors` and sums them up in order, if they `are_summed`.
fn collect(
    receiver: &Receiver<Tensor>,
    tensors: &[(String, Info)],
    are_summed: bool,
) -> Result<(Vec<Vec<f32>>, Sums)> {
    let mut arrived: Vec<Option<Vec<f32>>> = tensors.iter().map(|_| None).collect();
    let (mut hash, mut hashed, mut all_finite) = (Sha256::new(), 0, true);
    for (index, read) in receiver {
        let (values, are_finite) = read?;
        all_finite &= are_finite || is_golden(&tensors[index].0);
        arrived[index] = Some(values);
        while let Some(Some(values)) = arrived.get(hashed) {
            let name = &tensors[hashed].0;
            if are_summed && is_hashed(name) && !is_golden(name) {
                hash.update(little_endian(values));
            }
            hashed += 1;
        }
    }
    let values = arrived.into_iter().map(|values| values.expect("each tensor was read")).collect();
    Ok((values, Sums { sha256: hexadecimal(&hash.finalize()), are_finite: all_finite }))
}
