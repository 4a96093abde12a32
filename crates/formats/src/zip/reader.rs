//! Reads an archive whose directory, entries and end records are unambiguous.
//!
//! Nothing is unpacked: an entry's data are a slice of the file, and requesting a compressed entry is an error.
//! Encrypted entries, comments, names that differ between directory and entry, and entries that share bytes are
//! refused. The work is proportional to the size of the directory.

use std::collections::BTreeMap;
use std::fmt::Display;

use striate_tensor::{Error, Result};

use super::{
    CENTRAL, CENTRAL_SIZE, END, END_SIZE, END64, END64_SIZE, LOCAL, LOCAL_SIZE, LOCATOR64, LOCATOR64_SIZE,
};
use crate::message::shown;

/// Flag: encrypted.
const ENCRYPTED: u16 = 1;
/// Flag: sizes and checksum follow the data.
const DESCRIPTOR: u16 = 1 << 3;
/// Flags: strongly encrypted, masked headers.
const MASKED: u16 = 1 << 6 | 1 << 13;
/// Value of a 32-bit field whose real value is in the extra field.
const ELSEWHERE: u32 = u32::MAX;
/// Number of the extra field that holds 64-bit values.
const ZIP64: u16 = 1;

/// An archive in memory.
#[derive(Debug)]
pub(crate) struct Archive<'a> {
    entries: BTreeMap<&'a str, Entry<'a>>,
}

#[derive(Debug)]
struct Entry<'a> {
    data: &'a [u8],
    method: u16,
    crc: u32,
}

/// An entry of the directory.
struct Listed<'a> {
    name: &'a str,
    flags: u16,
    method: u16,
    crc: u32,
    /// Size in the file; for stored entries, also the size of the content.
    packed: u64,
    size: u64,
    offset: u64,
}

impl<'a> Archive<'a> {
    /// Reads the archive in `bytes`.
    ///
    /// # Errors
    /// If it is truncated, ambiguous, or has encrypted entries.
    pub fn read(bytes: &'a [u8]) -> Result<Archive<'a>> {
        let Directory { begin, end, count } = directory(bytes)?;
        let mut fields = Fields { bytes: &bytes[..end], at: begin };
        let mut entries = BTreeMap::new();
        let mut places = Vec::new();
        while fields.at < end {
            let listed = listed(&mut fields)?;
            let entry = entry(bytes, begin, &listed).map_err(|e| e.at(shown(listed.name)))?;
            places.push((listed.offset, entry.1, listed.name));
            if entries.insert(listed.name, entry.0).is_some() {
                return Err(damaged(format!("the entry {} occurs twice", shown(listed.name))));
            }
        }
        if entries.len() as u64 != count {
            return Err(damaged(format!(
                "it has {} entries, but its end record counts {count}",
                entries.len()
            )));
        }
        apart(&mut places)?;
        Ok(Archive { entries })
    }

    /// Returns the names, sorted bytewise.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.entries.keys().copied()
    }

    /// Returns the data of the entry called `name`, if there is one.
    ///
    /// # Errors
    /// If they are compressed or do not match their checksum.
    pub fn get(&self, name: &str) -> Result<Option<&'a [u8]>> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        if entry.method != 0 {
            let (name, method) = (shown(name), entry.method);
            return Err(damaged(format!(
                "the entry {name} is compressed (method {method}); PyTorch stores entries uncompressed"
            )));
        }
        if crc32fast::hash(entry.data) != entry.crc {
            return Err(damaged(format!("the entry {} does not match its checksum", shown(name))));
        }
        Ok(Some(entry.data))
    }
}

/// The position of the directory and its claimed number of entries.
struct Directory {
    begin: usize,
    end: usize,
    count: u64,
}

