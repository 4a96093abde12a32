//! What has come of a file: it lies on the disk, so that the next attempt goes on from there.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;

use striate_tensor::{Error, Result};

use crate::get::{Disk, unwritten};

/// The part file of one download; no second process writes it at the same time.
pub(super) struct Part<'a> {
    path: PathBuf,
    file: File,
    len: u64,
    received: u64,
    disk: &'a dyn Disk,
}

impl<'a> Part<'a> {
    /// The part at `path`, new or as it was left.
    pub fn open(path: PathBuf, disk: &'a dyn Disk) -> Result<Part<'a>> {
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = open().map_err(|e| unwritten(&path, e))?;
        // Where the file system knows no locks, there is none.
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            let what = "is being fetched by another process; wait for it, then try again";
            return Err(Error::failed(format!("{} {what}", path.display())));
        }
        let len = file.metadata().map_err(|e| Error::read(&path, e))?.len();
        Ok(Part { path, file, len, received: 0, disk })
    }

    /// Bytes that are here.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Bytes that have been added, also those that were dropped again: it grows with all progress.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Adds what has come.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let seek = self.file.seek(SeekFrom::Start(self.len));
        let written = seek.and_then(|_| self.disk.write_all(&mut self.file, bytes));
        written.map_err(|e| unwritten(&self.path, e))?;
        self.len += bytes.len() as u64;
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// Drops everything.
    pub fn clear(&mut self) -> Result<()> {
        self.len = 0;
        self.file.set_len(0).map_err(|e| unwritten(&self.path, e))
    }

    /// The file to read.
    pub fn content(&self) -> Result<File> {
        self.file.try_clone().map_err(|e| Error::read(&self.path, e))
    }

    /// The file is of no use any more.
    pub fn remove(self) {
        let Part { path, file, .. } = self;
        // Some systems keep the name of a file that is open.
        drop(file);
        // One that stays does no harm.
        let _ = std::fs::remove_file(path);
    }
}
