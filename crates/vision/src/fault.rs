//! Why an image cannot be decoded.

use striate_tensor::Error;

/// The kinds of reasons why an image cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// The file is empty.
    Empty,
    /// The content is not that of any known kind of image.
    Unknown,
    /// The kind of image, or this variant of it, is not supported.
    Unsupported,
    /// The data ends too early.
    Truncated,
    /// The data is invalid.
    Damaged,
    /// The image has too many pixels, or decoding it would take too much memory.
    TooLarge,
}

/// The reason why an image cannot be decoded.
#[derive(Debug, Clone)]
pub struct Fault {
    /// What kind of reason it is.
    pub kind: FaultKind,
    /// The message, which also says what to do.
    pub error: Error,
}

impl Fault {
    /// Creates a fault with a message.
    pub(crate) fn new(kind: FaultKind, message: impl Into<String>) -> Fault {
        Fault { kind, error: Error::input(message) }
    }

    /// Creates a fault of a file whose content is invalid.
    pub(crate) fn damaged(cause: &str) -> Fault {
        Fault::new(FaultKind::Damaged, format!("damaged image ({cause}); copy or export it again"))
    }

    /// Creates a fault of a file that ends too early.
    pub(crate) fn truncated() -> Fault {
        Fault { kind: FaultKind::Truncated, ..Fault::damaged("truncated") }
    }
}