fn directory(bytes: &[u8]) -> Result<Directory> {
    let end = bytes.len().checked_sub(END_SIZE).filter(|end| bytes[*end..].starts_with(&END));
    let end = end.ok_or_else(|| damaged("its end record is missing, or a comment follows it"))?;
    let mut fields = Fields { bytes, at: end + 4 };
    let disks = [fields.u16()?, fields.u16()?];
    let counts = [u64::from(fields.u16()?), u64::from(fields.u16()?)];
    let (size, offset) = (fields.u32()?, fields.u32()?);
    if fields.u16()? != 0 {
        return Err(damaged("a comment or other bytes follow its end record"));
    }
    if disks != [0, 0] && disks != [u16::MAX; 2] || counts[0] != counts[1] {
        return Err(damaged("it is one of several parts"));
    }
    let short = (counts[0], u64::from(size), u64::from(offset));
    let locator = end.checked_sub(LOCATOR64_SIZE).filter(|at| bytes[*at..].starts_with(&LOCATOR64));
    let (end, (count, size, offset)) = match locator {
        Some(locator) => long_end(bytes, locator, short)?,
        None => (end, short),
    };
    let begin = usize::try_from(offset).ok().filter(|begin| *begin <= end);
    match begin.filter(|begin| (end - begin) as u64 == size) {
        Some(begin) => Ok(Directory { begin, end, count }),
        None => Err(damaged(format!(
            "a directory of {size} bytes at {offset}, with {end} bytes before its end record"
        ))),
    }
}

/// Reads the 64-bit end record, which is directly before its locator. The values of the short end record must be the
/// same or defer to it.
fn long_end(bytes: &[u8], locator: usize, short: (u64, u64, u64)) -> Result<(usize, (u64, u64, u64))> {
    let mut fields = Fields { bytes, at: locator + 4 };
    let (disk, place, disks) = (fields.u32()?, fields.u64()?, fields.u32()?);
    let at =
        locator.checked_sub(END64_SIZE).filter(|at| *at as u64 == place && bytes[*at..].starts_with(&END64));
    let Some(at) = at.filter(|_| disk == 0 && disks == 1) else {
        return Err(damaged("its zip64 record is not in its place"));
    };
    let mut fields = Fields { bytes, at: at + 4 };
    let length = fields.u64()?;
    fields.skip(4)?;
    let disks = [fields.u32()?, fields.u32()?];
    let counts = [fields.u64()?, fields.u64()?];
    let (size, offset) = (fields.u64()?, fields.u64()?);
    if length != END64_SIZE as u64 - 12 || disks != [0, 0] || counts[0] != counts[1] {
        return Err(damaged("its zip64 record is not that of a complete archive"));
    }
    let agrees = |short: u64, long: u64, elsewhere: u64| short == elsewhere || short == long;
    let wide = u64::from(ELSEWHERE);
    if !agrees(short.0, counts[0], u64::from(u16::MAX))
        || !agrees(short.1, size, wide)
        || !agrees(short.2, offset, wide)
    {
        return Err(damaged("its two end records contradict each other"));
    }
    Ok((at, (counts[0], size, offset)))
}

/// Reads the next entry of the directory.
fn listed<'a>(fields: &mut Fields<'a>) -> Result<Listed<'a>> {
    if fields.bytes.len() - fields.at < CENTRAL_SIZE || fields.take(4)? != CENTRAL {
        return Err(damaged(format!("no entry of the directory at byte {}", fields.at)));
    }
    fields.skip(4)?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.skip(4)?;
    let (crc, packed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let (name, extra, comment) = (fields.u16()?, fields.u16()?, fields.u16()?);
    let disk = fields.u16()?;
    fields.skip(6)?;
    let offset = fields.u32()?;
    let name = std::str::from_utf8(fields.take(usize::from(name))?);
    let name = name.map_err(|_| damaged("a name that is not UTF-8"))?;
    let extra = fields.take(usize::from(extra))?;
    fields.skip(usize::from(comment))?;
    let place = || shown(name);
    if flags & (ENCRYPTED | MASKED) != 0 {
        return Err(damaged(format!("the entry {} is encrypted", place())));
    }
    let mut wide = Wide { rest: zip64_field(extra).map_err(|e| e.at(place()))? };
    let size = wide.value(size)?;
    let packed = wide.value(packed)?;
    let offset = wide.value(offset)?;
    if method == 0 && size != packed || disk != 0 && disk != u16::MAX {
        return Err(damaged(format!("the entry {} is stored in {packed} bytes but has {size}", place())));
    }
    Ok(Listed { name, flags, method, crc, packed, size, offset })
}

