//! The zip archive of a `.pth` file: ambiguous structures, offsets outside the file, bombs.

use super::pickle::{Assembly, float_tensor};
use super::{Case, bad, good};

/// An archive with the offsets of its parts, to be modified by hand.
#[derive(Clone, Default)]
pub(super) struct Zip {
    pub bytes: Vec<u8>,
    /// Offset of each entry.
    local: Vec<usize>,
    /// Offset of each entry's record in the directory.
    central: Vec<usize>,
    /// Offset of the end record.
    end: usize,
}

/// Offsets of fields in an entry's local header.
mod local {
    pub const FLAGS: usize = 6;
    pub const METHOD: usize = 8;
    pub const PACKED: usize = 18;
    pub const NAME_LENGTH: usize = 26;
    pub const EXTRA_LENGTH: usize = 28;
    pub const NAME: usize = 30;
}

/// Offsets of fields in a directory record.
mod central {
    pub const FLAGS: usize = 8;
    pub const METHOD: usize = 10;
    pub const CHECKSUM: usize = 16;
    pub const PACKED: usize = 20;
    pub const SIZE: usize = 24;
    pub const NAME_LENGTH: usize = 28;
    pub const DISK: usize = 34;
    pub const OFFSET: usize = 42;
    pub const NAME: usize = 46;
}

/// Offsets of fields in the end record.
mod end {
    pub const DISK: usize = 4;
    pub const COUNT_HERE: usize = 8;
    pub const COUNT: usize = 10;
    pub const SIZE: usize = 12;
    pub const OFFSET: usize = 16;
    pub const COMMENT_LENGTH: usize = 20;
}

impl Zip {
    /// Returns an archive of uncompressed entries.
    pub fn of(entries: &[(&str, &[u8])]) -> Zip {
        let mut zip = Zip::default();
        for (name, data) in entries {
            zip.local.push(zip.bytes.len());
            zip.bytes.extend(b"PK\x03\x04\0\0\0\0\0\0\0\0\0\0");
            zip.sizes(name, data);
            zip.bytes.extend([0; 2]);
            zip.bytes.extend(name.as_bytes());
            zip.bytes.extend(*data);
        }
        let directory = zip.bytes.len();
        for (index, (name, data)) in entries.iter().enumerate() {
            zip.central.push(zip.bytes.len());
            zip.bytes.extend(b"PK\x01\x02\0\0\0\0\0\0\0\0\0\0\0\0");
            zip.sizes(name, data);
            zip.bytes.extend([0; 12]);
            zip.bytes.extend((zip.local[index] as u32).to_le_bytes());
            zip.bytes.extend(name.as_bytes());
        }
        zip.end = zip.bytes.len();
        zip.bytes.extend(b"PK\x05\x06\0\0\0\0");
        zip.bytes.extend([(entries.len() as u16).to_le_bytes(); 2].concat());
        zip.bytes.extend(((zip.end - directory) as u32).to_le_bytes());
        zip.bytes.extend((directory as u32).to_le_bytes());
        zip.bytes.extend([0; 2]);
        zip
    }

    /// Appends the checksum, both sizes and the length of the name.
    fn sizes(&mut self, name: &str, data: &[u8]) {
        self.bytes.extend(crc32fast::hash(data).to_le_bytes());
        self.bytes.extend([(data.len() as u32).to_le_bytes(); 2].concat());
        self.bytes.extend((name.len() as u16).to_le_bytes());
    }

    /// Sets a field of the part that starts at `part`.
    fn with(mut self, part: usize, field: usize, value: &[u8]) -> Zip {
        self.bytes[part + field..][..value.len()].copy_from_slice(value);
        self
    }

    fn local(self, index: usize, field: usize, value: impl AsRef<[u8]>) -> Zip {
        let part = self.local[index];
        self.with(part, field, value.as_ref())
    }

    fn central(self, index: usize, field: usize, value: impl AsRef<[u8]>) -> Zip {
        let part = self.central[index];
        self.with(part, field, value.as_ref())
    }

    fn end(self, field: usize, value: impl AsRef<[u8]>) -> Zip {
        let part = self.end;
        self.with(part, field, value.as_ref())
    }

    /// Inserts a zip64 end record before the end record, with the count, size and offset of the directory in `fields`;
    /// its locator points to `position`.
    fn with_end64(self, fields: [u64; 3], position: u64) -> Vec<u8> {
        let [count, size, offset] = fields;
        let numbers = [count, count, size, offset].map(u64::to_le_bytes).concat();
        let (before, end) = self.bytes.split_at(self.end);
        let record = [&b"PK\x06\x06"[..], &44u64.to_le_bytes(), &[0; 12], &numbers].concat();
        let locator = [&b"PK\x06\x07\0\0\0\0"[..], &position.to_le_bytes(), &1u32.to_le_bytes()].concat();
        [before, &record, &locator, end].concat()
    }
}

