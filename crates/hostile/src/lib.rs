//! For tests only: every reader of files, and crafted files against it.
//!
//! A [`Target`] is what the fuzzer in `fuzz/` runs; the tests here run the same with the files of
//! [`cases()`].

#![forbid(unsafe_code)]

mod cases;
mod read;

pub use cases::{Case, cases};

use striate_tensor::Error;

/// A reader of files.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, that of the fuzzer's target too.
    pub name: &'static str,
    read: fn(&[u8]) -> striate_tensor::Result<()>,
}

/// All of them.
pub const TARGETS: [Target; 8] = [
    Target { name: "safetensors", read: read::safetensors },
    Target { name: "pth", read: read::pth },
    Target { name: "onnx", read: read::onnx },
    Target { name: "caffemodel", read: read::caffemodel },
    Target { name: "idx", read: read::idx },
    Target { name: "recipe", read: read::recipe },
    Target { name: "network", read: read::network },
    Target { name: "model", read: read::model },
];

/// Characters of an error's line at most.
const LONGEST_LINE: usize = 2000;

impl Target {
    /// The target called `name`.
    ///
    /// # Panics
    /// If there is none.
    pub fn find(name: &str) -> Target {
        *TARGETS.iter().find(|target| target.name == name).expect("the target is in the list")
    }

    /// Reads `bytes`; `None` if they are accepted, else the line that refuses them.
    ///
    /// # Panics
    /// If the reader does what no reader may: it panics, holds too much memory, or accepts what does not stand
    /// up to use; also if its error is not one line of input that a terminal can show.
    pub fn refusal(&self, bytes: &[u8]) -> Option<String> {
        let error: Error = (self.read)(bytes).err()?;
        let line = error.to_string();
        assert!(error.is_input(), "{}: not called an error of the input: {line}", self.name);
        assert!(!line.chars().any(char::is_control), "{}: not one plain line: {line:?}", self.name);
        assert!(line.chars().count() <= LONGEST_LINE, "{}: too long: {line}", self.name);
        Some(line)
    }
}