/// Returns the entry's data and the offset of their end, checked against the header before them.
fn entry<'a>(bytes: &'a [u8], directory: usize, listed: &Listed) -> Result<(Entry<'a>, u64)> {
    let outside =
        || damaged(format!("an entry of {} bytes at {} lies outside", listed.packed, listed.offset));
    let begin = usize::try_from(listed.offset).map_err(|_| outside())?;
    let before = &bytes[..directory];
    if before.len().saturating_sub(begin) < LOCAL_SIZE {
        return Err(outside());
    }
    let mut fields = Fields { bytes: before, at: begin };
    if fields.take(4)? != LOCAL {
        return Err(damaged(format!("no entry begins at byte {begin}")));
    }
    fields.skip(2)?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.skip(8)?;
    let sizes = [fields.u32()?, fields.u32()?];
    let (name, extra) = (fields.u16()?, fields.u16()?);
    let name = fields.take(usize::from(name))?;
    fields.skip(usize::from(extra))?;
    if name != listed.name.as_bytes() {
        let name = shown(&String::from_utf8_lossy(name));
        return Err(damaged(format!("the directory's entry is called {name} in its own header")));
    }
    let agrees = |(size, listed): (u32, u64)| size == ELSEWHERE || u64::from(size) == listed;
    if method != listed.method
        || flags & (ENCRYPTED | MASKED) != 0
        || flags & DESCRIPTOR != listed.flags & DESCRIPTOR
    {
        return Err(damaged("the directory's entry is packed in another way by its own header"));
    }
    if flags & DESCRIPTOR == 0 && !sizes.into_iter().zip([listed.packed, listed.size]).all(agrees) {
        return Err(damaged("the directory's entry has another size in its own header"));
    }
    let data = usize::try_from(listed.packed).ok().and_then(|size| fields.take(size).ok());
    let data = data.ok_or_else(outside)?;
    Ok((Entry { data, method, crc: listed.crc }, fields.at as u64))
}

/// Checks that no two entries share bytes.
fn apart(places: &mut [(u64, u64, &str)]) -> Result<()> {
    places.sort_unstable();
    match places.windows(2).find(|pair| pair[1].0 < pair[0].1) {
        Some(pair) => {
            let [first, second] = [shown(pair[0].2), shown(pair[1].2)];
            Err(damaged(format!("the entries {first} and {second} overlap")))
        }
        None => Ok(()),
    }
}

/// Returns the content of the zip64 field among the extra fields; empty if there is none.
fn zip64_field(extra: &[u8]) -> Result<&[u8]> {
    let mut fields = Fields { bytes: extra, at: 0 };
    while fields.at < extra.len() {
        let (number, length) = (fields.u16()?, fields.u16()?);
        let content = fields.take(usize::from(length))?;
        if number == ZIP64 {
            return Ok(content);
        }
    }
    Ok(&[])
}

/// Values of the zip64 field, for the short fields that defer to it.
struct Wide<'a> {
    rest: &'a [u8],
}

impl Wide<'_> {
    fn value(&mut self, short: u32) -> Result<u64> {
        if short != ELSEWHERE {
            return Ok(u64::from(short));
        }
        let Some((value, rest)) = self.rest.split_first_chunk() else {
            return Err(damaged("a 64-bit size is missing"));
        };
        self.rest = rest;
        Ok(u64::from_le_bytes(*value))
    }
}

/// Reads fields one after the other.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| damaged(format!("{count} bytes are missing at byte {}", self.at)))?;
        self.at += count;
        Ok(taken)
    }

    fn skip(&mut self, count: usize) -> Result<()> {
        self.take(count).map(|_| ())
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.take(2)?.try_into().expect("two bytes")))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().expect("four bytes")))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into().expect("eight bytes")))
    }
}

fn damaged(what: impl Display) -> Error {
    Error::input(format!(
        "is truncated or damaged: not a complete zip archive ({what}); copy or download it again"
    ))
}
