//! Where an encoded sample lies: in a file of its own, or in a part of a file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use striate_tensor::file::{Parts, read_limited};
use striate_tensor::{Error, Result, zeroed};
use striate_vision::{Image, decode_limited};

/// The largest encoded image in bytes.
pub(crate) const MOST_BYTES: u64 = 256 << 20;

/// Where an encoded image lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageFile {
    /// A file of its own.
    File(PathBuf),
    /// A part of a file: a member of a shard, which is a tar archive, or a line of texts.
    Member {
        /// The file.
        file: Arc<Path>,
        /// The name of the member, or the number of the line.
        name: Arc<str>,
        /// Where its content starts in the file, in bytes.
        start: u64,
        /// The length of its content in bytes.
        length: u64,
    },
}

impl ImageFile {
    /// Reads the encoded image.
    ///
    /// # Errors
    /// If it cannot be read, or is larger than 256 MiB.
    pub fn read(&self) -> Result<Vec<u8>> {
        match self {
            ImageFile::File(path) => read_limited(path, MOST_BYTES),
            ImageFile::Member { length, .. } if *length > MOST_BYTES => {
                Err(Error::input(format!("has {length} bytes; the limit is {MOST_BYTES}")))
            }
            ImageFile::Member { file, start, length, .. } => {
                let mut bytes = zeroed(*length as usize)?;
                Parts::open(file)?.read(*start, &mut bytes)?;
                Ok(bytes)
            }
        }
    }

    /// The length of a member in bytes; `None` for a file.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            ImageFile::File(_) => None,
            ImageFile::Member { length, .. } => Some(*length),
        }
    }

    /// Decodes the image, of at most `max_pixels` pixels.
    ///
    /// # Errors
    /// As [`ImageFile::read`], or if it is not an intact image; the error does not name it.
    pub fn decode(&self, max_pixels: u64) -> Result<Image> {
        decode_limited(&self.read()?, max_pixels)
    }
}

/// Writes the path of a file, and the name of a member after the path of its file.
impl fmt::Display for ImageFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageFile::File(path) => write!(f, "{}", path.display()),
            ImageFile::Member { file, name, .. } => write!(f, "{}:{name}", file.display()),
        }
    }
}
