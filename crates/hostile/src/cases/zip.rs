//! The zip archive around a `.pth` file: two ways to read it, places outside it, bombs.

use super::pickle::{Assembly, float_tensor};
use super::{Case, bad, good};

/// An archive with the places of its parts, for changes by hand.
#[derive(Clone, Default)]
pub(super) struct Zip {
    pub bytes: Vec<u8>,
    /// Where each entry begins.
    local: Vec<usize>,
    /// Where the directory tells of each.
    central: Vec<usize>,
    /// Where the record at the end begins.
    end: usize,
}

/// Fields of an entry's own header, counted from its beginning.
mod local {
    pub const FLAGS: usize = 6;
    pub const METHOD: usize = 8;
    pub const PACKED: usize = 18;
    pub const NAME_LENGTH: usize = 26;
    pub const EXTRA_LENGTH: usize = 28;
    pub const NAME: usize = 30;
}

/// Fields of the directory's entry.
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

/// Fields of the record at the end.
mod end {
    pub const DISK: usize = 4;
    pub const COUNT_HERE: usize = 8;
    pub const COUNT: usize = 10;
    pub const SIZE: usize = 12;
    pub const OFFSET: usize = 16;
    pub const COMMENT_LENGTH: usize = 20;
}

impl Zip {
    /// An archive of stored entries.
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

    /// Checksum, the two sizes and the length of the name.
    fn sizes(&mut self, name: &str, data: &[u8]) {
        self.bytes.extend(crc32fast::hash(data).to_le_bytes());
        self.bytes.extend([(data.len() as u32).to_le_bytes(); 2].concat());
        self.bytes.extend((name.len() as u16).to_le_bytes());
    }

    /// With `value` at a field of the part that begins at `part`.
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

    /// With the end's extension to 64 bits in front of it, which says what `claims` says: count, size and
    /// place of the directory.
    fn with_end64(self, claims: [u64; 3], place: u64) -> Vec<u8> {
        let [count, size, offset] = claims;
        let numbers = [count, count, size, offset].map(u64::to_le_bytes).concat();
        let (before, end) = self.bytes.split_at(self.end);
        let record = [&b"PK\x06\x06"[..], &44u64.to_le_bytes(), &[0; 12], &numbers].concat();
        let locator = [&b"PK\x06\x07\0\0\0\0"[..], &place.to_le_bytes(), &1u32.to_le_bytes()].concat();
        [before, &record, &locator, end].concat()
    }
}

fn u16s(value: u16) -> [u8; 2] {
    value.to_le_bytes()
}

fn u32s(value: u32) -> [u8; 4] {
    value.to_le_bytes()
}

/// The state dict `{"a": [1.0, 2.0]}` as it is kept.
fn whole() -> Zip {
    let pickle = Assembly::dict(&[("a", float_tensor("0", 2, 0, &[2], &[1]))]).pickle();
    let numbers = [1f32.to_le_bytes(), 2f32.to_le_bytes()].concat();
    Zip::of(&[("x/data.pkl", &pickle), ("x/byteorder", b"little"), ("x/data/0", &numbers)])
}

