//! Writes an archive of stored entries as PyTorch lays them out: data at multiples of 64 bytes.

use std::borrow::Cow;

use striate_tensor::{Error, Result, with_capacity};

use super::{CENTRAL, CENTRAL_SIZE, END, END_SIZE, LOCAL, LOCAL_SIZE};

/// Alignment of the data, so that they can be mapped as elements of any size.
const ALIGNMENT: usize = 64;
/// Number of PyTorch's own extra field, which is padding.
const FILLER: [u8; 2] = *b"FB";
/// 1980-01-01, the format's earliest date: the same content gives the same bytes.
const DATE: u16 = 1 << 5 | 1;
/// Version 2.0 of the format, the first with stored entries in folders.
const VERSION: u16 = 20;
/// Flag: the name is UTF-8.
const UTF8: u16 = 1 << 11;

/// Returns an archive of `entries`, names with data, in their order.
///
/// # Errors
/// If it would need sizes of more than 32 bits.
pub(crate) fn write_archive(entries: &[(String, Cow<[u8]>)]) -> Result<Vec<u8>> {
    let overhead = |name: &str| LOCAL_SIZE + CENTRAL_SIZE + 2 * name.len() + 4 + ALIGNMENT;
    let total: usize =
        entries.iter().map(|(name, data)| overhead(name) + data.len()).sum::<usize>() + END_SIZE;
    let too_large = entries.len() >= usize::from(u16::MAX) || total >= u32::MAX as usize;
    if too_large || entries.iter().any(|(name, _)| name.len() > 1 << 12) {
        let what = format!("{total} bytes are too many for a .pth file; write .safetensors instead");
        return Err(Error::input(what));
    }
    let mut bytes = with_capacity(total)?;
    let mut directory = Vec::new();
    for (name, data) in entries {
        let offset = bytes.len() as u32;
        let filler = filler(bytes.len() + LOCAL_SIZE + name.len());
        let common = common(name, data);
        bytes.extend(LOCAL);
        bytes.extend(&common);
        bytes.extend((filler.len() as u16).to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend(filler);
        bytes.extend_from_slice(data);
        directory.extend(CENTRAL);
        directory.extend(VERSION.to_le_bytes());
        directory.extend(common);
        // No extra field, no comment, first disk, no attributes.
        directory.extend([0; 12]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (begin, size, count) = (bytes.len() as u32, directory.len() as u32, entries.len() as u16);
    bytes.extend(directory);
    bytes.extend(END);
    bytes.extend([0; 4]);
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend(begin.to_le_bytes());
    bytes.extend([0; 2]);
    Ok(bytes)
}

/// The fields common to both headers: from the version to the length of the name.
fn common(name: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    [VERSION, UTF8, 0, 0, DATE].into_iter().for_each(|field| bytes.extend(field.to_le_bytes()));
    let size = data.len() as u32;
    [crc32fast::hash(data), size, size].into_iter().for_each(|field| bytes.extend(field.to_le_bytes()));
    bytes.extend((name.len() as u16).to_le_bytes());
    bytes
}

/// An extra field at `at` after which data start at a multiple of [`ALIGNMENT`].
fn filler(at: usize) -> Vec<u8> {
    let length = (at + 4).next_multiple_of(ALIGNMENT) - (at + 4);
    let mut field = FILLER.to_vec();
    field.extend((length as u16).to_le_bytes());
    field.resize(4 + length, b'Z');
    field
}

#[cfg(test)]
mod tests {
    use super::super::Archive;
    use super::*;

    #[test]
    fn written_archives_are_readable_and_aligned() {
        let entries = [("a/é".to_owned(), Cow::from(vec![1; 100])), ("a/b".to_owned(), Cow::from(vec![]))];
        let bytes = write_archive(&entries).unwrap();
        let archive = Archive::read(&bytes).unwrap();
        assert_eq!(archive.names().collect::<Vec<_>>(), ["a/b", "a/é"]);
        for (name, data) in &entries {
            let found = archive.get(name).unwrap().unwrap();
            assert_eq!(found, &data[..]);
            assert_eq!((found.as_ptr().addr() - bytes.as_ptr().addr()) % ALIGNMENT, 0);
        }
        assert_eq!(archive.get("c").unwrap(), None);
    }
}
