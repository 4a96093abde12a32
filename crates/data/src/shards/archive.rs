//! The members of a tar archive, from its headers alone.

use std::path::Path;

use striate_tensor::file::Parts;
use striate_tensor::text::printable;
use striate_tensor::{Error, Result, zeroed};
use tar::{EntryType, Header, PaxExtensions};

use super::sample::Member;

/// The unit of an archive in bytes.
const BLOCK: u64 = 512;
/// Longest name, or list of extended attributes, in bytes.
const LONGEST_EXTENSION: u64 = 1 << 16;

/// What an extension header says about the next member.
#[derive(Default)]
struct Extended {
    name: Option<String>,
    length: Option<u64>,
}

/// Returns the regular files in the archive `file` at `path`, in order.
///
/// # Errors
/// If it is not an intact archive.
pub(super) fn members(path: &Path, file: &Parts) -> Result<Vec<Member>> {
    let damaged = |position: u64, what: &str| {
        Error::input(format!("is not an intact tar archive ({what} at byte {position})")).at(path.display())
    };
    let (mut members, mut extended) = (Vec::new(), Extended::default());
    let mut position = 0;
    loop {
        let mut header = Header::new_old();
        if position + BLOCK > file.length() {
            return Err(damaged(position, "it ends without an end mark"));
        }
        file.read(position, header.as_mut_bytes())?;
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            return Ok(members);
        }
        let sum: u32 = header.as_bytes().iter().map(|byte| u32::from(*byte)).sum();
        let field: u32 = header.as_bytes()[148..156].iter().map(|byte| u32::from(*byte)).sum();
        // The field of the checksum counts as spaces.
        if header.cksum().ok() != Some(sum - field + 8 * 32) {
            return Err(damaged(position, "wrong checksum of a header"));
        }
        let start = position + BLOCK;
        let own = header.entry_size().map_err(|_| damaged(position, "unreadable length"))?;
        let kind = header.entry_type();
        let length = if kind.is_file() { extended.length.unwrap_or(own) } else { own };
        let end = start.checked_add(length).filter(|end| *end <= file.length());
        let Some(end) = end else { return Err(damaged(position, "a member is cut off")) };
        match kind {
            EntryType::GNULongName | EntryType::XHeader if length > LONGEST_EXTENSION => {
                return Err(damaged(position, "an extension header is too long"));
            }
            EntryType::GNULongName => {
                let mut bytes = zeroed(length as usize)?;
                file.read(start, &mut bytes)?;
                let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
                extended.name = Some(printable(&String::from_utf8_lossy(name)).into_owned());
            }
            EntryType::XHeader => {
                let mut bytes = zeroed(length as usize)?;
                file.read(start, &mut bytes)?;
                extended.take(&bytes);
            }
            kind => {
                let Extended { name, .. } = std::mem::take(&mut extended);
                if kind.is_file() {
                    let own = || printable(&String::from_utf8_lossy(&header.path_bytes())).into_owned();
                    members.push(Member { name: name.unwrap_or_else(own), start, length });
                }
            }
        }
        position = end.next_multiple_of(BLOCK);
    }
}

impl Extended {
    /// Takes name and length from extended attributes.
    fn take(&mut self, bytes: &[u8]) {
        for attribute in PaxExtensions::new(bytes).flatten() {
            match (attribute.key(), attribute.value()) {
                (Ok("path"), Ok(path)) => self.name = Some(printable(path).into_owned()),
                (Ok("size"), Ok(size)) => self.length = size.parse().ok(),
                _ => {}
            }
        }
    }
}
