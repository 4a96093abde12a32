//! PyTorch's `.pth` and `.pt` files: tensors in and out, and no code is ever run.
//!
//! Two forms are read: the zip archive of PyTorch 1.6 and later, and the older row of pickles with raw
//! storages behind them. A restricted unpickler builds plain data and tensors; whatever else a pickle asks
//! for is refused by name. Source: PyTorch, `torch/serialization.py`, `torch/_utils.py`.

mod archive;
mod legacy;
mod state_dict;
mod storage;
mod unpickler;
mod value;
mod write;

use std::path::Path;

use striate_tensor::{Error, Result};

pub use write::pytorch_bytes;

use crate::Weights;
use crate::file::read_limited;

/// What a `.pth` file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct StateDict {
    /// Its tensors as `f32`, in canonical order.
    pub weights: Weights,
    /// What was chosen or left aside, for a person to read; a line each.
    pub notes: Vec<String>,
}

/// Whether `bytes` begin as a `.pth` file of either form does.
pub(crate) fn is_pytorch(bytes: &[u8]) -> bool {
    // The length of a header of safetensors may look like the letters of a zip archive.
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

/// Reads the state dict in `bytes`: one that is the whole content, or lies in a checkpoint under a name
/// such as `state_dict` or `model`. Numbers of all types become `f32`.
///
/// # Errors
/// If they are no `.pth` file of tensors: damaged, of another byte order, in the tar form, with an object
/// that is no tensor and no plain data, or without tensors. Sizes are checked before memory is taken.
pub fn read_pytorch_bytes(bytes: &[u8]) -> Result<StateDict> {
    let (pickle, storages) = match bytes {
        _ if bytes.starts_with(b"PK") => archive::read(bytes)?,
        _ if legacy::is_tar(bytes) => {
            let what = "is in the tar form that PyTorch wrote before 0.2, which is not read; \
                        load it with PyTorch and save it again";
            return Err(Error::input(what));
        }
        _ if legacy::is_legacy(bytes) => legacy::read(bytes)?,
        _ => return Err(Error::input("is no PyTorch file: neither a zip archive nor PyTorch's pickle")),
    };
    state_dict::read(&pickle, &storages, bytes.len())
}
