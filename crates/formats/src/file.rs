//! Reading a file of weights into memory, within limits.

use std::fs;
use std::path::Path;

use striate_tensor::{Error, Result};

/// Files above this size are refused before they are read.
const LARGEST_FILE: u64 = 64 << 30;

/// The bytes of the file at `path`.
///
/// # Errors
/// If it is no file, cannot be read, or is larger than any model.
pub(crate) fn read_limited(path: &Path) -> Result<Vec<u8>> {
    let found = fs::metadata(path).map_err(|e| Error::read(path, e))?;
    if !found.is_file() {
        return Err(Error::read(path, "it is no file"));
    }
    let length = found.len();
    if length > LARGEST_FILE {
        return Err(Error::input(format!("{}: {length} bytes are too many for a model", path.display())));
    }
    fs::read(path).map_err(|e| Error::read(path, e))
}
