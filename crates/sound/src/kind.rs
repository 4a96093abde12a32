//! The kinds of sound files, recognized by their content.

use std::fmt;

/// Number of bytes from the beginning of a file that determine its kind.
pub const HEAD_BYTES: usize = 12;

/// A kind of sound files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoundKind {
    /// RIFF WAVE.
    Wav,
    /// Ogg, with Vorbis inside.
    Ogg,
    /// FLAC.
    Flac,
    /// MPEG-1, -2 or -2.5, layer III.
    Mp3,
}

impl SoundKind {
    /// Returns the kind of the file that begins with `head`.
    pub fn of(head: &[u8]) -> Option<SoundKind> {
        if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WAVE") {
            return Some(SoundKind::Wav);
        }
        match head {
            [b'O', b'g', b'g', b'S', ..] => Some(SoundKind::Ogg),
            [b'f', b'L', b'a', b'C', ..] => Some(SoundKind::Flac),
            // A tag, or the header of a frame.
            [b'I', b'D', b'3', ..] => Some(SoundKind::Mp3),
            [0xff, second, third, ..] if is_frame(*second, *third) => Some(SoundKind::Mp3),
            _ => None,
        }
    }
}

/// Whether these bytes follow 0xff in the header of a frame of layer III: a version, a bit rate and a sample rate that
/// exist.
fn is_frame(second: u8, third: u8) -> bool {
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    second >> 5 == 7 && version != 1 && layer == 1 && !matches!(third >> 4, 0 | 15) && third >> 2 & 3 != 3
}

impl fmt::Display for SoundKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SoundKind::Wav => "WAV",
            SoundKind::Ogg => "Ogg",
            SoundKind::Flac => "FLAC",
            SoundKind::Mp3 => "MP3",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_recognized_by_content() {
        for (head, kind) in [
            (&b"RIFF\x24\0\0\0WAVE"[..], Some(SoundKind::Wav)),
            (b"RIFF\x24\0\0\0WEBP", None),
            (b"OggS\0", Some(SoundKind::Ogg)),
            (b"fLaC\0", Some(SoundKind::Flac)),
            (b"ID3\x03", Some(SoundKind::Mp3)),
            (b"\xff\xfb\x90\x44", Some(SoundKind::Mp3)),
            (b"\xff\xd8\xff\xe0", None),
            (b"\xff\xfb\xf0\x44", None),
            (b"\xff\xfe\x41\x00", None),
            (b"", None),
            (b"\x89PNG", None),
        ] {
            assert_eq!(SoundKind::of(head), kind, "{head:?}");
        }
    }
}
