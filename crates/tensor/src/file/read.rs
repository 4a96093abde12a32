//! Reading files within limits.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{kind_of, open_without_waiting};
use crate::buffer::no_memory;
use crate::{Error, Result};

/// Opens the file at `path` for reading and returns it with its length.
///
/// # Errors
/// If it cannot be read, or is a folder, a pipe or a device.
pub fn open(path: &Path) -> Result<(File, u64)> {
    let refuse_other = |found: &fs::Metadata| match found.is_file() {
        true => Ok(()),
        false => Err(refused(path, kind_of(found.file_type()))),
    };
    // Opening a device may already have effects, so the path is checked first. The file may have been replaced
    // since then, so the open file is checked again.
    refuse_other(&fs::metadata(path).map_err(|e| Error::read(path, e))?)?;
    let file = open_without_waiting(OpenOptions::new().read(true), path).map_err(|e| Error::read(path, e))?;
    let found = file.metadata().map_err(|e| Error::read(path, e))?;
    refuse_other(&found)?;
    Ok((file, found.len()))
}

/// Reads the file at `path`, which may have up to `most` bytes.
///
/// # Errors
/// If it cannot be read, is not a file, is larger, or does not fit in memory.
pub fn read_limited(path: &Path, most: u64) -> Result<Vec<u8>> {
    let too_long = |length: u64| refused(path, format!("it has {length} bytes; the limit is {most}"));
    let (file, length) = open(path)?;
    if length > most {
        return Err(too_long(length));
    }
    let mut bytes = Vec::new();
    let capacity = usize::try_from(length).unwrap_or(usize::MAX);
    bytes.try_reserve_exact(capacity).map_err(|_| no_memory(capacity).at(path.display()))?;
    // The file may have grown since then; files such as those in `/proc` claim to be empty.
    let count = file.take(most.saturating_add(1)).read_to_end(&mut bytes);
    let count = count.map_err(|e| Error::read(path, e))? as u64;
    if count > most { Err(too_long(count)) } else { Ok(bytes) }
}

/// Reads the text of the file at `path`, as [`read_limited`].
///
/// # Errors
/// As [`read_limited`], or if it is not UTF-8.
pub fn read_text_limited(path: &Path, most: u64) -> Result<String> {
    let text = String::from_utf8(read_limited(path, most)?);
    text.map_err(|_| refused(path, "it is not UTF-8 text"))
}

/// What tells whether a file has changed: its length and the time of its last change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(u64, SystemTime);

impl Stamp {
    /// The stamp of the file at `path`.
    ///
    /// # Errors
    /// If it does not exist, or the system has no such times.
    pub fn of(path: &Path) -> Result<Stamp> {
        let found = fs::metadata(path);
        let stamp = found.and_then(|found| Ok(Stamp(found.len(), found.modified()?)));
        stamp.map_err(|e| Error::read(path, e))
    }
}

/// An open file, parts of which several threads may read at once.
#[derive(Debug)]
pub struct Parts {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Parts {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(path: &Path) -> Result<Parts> {
        let (file, length) = open(path)?;
        Ok(Parts { file, path: path.to_owned(), length })
    }

    /// The length of the file in bytes when it was opened.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Fills `part` with the bytes from `position`.
    ///
    /// # Errors
    /// If the file ends before, or cannot be read.
    pub fn read(&self, position: u64, part: &mut [u8]) -> Result<()> {
        read_exact_at(&self.file, position, part).map_err(|e| Error::read(&self.path, e))
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, position: u64, part: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, part, position)
}

/// Without a call that reads at a position, threads take turns.
#[cfg(not(unix))]
fn read_exact_at(file: &File, position: u64, part: &mut [u8]) -> std::io::Result<()> {
    use std::io::{Seek, SeekFrom};
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut file = file;
    file.seek(SeekFrom::Start(position))?;
    file.read_exact(part)
}

fn refused(path: &Path, reason: impl Display) -> Error {
    Error::input(format!("cannot read {}: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;

    #[test]
    fn reading_stops_at_the_limit() {
        let folder = Scratch::new();
        let path = folder.path("a");
        fs::write(&path, [b'a', 0xff]).unwrap();
        assert_eq!(read_limited(&path, 2).unwrap(), [b'a', 0xff]);
        for (error, expected) in [
            (read_limited(&path, 1).unwrap_err(), "it has 2 bytes; the limit is 1"),
            (read_text_limited(&path, 2).unwrap_err(), "it is not UTF-8 text"),
            (read_limited(folder.root(), 9).unwrap_err(), "it is a folder, not a file"),
            (
                read_limited(&folder.path("missing"), 9).unwrap_err(),
                "missing: no such file or folder; check the path",
            ),
        ] {
            assert!(error.is_input() && error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn stamp_changes_with_the_file() {
        let folder = Scratch::new();
        let path = folder.path("a");
        assert!(Stamp::of(&path).is_err());
        fs::write(&path, b"1").unwrap();
        let stamp = Stamp::of(&path).unwrap();
        assert_eq!(stamp, Stamp::of(&path).unwrap());
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_ne!(stamp, Stamp::of(&path).unwrap());
        fs::write(&path, b"12").unwrap();
        assert_ne!(stamp, Stamp::of(&path).unwrap());
    }

    #[test]
    fn parts_are_read_at_their_positions() {
        let folder = Scratch::new();
        let path = folder.path("a");
        fs::write(&path, b"0123456789").unwrap();
        let parts = Parts::open(&path).unwrap();
        assert_eq!(parts.length(), 10);
        std::thread::scope(|scope| {
            for first in 0..8u8 {
                let parts = &parts;
                scope.spawn(move || {
                    let mut part = [0; 3];
                    parts.read(u64::from(first), &mut part).unwrap();
                    assert_eq!(part, [0, 1, 2].map(|next| b'0' + first + next));
                });
            }
        });
        assert!(parts.read(8, &mut [0; 3]).unwrap_err().to_string().contains("a: "), "it ends before");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn file_that_claims_to_be_empty_is_read_up_to_the_limit() {
        let path = Path::new("/proc/self/status");
        assert_eq!(fs::metadata(path).unwrap().len(), 0);
        assert!(read_text_limited(path, 1 << 20).unwrap().contains("Pid:"));
        assert!(read_limited(path, 10).unwrap_err().to_string().contains("the limit is 10"));
    }

    #[cfg(unix)]
    #[test]
    fn pipes_devices_and_sockets_are_refused_without_waiting() {
        let folder = Scratch::new();
        let pipe = folder.path("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let socket = folder.path("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, expected) in [
            (pipe.as_path(), "it is a pipe, not a file"),
            (socket.as_path(), "it is a socket, not a file"),
            (Path::new("/dev/zero"), "it is a device, not a file"),
        ] {
            let error = open(path).unwrap_err();
            assert!(error.is_input() && error.to_string().ends_with(expected), "{error}");
        }
        // A pipe that replaced a file after the path was checked.
        let raced = open_without_waiting(OpenOptions::new().read(true), &pipe).unwrap();
        assert!(!raced.metadata().unwrap().is_file());
    }

    #[test]
    fn length_that_memory_cannot_hold_is_an_error() {
        let folder = Scratch::new();
        let path = folder.path("sparse");
        let size = 1 << 43;
        let made = File::create(&path).unwrap().set_len(size);
        // Some file systems do not support files of 8 TiB.
        if made.is_ok() {
            let error = read_limited(&path, u64::MAX).map(drop).unwrap_err();
            assert!(
                error.to_string().contains("sparse: not enough memory: cannot allocate 8796093022208 bytes"),
                "{error}"
            );
        }
    }
}
