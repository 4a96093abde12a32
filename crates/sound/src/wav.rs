//! Decodes WAV files: RIFF WAVE with integers of 8 to 32 bits or floats. Microsoft, Multiple channel audio data and
//! WAVE files, 2007.

use striate_tensor::Result;

use crate::decode::{HIGHEST_RATE, LONGEST_SECONDS, MOST_CHANNELS, mix};
use crate::{Sound, fault};

/// Codes of formats in the chunk `fmt `.
const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xfffe;

/// The content of the chunk `fmt `.
struct Format {
    is_float: bool,
    channels: usize,
    rate: u32,
    /// Bytes of a sample.
    width: usize,
}

/// Decodes `bytes`, which begin like a WAV file.
pub(crate) fn decode(bytes: &[u8]) -> Result<Sound> {
    let (format, data) = parts(bytes)?;
    let Format { is_float, channels, rate, width } = format;
    let most = (rate * LONGEST_SECONDS) as usize;
    let frames = data.chunks_exact(width * channels).take(most);
    let mut samples = Vec::with_capacity(frames.len());
    let mut frame = vec![0.0; channels];
    for bytes in frames {
        let values = bytes.chunks_exact(width).map(|bytes| sample(bytes, is_float));
        frame.iter_mut().zip(values).for_each(|(to, value)| *to = value);
        mix(&frame, channels, &mut samples);
    }
    match samples.iter().all(|sample| sample.is_finite()) {
        true => Ok(Sound { sample_rate: rate, samples }),
        false => Err(fault::damaged("it has samples that are not finite")),
    }
}

/// Returns the length in seconds.
pub(crate) fn seconds(bytes: &[u8]) -> Result<f64> {
    let (format, data) = parts(bytes)?;
    let frames = data.len() / (format.width * format.channels);
    Ok(frames as f64 / f64::from(format.rate))
}

/// Finds format and samples among the chunks of a file.
fn parts(bytes: &[u8]) -> Result<(Format, &[u8])> {
    let mut rest = bytes.get(12..).ok_or_else(fault::truncated)?;
    let mut format = None;
    loop {
        let header = rest.first_chunk::<8>().ok_or_else(fault::truncated)?;
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        rest = &rest[8..];
        let chunk = rest.get(..length as usize);
        match (&header[..4], format) {
            (b"fmt ", _) => format = Some(read_format(chunk.ok_or_else(fault::truncated)?)?),
            (b"data", None) => return Err(fault::damaged("its samples come before their format")),
            // Programs that write to a pipe do not know the length.
            (b"data", Some(format)) if length == u32::MAX => return Ok((format, rest)),
            (b"data", Some(format)) => return Ok((format, chunk.ok_or_else(fault::truncated)?)),
            (_, before) => format = before,
        }
        // Chunks have an even length.
        let next = (length as usize).saturating_add(length as usize % 2);
        rest = rest.get(next..).ok_or_else(fault::truncated)?;
    }
}

