//! Files that are written whole or not at all: temporary file, fsync, rename, fsync of the folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use striate_tensor::{Error, Result};

/// What writing a file safely needs of a disk.
pub trait Storage {
    /// Writes a new file and waits until it is on the disk.
    ///
    /// # Errors
    /// As the disk reports.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Puts one file in another's place.
    ///
    /// # Errors
    /// As the disk reports.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Waits until a folder's names are on the disk.
    ///
    /// # Errors
    /// As the disk reports.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// The real disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Storage for Disk {
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        // Only Unix lets a folder be opened and synced.
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }
}

/// Writes `bytes` to `path`: afterwards there is the old file or the new one, never a part.
///
/// # Errors
/// If the disk refuses; the temporary file is removed.
pub fn write_atomically(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let temporary = folder.join(name);
    let store = || -> io::Result<()> {
        storage.write(&temporary, bytes)?;
        storage.rename(&temporary, path)?;
        storage.sync_folder(folder)
    };
    store().map_err(|e| {
        // It may not exist; the first error is what counts.
        let _ = fs::remove_file(&temporary);
        Error::write(path, e)
    })
}
