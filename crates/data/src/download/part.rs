//! A partially downloaded file, kept on disk so that the next attempt can resume.

use std::fs::{File, TryLockError};
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;

use striate_tensor::file::{Storage, open_part, remove_file, write_error};
use striate_tensor::{Error, Result};

use crate::get::advised;

/// The part file of a download, locked against other processes.
pub(super) struct Part<'a> {
    path: PathBuf,
    file: File,
    len: u64,
    received: u64,
    storage: &'a dyn Storage,
}

impl<'a> Part<'a> {
    /// Opens the part file at `path`, creating it if it does not exist.
    pub fn open(path: PathBuf, storage: &'a dyn Storage) -> Result<Part<'a>> {
        let file = open_part(&path).map_err(advised)?;
        // Some file systems do not support locks; downloads there are not locked.
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            let what = "is being downloaded by another process; wait for it, then try again";
            return Err(Error::failed(format!("{} {what}", path.display())));
        }
        let len = file.metadata().map_err(|e| Error::read(&path, e))?.len();
        Ok(Part { path, file, len, received: 0, storage })
    }

    /// Returns the number of bytes present.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns the number of bytes appended in total, including discarded ones, as a measure of progress.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Appends `bytes`.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let seek = self.file.seek(SeekFrom::Start(self.len));
        let written = seek.and_then(|_| self.storage.write(&mut self.file, &self.path, bytes));
        written.map_err(|e| advised(write_error(&self.path, &e)))?;
        self.len += bytes.len() as u64;
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// Discards the content.
    pub fn clear(&mut self) -> Result<()> {
        self.len = 0;
        self.file.set_len(0).map_err(|e| advised(write_error(&self.path, &e)))
    }

    /// Returns the file for reading.
    pub fn content(&self) -> Result<File> {
        self.file.try_clone().map_err(|e| Error::read(&self.path, e))
    }

    /// Deletes the part file.
    pub fn remove(self) {
        let Part { path, file, .. } = self;
        // Some systems cannot delete an open file.
        drop(file);
        // A part file left behind does no harm.
        let _ = remove_file(&path);
    }
}
