//! Reads a weights file into memory, within limits.

use std::path::Path;

use striate_tensor::{Error, Result};

/// Larger files are refused before they are read.
pub(crate) const LARGEST_FILE: u64 = 64 << 30;

/// Returns the bytes of the file at `path`.
///
/// # Errors
/// If it is not a file, cannot be read, is empty, or is larger than any model.
pub(crate) fn read_limited(path: &Path) -> Result<Vec<u8>> {
    let bytes = striate_tensor::file::read_limited(path, LARGEST_FILE)?;
    match bytes.is_empty() {
        true => Err(Error::input(format!("{}: is empty; write or download it again", path.display()))),
        false => Ok(bytes),
    }
}
