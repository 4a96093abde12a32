//! The encoding of what is not an image as the input of a network: plain data, which model files store.

mod sound;
mod text;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Result;

pub use self::sound::{LogMel, SoundEncoding, SoundForm};
pub use self::text::{MOST_CHARACTERS, TextEncoding};

/// How a sample that is not an image becomes the input of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Encoding {
    /// A sound, which `striate-sound` encodes.
    Sound(SoundEncoding),
    /// A text, which `striate-text` encodes.
    Text(TextEncoding),
}

impl Encoding {
    /// Checks that the encoding can be applied.
    ///
    /// # Errors
    /// If a number is out of range.
    pub fn check(&self) -> Result<()> {
        match self {
            Encoding::Sound(sound) => sound.check(),
            Encoding::Text(text) => text.check(),
        }
    }

    /// Returns the shape `[C, H, W]` of every result; H is 1 for what has one axis besides the channels.
    pub fn output_shape(&self) -> [usize; 3] {
        match self {
            Encoding::Sound(sound) => sound.output_shape(),
            Encoding::Text(text) => text.output_shape(),
        }
    }

    /// Returns what is encoded, in the singular: `sound`, `text`.
    pub fn sample(&self) -> &'static str {
        match self {
            Encoding::Sound(_) => "sound",
            Encoding::Text(_) => "text",
        }
    }
}

/// One line.
impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Encoding::Sound(sound) => sound.fmt(f),
            Encoding::Text(text) => text.fmt(f),
        }
    }
}