pub(super) fn cases() -> Vec<Case> {
    let entries = |entries: &[(&str, &[u8])]| Zip::of(entries).bytes;
    let directory = whole().central[0] as u64;
    let size = whole().end as u64 - directory;
    let place = whole().end as u64;
    let changed = |change: fn(Zip) -> Zip| change(whole()).bytes;
    let longer = [&whole().bytes[..], b"more"].concat();
    let commented = [&whole().end(end::COMMENT_LENGTH, u16s(4)).bytes[..], b"more"].concat();
    let many: Vec<String> = (0..60_000).map(|i| format!("x/data/{i}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    vec![
        good("a state dict", whole().bytes),
        good("with an end of 64 bits", whole().with_end64([3, size, directory], place)),
        bad("PK alone", "PK", "does not end as an archive"),
        bad("an end alone", [&b"PK\x05\x06"[..], &[0; 18]].concat(), "has no data.pkl"),
        bad("bytes behind the end", longer, "does not end as an archive"),
        bad("a comment", commented, "or with a comment"),
        bad(
            "a comment that is not there",
            changed(|zip| zip.end(end::COMMENT_LENGTH, u16s(4))),
            "a comment at its end",
        ),
        bad("of several parts", changed(|zip| zip.end(end::DISK, u16s(1))), "one of several parts"),
        bad("counts that differ", changed(|zip| zip.end(end::COUNT_HERE, u16s(2))), "one of several parts"),
        bad(
            "more entries than there are",
            changed(|zip| zip.end(end::COUNT_HERE, [9, 0, 9, 0])),
            "3 entries where the end counts 9",
        ),
        bad(
            "fewer entries than there are",
            changed(|zip| zip.end(end::COUNT, u16s(1)).end(end::COUNT_HERE, u16s(1))),
            "3 entries where the end counts 1",
        ),
        bad(
            "directory behind the end",
            changed(|zip| zip.end(end::OFFSET, u32s(u32::MAX - 1))),
            "a directory of",
        ),
        bad(
            "directory longer than the file",
            changed(|zip| zip.end(end::SIZE, u32s(u32::MAX - 1))),
            "a directory of 4294967294 bytes",
        ),
        bad("directory of another place", changed(|zip| zip.end(end::OFFSET, u32s(0))), "a directory of"),
        bad("directory that is none", changed(|zip| zip.central(0, 0, b"KP")), "no entry of the directory"),
        bad(
            "64-bit end at another place",
            whole().with_end64([3, size, directory], place + 1),
            "zip64 record is not where",
        ),
        bad(
            "64-bit end at the end of 64 bits",
            whole().with_end64([3, size, directory], u64::MAX),
            "zip64 record is not where",
        ),
        bad(
            "ends that contradict each other",
            whole().with_end64([4, size, directory], place),
            "contradict each other",
        ),
        bad(
            "directory beyond 64 bits",
            whole().end(end::OFFSET, u32s(u32::MAX)).with_end64([3, size, u64::MAX], place),
            "a directory of",
        ),
        bad(
            "a billion entries",
            whole().end(end::COUNT_HERE, [0xff; 4]).with_end64([1_000_000_000, size, directory], place),
            "3 entries where the end counts 1000000000",
        ),
        bad("encrypted", changed(|zip| zip.central(0, central::FLAGS, u16s(1))), "is encrypted"),
        bad(
            "encrypted where it lies",
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
            "a zip bomb's claim",
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
            "another method where it lies",
            changed(|zip| zip.local(0, local::METHOD, u16s(8))),
            "packed in another way",
        ),
        bad(
            "stored, but of another size",
            changed(|zip| zip.central(0, central::SIZE, u32s(9))),
            "but has 9",
        ),
        bad(
            "another size where it lies",
            changed(|zip| zip.local(0, local::PACKED, u32s(9))),
            "another size where it lies",
        ),
        bad(
            "another name where it lies",
            changed(|zip| zip.local(0, local::NAME, b"y")),
            "called y/data.pkl where it lies",
        ),
        bad(
            "a longer name where it lies",
            changed(|zip| zip.local(0, local::NAME_LENGTH, u16s(11))),
            "where it lies",
        ),
        bad(
            "an endless extra field",
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
            "entry behind the directory",
            changed(|zip| zip.central(2, central::OFFSET, u32s(u32::MAX - 1))),
            "lies outside",
        ),
        bad(
            "entry where none begins",
            changed(|zip| zip.central(2, central::OFFSET, u32s(1))),
            "no entry begins at byte 1",
        ),
        bad(
            "entry of 64 bits without them",
            changed(|zip| zip.central(2, central::OFFSET, u32s(u32::MAX))),
            "a size of 64 bits is missing",
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
            "entry into the next",
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
            "a name that is no UTF-8",
            changed(|zip| zip.central(0, central::NAME, [0xff])),
            "a name that is no UTF-8",
        ),
        bad(
            "an entry twice",
            entries(&[("x/data.pkl", b""), ("x/data.pkl", b"")]),
            "x/data.pkl stands there twice",
        ),
        bad(
            "two folders",
            entries(&[("x/data.pkl", b""), ("y/data.pkl", b"")]),
            "both x/ and y/ hold a data.pkl",
        ),
        bad("no folder", entries(&[("data.pkl", b"")]), "has no data.pkl"),
        bad("a folder above", entries(&[("../x/data.pkl", b"")]), "has no data.pkl"),
        bad("an absolute path", entries(&[("/etc/data.pkl", b"")]), "has no data.pkl"),
        bad(
            "a name with control characters",
            entries(&[("\x1b[2J/data.pkl", b""), ("y/data.pkl", b"")]),
            "hold a data.pkl",
        ),
        bad(
            "a program",
            entries(&[("x/constants.pkl", b""), ("x/data.pkl", b"")]),
            "is a TorchScript program",
        ),
        bad("big-endian", entries(&[("x/byteorder", b"big"), ("x/data.pkl", b"")]), "big-endian"),
        bad(
            "an order that is none",
            entries(&[("x/byteorder", b"middle"), ("x/data.pkl", b"")]),
            "neither little nor big",
        ),
        bad("an empty pickle", entries(&[("x/data.pkl", b"")]), "damaged at byte 0 (it is cut off)"),
        bad("many entries and no pickle", entries(&many), "has no data.pkl"),
    ]
}
