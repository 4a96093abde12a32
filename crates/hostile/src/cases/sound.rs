//! Sounds: WAV files with wrong or malformed chunks, and compressed files that are cut or of another kind.

use super::{Case, bad, good};

const FLAC: &[u8] = include_bytes!("../../../sound/tests/tone.flac");
const OGG: &[u8] = include_bytes!("../../../sound/tests/tone.ogg");
const MP3: &[u8] = include_bytes!("../../../sound/tests/tone.mp3");

/// Returns a WAV file of these chunks.
fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    [&b"RIFF\0\0\0\0WAVE"[..], &chunks.concat()].concat()
}

/// Returns a chunk that states this length.
fn chunk(name: &[u8; 4], length: u32, data: &[u8]) -> Vec<u8> {
    [&name[..], &length.to_le_bytes(), data].concat()
}

/// Returns the chunk `fmt ` with code, channels, rate, bytes per frame, and bits per sample.
fn format(code: u16, channels: u16, rate: u32, align: u16, bits: u16) -> Vec<u8> {
    let rates = [rate.to_le_bytes(), 0u32.to_le_bytes()].concat();
    let head = [code.to_le_bytes(), channels.to_le_bytes()].concat();
    let tail = [align.to_le_bytes(), bits.to_le_bytes()].concat();
    chunk(b"fmt ", 16, &[head, rates, tail].concat())
}

/// Returns a WAV file with this format and data.
fn file(format: Vec<u8>, data: &[u8]) -> Vec<u8> {
    riff(&[format, chunk(b"data", data.len() as u32, data)])
}

fn cut(bytes: &[u8], length: usize) -> Vec<u8> {
    bytes[..length].to_vec()
}

pub(super) fn cases() -> Vec<Case> {
    let mono = || format(1, 1, 8_000, 2, 16);
    let data = |length: u32, data: &[u8]| chunk(b"data", length, data);
    let nan = f32::NAN.to_le_bytes();
    let mut extensible = format(0xfffe, 1, 8_000, 2, 16);
    extensible[4] = 40;
    extensible.extend([22, 0, 16, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 16, 0, 128, 0, 0, 170, 0, 56, 155, 113]);
    let mut other = extensible.clone();
    other[8 + 24] = 0x55;
    vec![
        good("16 bits", file(mono(), &[1, 2, 3, 4])),
        good("8 bits", file(format(1, 1, 8_000, 1, 8), &[1, 2, 3])),
        good("24 bits", file(format(1, 1, 8_000, 3, 24), &[1, 2, 3])),
        good("floats", file(format(3, 1, 8_000, 4, 32), &[0; 8])),
        good("many channels", file(format(1, 64, 8_000, 64, 8), &[7; 128])),
        good("an extensible format", file(extensible.clone(), &[1, 2])),
        good("an unknown length", riff(&[mono(), data(u32::MAX, &[1, 2])])),
        good("unknown chunks", riff(&[chunk(b"LIST", 3, b"abc\0"), mono(), data(2, &[1, 2])])),
        good("half a frame at the end", file(mono(), &[1, 2, 3])),
        good("FLAC", FLAC),
        good("Ogg Vorbis", OGG),
        good("MP3", MP3),
        bad("an empty file", "", "the file is empty"),
        bad("plain text", "a few words", "not a sound"),
        bad("an image", &b"\x89PNG\r\n\x1a\n"[..], "not a sound"),
        bad("RIFF of another kind", &b"RIFF\0\0\0\0WEBPVP8 "[..], "not a sound"),
        bad("only a header", riff(&[]), "truncated"),
        bad("half a chunk header", riff(&[b"fmt ".to_vec()]), "truncated"),
        bad("half a format", riff(&[cut(&mono(), 20)]), "truncated"),
        bad("a format of 4 GiB", riff(&[chunk(b"fmt ", u32::MAX, &[1, 0])]), "truncated"),
        bad("a short format", riff(&[chunk(b"fmt ", 4, &[1, 0, 1, 0])]), "its format is too short"),
        bad(
            "a short extensible format",
            file(format(0xfffe, 1, 8_000, 2, 16), &[1, 2]),
            "its format is too short",
        ),
        bad("no format", riff(&[data(2, &[1, 2])]), "before their format"),
        bad("no samples", file(mono(), &[]), "it has no samples"),
        bad("no data", riff(&[mono()]), "truncated"),
        bad("more data than there is", riff(&[mono(), data(4, &[1, 2])]), "truncated"),
        bad("4 GiB of data but one byte", riff(&[mono(), data(u32::MAX - 1, &[1, 2])]), "truncated"),
        bad(
            "a chunk of 4 GiB",
            riff(&[mono(), chunk(b"LIST", u32::MAX, b"x"), data(2, &[1, 2])]),
            "truncated",
        ),
        bad("no channels", file(format(1, 0, 8_000, 0, 16), &[1, 2]), "0 channels"),
        bad("65,535 channels", file(format(1, 65_535, 8_000, 65_535, 8), &[1, 2]), "65535 channels"),
        bad("frames of another length", file(format(1, 2, 8_000, 2, 16), &[1, 2]), "in blocks of 2"),
        bad("no sample rate", file(format(1, 1, 0, 2, 16), &[1, 2]), "a sample rate of 0 Hz"),
        bad(
            "a sample rate of 4 GHz",
            file(format(1, 1, u32::MAX, 2, 16), &[1, 2]),
            "a sample rate of 4294967295 Hz",
        ),
        bad("no bits", file(format(1, 1, 8_000, 0, 0), &[1, 2]), "samples of 0 bits is not supported"),
        bad("65,535 bits", file(format(1, 1, 8_000, 2, 65_535), &[1, 2]), "samples of 65535 bits"),
        bad("half floats", file(format(3, 1, 8_000, 2, 16), &[1, 2]), "samples of 16 bits is not supported"),
        bad(
            "compressed samples",
            file(format(0x11, 1, 8_000, 1, 4), &[1, 2]),
            "encoding 0x0011 is not supported",
        ),
        bad("an extension of another kind", file(other, &[1, 2]), "encoding 0x0055 is not supported"),
        bad("NaN", file(format(3, 1, 8_000, 4, 32), &nan), "not finite"),
        bad("FLAC without its header", cut(FLAC, 4), "damaged sound"),
        bad("FLAC without its end", cut(FLAC, FLAC.len() - 9), "truncated"),
        bad("Ogg without its header", cut(OGG, 4), "damaged sound"),
        bad("Ogg without its end", cut(OGG, OGG.len() - 9), "truncated"),
        bad("an MP3 tag alone", &b"ID3\x03\0\0\0\0\0\0"[..], "damaged sound"),
    ]
}