fn read_format(chunk: &[u8]) -> Result<Format> {
    let word = |at: usize| chunk.get(at..at + 2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    let field = |at: usize| word(at).ok_or_else(|| fault::damaged("its format is too short"));
    let code = match field(0)? {
        // The beginning of the identifier of the actual format.
        EXTENSIBLE => field(24)?,
        code => code,
    };
    let (channels, align, bits) = (usize::from(field(2)?), usize::from(field(12)?), field(14)?);
    let rate = u32::from(field(4)?) | u32::from(field(6)?) << 16;
    let is_float = match (code, bits) {
        (PCM, 8 | 16 | 24 | 32) => false,
        (FLOAT, 32 | 64) => true,
        (PCM | FLOAT, bits) => return Err(fault::unsupported(&format!("WAV with samples of {bits} bits"))),
        (code, _) => return Err(fault::unsupported(&format!("WAV with the encoding {code:#06x}"))),
    };
    let width = usize::from(bits / 8);
    if !(1..=MOST_CHANNELS).contains(&channels) || align != channels * width {
        return Err(fault::damaged(&format!("{channels} channels of {width} bytes in blocks of {align}")));
    }
    match rate {
        1..=HIGHEST_RATE => Ok(Format { is_float, channels, rate, width }),
        rate => Err(fault::damaged(&format!("a sample rate of {rate} Hz"))),
    }
}

/// The value of a sample; integers are scaled to [−1, 1).
fn sample(bytes: &[u8], is_float: bool) -> f32 {
    match (bytes, is_float) {
        ([byte], _) => (f32::from(*byte) - 128.0) / 128.0,
        ([a, b], _) => f32::from(i16::from_le_bytes([*a, *b])) / 32_768.0,
        ([a, b, c], _) => (i32::from_le_bytes([0, *a, *b, *c]) >> 8) as f32 / 8_388_608.0,
        ([a, b, c, d], true) => f32::from_le_bytes([*a, *b, *c, *d]),
        ([a, b, c, d], false) => (f64::from(i32::from_le_bytes([*a, *b, *c, *d])) / 2_147_483_648.0) as f32,
        (bytes, _) => bytes.first_chunk().map_or(0.0, |bytes| f64::from_le_bytes(*bytes) as f32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one chunk before the format, and these samples.
    fn file(code: u16, channels: u16, bits: u16, data: &[u8]) -> Vec<u8> {
        let align = channels * bits / 8;
        let mut bytes = b"RIFF\0\0\0\0WAVEnote\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        for word in [code, channels, 8_000, 0, 0, 0, align, bits] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(b"data");
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn samples_of_every_width_are_scaled() {
        let double: Vec<u8> = [0.25f64, -0.5].iter().flat_map(|x| x.to_le_bytes()).collect();
        for (code, bits, data, expected) in [
            (PCM, 8, &[128, 0, 192][..], &[0.0, -1.0, 0.5][..]),
            (PCM, 16, &[0, 64, 0, 128], &[0.5, -1.0]),
            (PCM, 24, &[0, 0, 64, 0, 0, 128], &[0.5, -1.0]),
            (PCM, 32, &[0, 0, 0, 64, 0, 0, 0, 128], &[0.5, -1.0]),
            (FLOAT, 32, &[0, 0, 0, 63], &[0.5]),
            (FLOAT, 64, &double, &[0.25, -0.5]),
        ] {
            assert_eq!(decode(&file(code, 1, bits, data)).unwrap().samples, expected, "{code} {bits}");
        }
        assert_eq!(decode(&file(PCM, 2, 16, &[0, 64, 0, 0])).unwrap().samples, [0.25]);
        let mut piped = file(PCM, 1, 8, &[128, 192]);
        let at = piped.len() - 6;
        piped[at..at + 4].fill(0xff);
        assert_eq!(decode(&piped).unwrap().samples, [0.0, 0.5]);
    }

    #[test]
    fn impossible_formats_are_refused() {
        for (bytes, what) in [
            (file(PCM, 0, 16, &[]), "0 channels"),
            (file(PCM, 65, 16, &[]), "65 channels"),
            (file(PCM, 1, 12, &[]), "samples of 12 bits is not supported"),
            (file(FLOAT, 1, 16, &[]), "samples of 16 bits is not supported"),
            (file(0x11, 1, 4, &[]), "the encoding 0x0011 is not supported"),
            (file(FLOAT, 1, 32, &f32::NAN.to_le_bytes()), "not finite"),
            (b"RIFF\0\0\0\0WAVEdata\0\0\0\0".to_vec(), "before their format"),
            (b"RIFF\0\0\0\0WAVE".to_vec(), "truncated"),
        ] {
            let error = decode(&bytes).unwrap_err();
            assert!(error.is_input() && error.to_string().contains(what), "{error}");
        }
    }
}
