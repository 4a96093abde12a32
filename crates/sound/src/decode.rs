//! Decodes sound files to samples of one channel.

#[cfg(feature = "codecs")]
mod symphonia;

use striate_tensor::{Error, Result};

use crate::kind::SoundKind;
use crate::{Sound, fault, wav};

/// Only so much of a sound is decoded, in seconds, which bounds memory and time for any file.
pub const LONGEST_SECONDS: u32 = 60;
/// Highest sample rate that is accepted, in Hz.
pub(crate) const HIGHEST_RATE: u32 = 384_000;
/// Largest number of channels that is accepted.
pub(crate) const MOST_CHANNELS: usize = 64;

/// Decodes a WAV, Ogg Vorbis, FLAC or MP3 file, of which the channels are averaged. Only the first
/// [`LONGEST_SECONDS`] are decoded.
///
/// # Errors
/// If it is not an intact file of these kinds, or needs the feature `codecs`, which is off; the error does not name the
/// file.
pub fn decode(bytes: &[u8]) -> Result<Sound> {
    let sound = match known(bytes)? {
        SoundKind::Wav => wav::decode(bytes),
        kind => compressed(bytes, kind),
    }?;
    match sound.samples.is_empty() {
        true => Err(fault::damaged("it has no samples")),
        false => Ok(sound),
    }
}

/// Returns the length of a sound file in seconds, as its headers state it, or as it is found by decoding.
///
/// # Errors
/// As [`decode`].
pub fn duration(bytes: &[u8]) -> Result<f64> {
    let stated = match known(bytes)? {
        SoundKind::Wav => Some(wav::seconds(bytes)?),
        kind => compressed_seconds(bytes, kind)?,
    };
    stated.map_or_else(|| Ok(decode(bytes)?.seconds()), Ok)
}

/// The kind of the file with this content.
fn known(bytes: &[u8]) -> Result<SoundKind> {
    if bytes.is_empty() {
        return Err(Error::input("the file is empty"));
    }
    SoundKind::of(bytes).ok_or_else(|| Error::input("not a sound in WAV, Ogg, FLAC or MP3 format"))
}

#[cfg(feature = "codecs")]
use self::symphonia::{decode as compressed, stated_seconds as compressed_seconds};

#[cfg(not(feature = "codecs"))]
fn compressed(_: &[u8], kind: SoundKind) -> Result<Sound> {
    Err(without_codecs(kind))
}

#[cfg(not(feature = "codecs"))]
fn compressed_seconds(_: &[u8], kind: SoundKind) -> Result<Option<f64>> {
    Err(without_codecs(kind))
}

#[cfg(not(feature = "codecs"))]
fn without_codecs(kind: SoundKind) -> Error {
    Error::input(format!(
        "{kind} files need the feature `codecs` of striate-sound, which is off in this build"
    ))
}

/// Appends the means of the channels of interleaved `frames`.
pub(crate) fn mix(frames: &[f32], channels: usize, to: &mut Vec<f32>) {
    match channels {
        1 => to.extend_from_slice(frames),
        _ => {
            to.extend(frames.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32))
        }
    }
}
