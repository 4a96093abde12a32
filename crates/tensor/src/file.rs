//! Files that are opened, or read into memory whole, within limits.

use std::fs::{self, File};
use std::path::Path;

use crate::{Error, Result};

/// The length of the file at `path`, which must be one: a pipe would be waited for.
fn length(path: &Path) -> Result<u64> {
    let found = fs::metadata(path).map_err(|e| Error::read(path, e))?;
    if found.is_file() { Ok(found.len()) } else { Err(Error::read(path, "it is no file")) }
}

/// The file at `path`, opened for reading, and its length.
///
/// # Errors
/// If it is no file or cannot be read.
pub fn open(path: &Path) -> Result<(File, u64)> {
    let length = length(path)?;
    Ok((File::open(path).map_err(|e| Error::read(path, e))?, length))
}

/// The bytes of the file at `path`, at most `most` of them.
///
/// # Errors
/// If it is no file, cannot be read, or is larger.
pub fn read_limited(path: &Path, most: u64) -> Result<Vec<u8>> {
    let length = length(path)?;
    if length > most {
        return Err(Error::read(path, format!("it is too long ({length} bytes; at most {most} are read)")));
    }
    fs::read(path).map_err(|e| Error::read(path, e))
}

/// The text of the file at `path`, as [`read_limited`].
///
/// # Errors
/// As [`read_limited`], or if it is no UTF-8.
pub fn read_text_limited(path: &Path, most: u64) -> Result<String> {
    let text = String::from_utf8(read_limited(path, most)?);
    text.map_err(|_| Error::read(path, "it is no UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_or_no_file_is_refused() {
        let path = std::env::temp_dir().join(format!("striate-limited-{}", std::process::id()));
        fs::write(&path, [b'a', 0xff]).unwrap();
        assert_eq!(read_limited(&path, 2).unwrap(), [b'a', 0xff]);
        for (error, expected) in [
            (read_limited(&path, 1).unwrap_err(), "it is too long (2 bytes; at most 1 are read)"),
            (read_text_limited(&path, 2).unwrap_err(), "no UTF-8"),
            (read_limited(&std::env::temp_dir(), 9).unwrap_err(), "it is no file"),
        ] {
            assert!(error.is_input() && error.to_string().contains(expected), "{error}");
        }
        fs::remove_file(path).unwrap();
    }
}
