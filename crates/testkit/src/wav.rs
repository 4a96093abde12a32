//! Writes WAV files for tests of sounds.

/// Returns a WAV file of interleaved 16-bit `samples`.
pub fn wav(rate: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
    let length = 2 * samples.len() as u32;
    let align = 2 * channels;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + length).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * u32::from(align)).to_le_bytes());
    bytes.extend(align.to_le_bytes());
    bytes.extend(b"\x10\0data");
    bytes.extend(length.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}
