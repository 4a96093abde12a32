//! Decoding with the crate `symphonia`.

use std::io::Cursor;

use striate_tensor::{Error, Result};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoderOptions};
use symphonia::core::errors::Error as Cause;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::{HIGHEST_RATE, LONGEST_SECONDS, MOST_CHANNELS, mix};
use crate::kind::SoundKind;
use crate::{Sound, fault, ogg};

type Reader<'a> = Box<dyn FormatReader + 'a>;

/// Decodes `bytes`, which begin like a file of `kind`.
pub fn decode(bytes: &[u8], kind: SoundKind) -> Result<Sound> {
    let mut reader = open(bytes, kind)?;
    let track = track(&*reader)?;
    let (id, stated) = (track.id, track.num_frames);
    let (parameters, rate) = parameters(track)?;
    let codecs = symphonia::default::get_codecs();
    let decoder = codecs.make_audio_decoder(parameters, &AudioDecoderOptions::default());
    let mut decoder = decoder.map_err(|e| error(&e))?;
    let most = (rate * LONGEST_SECONDS) as usize;
    let (mut samples, mut frames) = (Vec::new(), Vec::new());
    let is_whole = loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break true,
            Err(Cause::IoError(e)) if e.kind() == std::io::ErrorKind::UnexpectedEof => break true,
            // Another stream follows in the same file; the first one is the sound.
            Err(Cause::ResetRequired) => break false,
            Err(e) => return Err(error(&e)),
        };
        if packet.track_id != id {
            continue;
        }
        let decoded = decoder.decode(&packet).map_err(|e| error(&e))?;
        let channels = decoded.spec().channels().count();
        if decoded.spec().rate() != rate || !(1..=MOST_CHANNELS).contains(&channels) {
            return Err(fault::damaged("its sample rate or number of channels changes"));
        }
        frames.resize(decoded.samples_interleaved(), 0.0f32);
        decoded.copy_to_slice_interleaved(&mut frames);
        mix(&frames, channels, &mut samples);
        if samples.len() >= most {
            samples.truncate(most);
            break false;
        }
    };
    let is_short = stated.is_some_and(|stated| (samples.len() as u64) < stated);
    if is_whole && (is_short || kind == SoundKind::Ogg && !ogg::is_complete(bytes)) {
        return Err(fault::truncated());
    }
    if samples.iter().any(|sample| !sample.is_finite()) {
        return Err(fault::damaged("it has samples that are not finite"));
    }
    Ok(Sound { sample_rate: rate, samples })
}

/// Returns the length in seconds that the headers of `bytes` state, if they do.
pub fn stated_seconds(bytes: &[u8], kind: SoundKind) -> Result<Option<f64>> {
    let reader = open(bytes, kind)?;
    let track = track(&*reader)?;
    let (_, rate) = parameters(track)?;
    Ok(track.num_frames.map(|frames| frames as f64 / f64::from(rate)))
}

fn open(bytes: &[u8], kind: SoundKind) -> Result<Reader<'_>> {
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let mut hint = Hint::new();
    hint.with_extension(match kind {
        SoundKind::Wav => "wav",
        SoundKind::Ogg => "ogg",
        SoundKind::Flac => "flac",
        SoundKind::Mp3 => "mp3",
    });
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    let opened = symphonia::default::get_probe().probe(&hint, source, format, metadata);
    opened.map_err(|e| match e {
        Cause::Unsupported(_) => fault::damaged(&format!("no {kind} stream found")),
        e => error(&e),
    })
}

/// The track that is decoded.
fn track<'a>(reader: &'a (dyn FormatReader + 'a)) -> Result<&'a Track> {
    reader.default_track(TrackType::Audio).ok_or_else(|| fault::unsupported("what the file contains"))
}

/// The parameters of the track's codec, and the sample rate.
fn parameters(track: &Track) -> Result<(&AudioCodecParameters, u32)> {
    let audio = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let audio = audio.ok_or_else(|| fault::unsupported("what the file contains"))?;
    match audio.sample_rate {
        Some(rate @ 1..=HIGHEST_RATE) => Ok((audio, rate)),
        Some(rate) => Err(fault::damaged(&format!("a sample rate of {rate} Hz"))),
        None => Err(fault::damaged("no sample rate")),
    }
}

fn error(cause: &Cause) -> Error {
    match cause {
        Cause::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => fault::truncated(),
        Cause::Unsupported(what) => fault::unsupported(what),
        cause => fault::damaged(&cause.to_string()),
    }
}
