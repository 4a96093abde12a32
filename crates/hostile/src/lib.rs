//! For tests only: the readers of files as targets, and crafted files to test them with.
//!
//! The fuzzer in `fuzz/` runs a [`Target`] on random files; the tests of this crate run it on those of [`cases()`].

#![forbid(unsafe_code)]

mod cases;
mod read;

pub use cases::{Case, cases};

use striate_tensor::Error;

/// A reader under test.
#[derive(Clone, Copy)]
pub struct Target {
    /// Name, also that of the fuzzing target.
    pub name: &'static str,
    read: fn(&[u8]) -> striate_tensor::Result<()>,
}

/// All targets.
pub const TARGETS: [Target; 12] = [
    Target { name: "safetensors", read: read::safetensors },
    Target { name: "pth", read: read::pth },
    Target { name: "onnx", read: read::onnx },
    Target { name: "caffemodel", read: read::caffemodel },
    Target { name: "idx", read: read::idx },
    Target { name: "npy", read: read::npy },
    Target { name: "image", read: read::image },
    Target { name: "sound", read: read::sound },
    Target { name: "text", read: read::texts },
    Target { name: "recipe", read: read::recipe },
    Target { name: "network", read: read::network },
    Target { name: "model", read: read::model },
];

/// Largest number of characters in an error message.
const MAX_MESSAGE: usize = 2000;

impl Target {
    /// Returns the target called `name`.
    ///
    /// # Panics
    /// If no target has this name.
    pub fn find(name: &str) -> Target {
        *TARGETS.iter().find(|target| target.name == name).expect("the target is in the list")
    }

    /// Reads `bytes`; returns `None` if they are accepted, or else the error message.
    ///
    /// # Panics
    /// If the reader panics, allocates too much memory, or accepts a file that cannot be used; also if its error is not
    /// an input error of one line without control characters.
    pub fn refusal(&self, bytes: &[u8]) -> Option<String> {
        let error: Error = (self.read)(bytes).err()?;
        let line = error.to_string();
        assert!(error.is_input(), "{}: not reported as an input error: {line}", self.name);
        assert!(!line.chars().any(char::is_control), "{}: contains control characters: {line:?}", self.name);
        assert!(line.chars().count() <= MAX_MESSAGE, "{}: too long: {line}", self.name);
        Some(line)
    }
}
