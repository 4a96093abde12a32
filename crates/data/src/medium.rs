//! What the files of a data set contain: images, sounds or texts.

use std::io::Read;
use std::path::Path;

use striate_sound::SoundKind;
use striate_tensor::encoding::Encoding;
use striate_tensor::file::open;
use striate_vision::{HEAD_BYTES, ImageKind};

use crate::Spec;
use crate::folder::{ENDINGS, ending};

/// Extensions of sounds: files with these are treated as sounds regardless of their content.
const SOUND_ENDINGS: [&str; 13] =
    ["wav", "wave", "ogg", "oga", "flac", "mp3", "opus", "m4a", "aac", "aif", "aiff", "wma", "amr"];

/// The extension of text files, which have no other sign.
const TEXT_ENDING: &str = "txt";

/// What the files of a data set contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// Images.
    Image,
    /// Sounds.
    Sound,
    /// Texts.
    Text,
}

impl Medium {
    /// Returns what the data set `spec` contains, as far as its form tells: images unless it is one of sounds or texts.
    pub fn of(spec: &str) -> Medium {
        Spec::parse(spec).ok().and_then(|spec| spec.medium()).unwrap_or(Medium::Image)
    }

    /// Returns what a model with this encoding takes: images without one.
    pub fn of_encoding(encoding: Option<&Encoding>) -> Medium {
        match encoding {
            None => Medium::Image,
            Some(Encoding::Sound(_)) => Medium::Sound,
            Some(Encoding::Text(_)) => Medium::Text,
        }
    }

    /// Returns the name of one of them: `image`, `sound`, `text`. The plural adds an s.
    pub fn name(self) -> &'static str {
        match self {
            Medium::Image => "image",
            Medium::Sound => "sound",
            Medium::Text => "text",
        }
    }

    /// Returns the form of a data set of this medium, such as `audio:FOLDER`.
    pub fn form(self) -> &'static str {
        match self {
            Medium::Image => "FOLDER",
            Medium::Sound => "audio:FOLDER",
            Medium::Text => "text:FILE",
        }
    }

    /// Returns whether a file has the content or the extension of such a medium.
    pub fn is_in(self, path: &Path) -> bool {
        let endings = match self {
            Medium::Image => &ENDINGS[..],
            Medium::Sound => &SOUND_ENDINGS,
            Medium::Text => &[TEXT_ENDING],
        };
        if ending(path).is_some_and(|ending| endings.contains(&ending.as_str())) {
            return true;
        }
        let Ok((file, _)) = open(path) else { return false };
        let most = HEAD_BYTES.max(striate_sound::HEAD_BYTES);
        let mut head = Vec::with_capacity(most);
        let is_read = file.take(most as u64).read_to_end(&mut head).is_ok();
        is_read
            && match self {
                Medium::Image => ImageKind::of(&head).is_some(),
                Medium::Sound => SoundKind::of(&head).is_some(),
                Medium::Text => false,
            }
    }
}
