//! IDX, plain and packed with gzip: wrong sizes and decompression bombs.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Case, bad, good};

/// Returns a file of bytes with these extents.
fn file(extents: &[u32], data: &[u8]) -> Vec<u8> {
    let header = [
        &[0, 0, 8, extents.len() as u8][..],
        &extents.iter().map(|e| e.to_be_bytes()).collect::<Vec<_>>().concat(),
    ];
    [&header.concat(), data].concat()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).expect("writing to memory cannot fail");
    packer.finish().expect("writing to memory cannot fail")
}

/// Flips bits of the byte at `index`, counted from the end if it is negative.
fn with(mut bytes: Vec<u8>, index: isize, bits: u8) -> Vec<u8> {
    let index = if index < 0 { bytes.len().wrapping_add_signed(index) } else { index.cast_unsigned() };
    bytes[index] ^= bits;
    bytes
}

pub(super) fn cases() -> Vec<Case> {
    let max = u32::MAX;
    let small = || file(&[2, 3], &[1, 2, 3, 4, 5, 6]);
    let kind = |kind: u8| [&[0, 0, kind, 1][..], &1u32.to_be_bytes(), &[0; 8]].concat();
    let bomb = file(&[1 << 12, 1 << 8, 100], &vec![0; 100 << 20]);
    let half_bomb = file(&[max, 1], &vec![0; 32 << 20]);
    let gz = || packed(&small());
    let cut = |length: usize| gz()[..length].to_vec();
    vec![
        good("a matrix", small()),
        good("images", file(&[2, 2, 2], &[0, 1, 2, 3, 252, 253, 254, 255])),
        good("no images", file(&[0, 28, 28], &[])),
        good("a scalar", file(&[], &[7])),
        good("packed", gz()),
        good("packed in two members", [packed(&small()[..8]), packed(&small()[8..])].concat()),
        good("255 extents of 1", file(&[1; 255], &[9])),
        good("images of one color, packed 1000 to 1", packed(&file(&[1000, 28, 28], &[0; 784_000]))),
        bad("an empty file", "", "ends within its header"),
        bad("three bytes", [0, 0, 8], "ends within its header"),
        bad("plain text", "a few words", "not an IDX file"),
        bad("wrong magic number", with(small(), 0, 1), "not an IDX file"),
        bad("signed bytes", kind(0x09), "elements of IDX type 0x09"),
        bad("16-bit integers", kind(0x0b), "elements of IDX type 0x0b"),
        bad("32-bit integers", kind(0x0c), "elements of IDX type 0x0c"),
        bad("floats", kind(0x0d), "elements of IDX type 0x0d"),
        bad("doubles", kind(0x0e), "elements of IDX type 0x0e"),
        bad("an unknown type", kind(0xff), "elements of IDX type 0xff"),
        bad("three extents missing", [0, 0, 8, 3], "ends within its header"),
        bad("half an extent", [0, 0, 8, 1, 0, 0], "ends within its header"),
        bad("255 extents missing", [0, 0, 8, 255, 1], "ends within its header"),
        bad("one byte missing", file(&[2, 3], &[0; 5]), "declares 6 bytes of data (shape [2, 3]) but has 5"),
        bad("one byte too many", file(&[2, 3], &[0; 7]), "but has 7"),
        bad("no data", file(&[60_000, 28, 28], &[]), "declares 47040000 bytes"),
        bad("data although an extent is 0", file(&[0], &[1]), "declares 0 bytes"),
        bad(
            "extents whose product overflows",
            file(&[max; 3], &[0; 9]),
            "more elements than memory can hold",
        ),
        bad("255 extents of 2^32 - 1", file(&[max; 255], &[0; 9]), "more elements than memory can hold"),
        bad("overflow times zero", file(&[max, max, max, 0], &[]), "more elements than memory can hold"),
        bad(
            "a product of 2^64 - 2^33 + 1",
            file(&[max, max], &[0; 9]),
            "declares 18446744065119617025 bytes",
        ),
        bad("four billion bytes declared in a tiny file", file(&[max], &[0; 4]), "declares 4294967295 bytes"),
        bad("packed, one byte missing", packed(&file(&[2, 3], &[0; 5])), "but has 5"),
        bad("packed, one byte too many", packed(&file(&[2, 3], &[0; 7])), "but has more"),
        bad("packed, more than memory can hold", packed(&file(&[max, max], &[0; 9])), "exceeds the limit"),
        bad("packed, overflow", packed(&file(&[max; 3], &[0; 9])), "more elements than memory can hold"),
        bad(
            "packed, size declared without data",
            packed(&file(&[1 << 31], &[])),
            "2147483648 bytes of data (shape [2147483648]) in",
        ),
        bad(
            "a bomb of 100 MiB",
            packed(&bomb),
            "declares 104857600 bytes of data (shape [4096, 256, 100]) in",
        ),
        bad("a bomb that declares 4 GiB", packed(&half_bomb), "exceeds the limit"),
        bad("a bomb after the data", packed(&[small(), vec![0; 16 << 20]].concat()), "but has more"),
        bad("packed twice", packed(&packed(&small())), "not an IDX file"),
        bad("packed plain text", packed(b"a few words"), "not an IDX file"),
        bad("packed empty file", packed(b""), "ends within its header"),
        bad("two bytes of gzip", cut(2), "ends within its header"),
        bad("gzip truncated in its header", cut(9), "ends within its header"),
        bad("gzip truncated in its data", cut(20), "cannot be read"),
        bad("gzip without its checksum", cut(gz().len() - 8), "cannot be read"),
        bad("gzip with a wrong checksum", with(gz(), -8, 1), "cannot be read"),
        bad("gzip with a wrong length", with(gz(), -1, 1), "cannot be read"),
        bad("gzip with another method", with(gz(), 2, 1), "cannot be read"),
        bad("gzip followed by bytes", [gz(), b"more".to_vec()].concat(), "cannot be read"),
        bad("gzip followed by a truncated member", [gz(), cut(12)].concat(), "but has more"),
        bad("gzip with invalid blocks", [&gz()[..10], &[0xff; 16]].concat(), "cannot be read"),
    ]
}
