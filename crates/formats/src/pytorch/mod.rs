//! PyTorch's `.pth` and `.pt` files: reads and writes tensors, and never executes code.
//!
//! Two formats are supported: the zip archive of PyTorch 1.6 and later, and the older sequence of pickles followed by
//! raw storages. A restricted unpickler builds plain data and tensors; everything else in a pickle becomes an
//! opaque object. Of its dictionaries of tensors, which are state dicts or whole modules, one is chosen ([`choice`]).
//! Source: PyTorch, `torch/serialization.py`, `torch/_utils.py`.

mod archive;
mod calls;
mod choice;
mod dictionaries;
mod legacy;
mod state_dict;
mod storage;
mod unpickler;
mod value;
mod write;

use std::path::Path;

use striate_tensor::{Error, Result};

pub use write::pytorch_bytes;

use striate_graph::Network;

use crate::file::read_limited;
use crate::fit::listed;
use crate::{ReadOptions, Weights};

/// The content of a `.pth` file.
#[derive(Debug, Clone, PartialEq)]
pub struct StateDict {
    /// Its tensors as `f32`, in canonical order.
    pub weights: Weights,
    /// Notes for the user on what was chosen or skipped, one line each.
    pub notes: Vec<String>,
}

/// Whether `bytes` start like a `.pth` file of either format.
pub(crate) fn is_pytorch(bytes: &[u8]) -> bool {
    // The length of a safetensors header may look like the letters of a zip archive.
    let is_safetensors = bytes.get(4..9) == Some(b"\0\0\0\0{");
    !is_safetensors && (bytes.starts_with(b"PK") || legacy::is_legacy(bytes) || legacy::is_tar(bytes))
}

/// Reads the file at `path`, as [`read_pytorch_bytes`].
///
/// # Errors
/// As [`read_pytorch_bytes`], or if the file cannot be read.
pub fn read_pytorch(path: &Path) -> Result<StateDict> {
    read_pytorch_bytes(&read_limited(path)?).map_err(|e| e.at(path.display()))
}

/// Reads the state dict in `bytes` with default options; see [`read_pytorch_bytes_with`].
///
/// # Errors
/// As [`read_pytorch_bytes_with`].
pub fn read_pytorch_bytes(bytes: &[u8]) -> Result<StateDict> {
    read_pytorch_bytes_with(bytes, &ReadOptions::default())
}

/// Reads the state dict in `bytes`: the whole content, the state of a module, or the largest dictionary of tensors
/// anywhere in it; [`ReadOptions::key`] selects another. All numeric types are converted to `f32`.
///
/// # Errors
/// If they are not a `.pth` file of tensors: damaged, big-endian, in the tar form, a TorchScript program, or without
/// tensors (under the key). Sizes are checked before memory is allocated.
pub fn read_pytorch_bytes_with(bytes: &[u8], options: &ReadOptions) -> Result<StateDict> {
    Ok(read_for(bytes, options, None)?.0)
}

/// Reads the dictionary of tensors in `bytes` that fits `network` best, or the best one without a network; also returns
/// whether there are others.
pub(crate) fn read_for(
    bytes: &[u8],
    options: &ReadOptions,
    network: Option<&Network>,
) -> Result<(StateDict, bool)> {
    let (pickle, storages) = match bytes {
        _ if bytes.starts_with(b"PK") => archive::read(bytes)?,
        _ if legacy::is_tar(bytes) => {
            let what = "is in the tar form that PyTorch wrote before 0.2, which is not supported; \
                        load it with PyTorch and save it again";
            return Err(Error::input(what));
        }
        _ if legacy::is_legacy(bytes) => legacy::read(bytes)?,
        _ => return Err(Error::input("is not a PyTorch file: neither a zip archive nor PyTorch's pickle")),
    };
    let choice = choice::choose(&pickle, options.key.as_deref(), network)?;
    let mut read = state_dict::read(&pickle, choice.entries, &storages, bytes.len())?;
    read.notes.splice(0..0, choice.notes);
    if !pickle.unknown.is_empty() {
        read.notes
            .push(format!("its pickle refers to code, which is never executed: {}", listed(&pickle.unknown)));
    }
    Ok((read, choice.is_open))
}