fn u16s(value: u16) -> [u8; 2] {
    value.to_le_bytes()
}

fn u32s(value: u32) -> [u8; 4] {
    value.to_le_bytes()
}

/// Returns the state dict `{"a": [1.0, 2.0]}`.
fn valid() -> Zip {
    let pickle = Assembly::dict(&[("a", float_tensor("0", 2, 0, &[2], &[1]))]).pickle();
    let numbers = [1f32.to_le_bytes(), 2f32.to_le_bytes()].concat();
    Zip::of(&[("x/data.pkl", &pickle), ("x/byteorder", b"little"), ("x/data/0", &numbers)])
}

pub(super) fn cases() -> Vec<Case> {
    let entries = |entries: &[(&str, &[u8])]| Zip::of(entries).bytes;
    let directory = valid().central[0] as u64;
    let size = valid().end as u64 - directory;
    let place = valid().end as u64;
    let changed = |change: fn(Zip) -> Zip| change(valid()).bytes;
    let longer = [&valid().bytes[..], b"more"].concat();
    let commented = [&valid().end(end::COMMENT_LENGTH, u16s(4)).bytes[..], b"more"].concat();
    let many: Vec<String> = (0..60_000).map(|i| format!("x/data/{i}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    vec![
        good("a state dict", valid().bytes),
        good("with a zip64 end record", valid().with_end64([3, size, directory], place)),
        bad("only PK", "PK", "its end record is missing"),
        bad("only an end record", [&b"PK\x05\x06"[..], &[0; 18]].concat(), "has no data.pkl"),
        bad("bytes after the end record", longer, "its end record is missing"),
        bad("a comment", commented, "or a comment follows it"),
        bad(
            "a missing comment",
            changed(|zip| zip.end(end::COMMENT_LENGTH, u16s(4))),
            "a comment or other bytes follow its end record",
        ),
        bad("a multi-part archive", changed(|zip| zip.end(end::DISK, u16s(1))), "one of several parts"),
        bad("different counts", changed(|zip| zip.end(end::COUNT_HERE, u16s(2))), "one of several parts"),
        bad(
            "more entries counted than present",
            changed(|zip| zip.end(end::COUNT_HERE, [9, 0, 9, 0])),
            "3 entries, but its end record counts 9",
        ),
        bad(
            "fewer entries counted than present",
            changed(|zip| zip.end(end::COUNT, u16s(1)).end(end::COUNT_HERE, u16s(1))),
            "3 entries, but its end record counts 1",
        ),
        bad(
            "directory after the end",
            changed(|zip| zip.end(end::OFFSET, u32s(u32::MAX - 1))),
            "a directory of",
        ),
        bad(
            "directory longer than the file",
            changed(|zip| zip.end(end::SIZE, u32s(u32::MAX - 1))),
            "a directory of 4294967294 bytes",
        ),
        bad("directory at another offset", changed(|zip| zip.end(end::OFFSET, u32s(0))), "a directory of"),
        bad("an invalid directory", changed(|zip| zip.central(0, 0, b"KP")), "no entry of the directory"),
        bad(
            "zip64 record at another offset",
            valid().with_end64([3, size, directory], place + 1),
            "zip64 record is not in its place",
        ),
        bad(
            "zip64 record at offset 2^64 - 1",
            valid().with_end64([3, size, directory], u64::MAX),
            "zip64 record is not in its place",
        ),
        bad(
            "contradictory end records",
            valid().with_end64([4, size, directory], place),
            "contradict each other",
        ),
        bad(
            "directory beyond 64 bits",
            valid().end(end::OFFSET, u32s(u32::MAX)).with_end64([3, size, u64::MAX], place),
            "a directory of",
        ),
        bad(
            "a billion entries",
            valid().end(end::COUNT_HERE, [0xff; 4]).with_end64([1_000_000_000, size, directory], place),
            "3 entries, but its end record counts 1000000000",
        ),
        bad("encrypted", changed(|zip| zip.central(0, central::FLAGS, u16s(1))), "is encrypted"),
        bad(
            "encrypted according to the local header",
            changed(|zip| zip.local(0, local::FLAGS, u16s(1))),
            "packed in another way",
        ),
        bad("masked headers", changed(|zip| zip.central(0, central::FLAGS, u16s(1 << 13))), "is encrypted"),
        bad(
            "compressed",
            changed(|zip| zip.central(0, central::METHOD, u16s(8)).local(0, local::METHOD, u16s(8))),
            "is compressed (method 8)",
        ),
        bad(
            "a declared zip bomb",
            changed(|zip| {
                let bomb = zip.central(2, central::METHOD, u16s(8)).local(2, local::METHOD, u16s(8));
                bomb.central(2, central::SIZE, u32s(u32::MAX - 1)).local(
                    2,
                    local::PACKED + 4,
                    u32s(u32::MAX - 1),
                )
            }),
            "is compressed (method 8)",
        ),
        bad(
            "another method in the local header",
            changed(|zip| zip.local(0, local::METHOD, u16s(8))),
            "packed in another way",
        ),
        bad(
            "uncompressed but with another size",
            changed(|zip| zip.central(0, central::SIZE, u32s(9))),
            "but has 9",
        ),
        bad(
            "another size in the local header",
            changed(|zip| zip.local(0, local::PACKED, u32s(9))),
            "another size in its own header",
        ),
        bad(
            "another name in the local header",
            changed(|zip| zip.local(0, local::NAME, b"y")),
            "called y/data.pkl in its own header",
        ),
        bad(
            "a longer name in the local header",
            changed(|zip| zip.local(0, local::NAME_LENGTH, u16s(11))),
            "in its own header",
        ),
        bad(
            "an overlong extra field",
            changed(|zip| zip.local(2, local::EXTRA_LENGTH, u16s(u16::MAX))),
            "are missing",
        ),
        bad(
            "a name beyond the directory",
            changed(|zip| zip.central(2, central::NAME_LENGTH, u16s(u16::MAX))),
            "are missing",
        ),
        bad(
            "wrong checksum of the pickle",
            changed(|zip| zip.central(0, central::CHECKSUM, u32s(7))),
            "data.pkl does not match its checksum",
        ),
        bad(
            "wrong checksum of a storage",
            changed(|zip| zip.central(2, central::CHECKSUM, u32s(7))),
            "x/data/0 does not match its checksum",
        ),
        bad(
            "entry after the directory",
            changed(|zip| zip.central(2, central::OFFSET, u32s(u32::MAX - 1))),
            "lies outside",
        ),
        bad(
            "offset of no entry",
            changed(|zip| zip.central(2, central::OFFSET, u32s(1))),
            "no entry begins at byte 1",
        ),
        bad(
            "zip64 entry without its sizes",
            changed(|zip| zip.central(2, central::OFFSET, u32s(u32::MAX))),
            "a 64-bit size is missing",
        ),
        bad(
            "entry larger than the file",
            changed(|zip| {
                let zip = zip.central(2, central::PACKED, [0xfe; 8]);
                zip.local(2, local::PACKED, [0xfe; 8])
            }),
            "lies outside",
        ),
        bad("entry on another disk", changed(|zip| zip.central(2, central::DISK, u16s(3))), "x/data/0"),
        bad(
            "overlapping entries",
            changed(|zip| {
                let length = (zip.local[2] - zip.local[1]) as u32;
                let sizes = [u32s(length), u32s(length)].concat();
                zip.central(1, central::PACKED, &sizes).local(1, local::PACKED, sizes)
            }),
            "overlap",
        ),
        bad(
            "two names for one entry",
            changed(|zip| {
                let place = zip.local[1] as u32;
                zip.central(2, central::OFFSET, u32s(place))
            }),
            "x/data/0",
        ),
        bad(
            "a name that is not UTF-8",
            changed(|zip| zip.central(0, central::NAME, [0xff])),
            "a name that is not UTF-8",
        ),
        bad(
            "an entry twice",
            entries(&[("x/data.pkl", b""), ("x/data.pkl", b"")]),
            "x/data.pkl occurs twice",
        ),
        bad(
            "two folders",
            entries(&[("x/data.pkl", b""), ("y/data.pkl", b"")]),
            "both x/ and y/ contain a data.pkl",
        ),
        bad("no folder", entries(&[("data.pkl", b"")]), "has no data.pkl"),
        bad("a parent folder", entries(&[("../x/data.pkl", b"")]), "has no data.pkl"),
        bad("an absolute path", entries(&[("/etc/data.pkl", b"")]), "has no data.pkl"),
        bad(
            "a name with control characters",
            entries(&[("\x1b[2J/data.pkl", b""), ("y/data.pkl", b"")]),
            "contain a data.pkl",
        ),
        bad(
            "a TorchScript program",
            entries(&[("x/constants.pkl", b""), ("x/data.pkl", b"")]),
            "is a TorchScript program",
        ),
        bad("big-endian", entries(&[("x/byteorder", b"big"), ("x/data.pkl", b"")]), "big-endian"),
        bad(
            "an unknown byte order",
            entries(&[("x/byteorder", b"middle"), ("x/data.pkl", b"")]),
            "neither little nor big",
        ),
        bad("an empty pickle", entries(&[("x/data.pkl", b"")]), "damaged at byte 0 (it is truncated)"),
        bad("many entries without a pickle", entries(&many), "has no data.pkl"),
    ]
}
