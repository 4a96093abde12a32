//! Why a sound cannot be decoded.

use striate_tensor::Error;

/// The error of a file whose content is invalid.
pub(crate) fn damaged(cause: &str) -> Error {
    Error::input(format!("damaged sound ({cause}); copy or export it again"))
}

/// The error of a file that ends too early.
pub(crate) fn truncated() -> Error {
    damaged("truncated")
}

/// The error of a file whose content cannot be decoded here.
pub(crate) fn unsupported(what: &str) -> Error {
    Error::input(format!("{what} is not supported; convert it to WAV, Ogg Vorbis, FLAC or MP3"))
}
