//! Reads a weights file into memory, within limits.

use std::path::Path;

use striate_tensor::Result;

/// Larger files are refused before they are read.
const LARGEST_FILE: u64 = 64 << 30;

/// Returns the bytes of the file at `path`.
///
/// # Errors
/// If it is not a file, cannot be read, or is larger than any model.
pub(crate) fn read_limited(path: &Path) -> Result<Vec<u8>> {
    striate_tensor::file::read_limited(path, LARGEST_FILE)
}
