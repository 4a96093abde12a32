//! Files that are written whole or not at all: temporary file, fsync, rename, fsync of the folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use striate_tensor::{Error, Result};

/// What writing a file safely needs of a disk; tests put one in its place that fails.
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
    /// Removes a file, or a folder with what it holds; what is not there is no error.
    ///
    /// # Errors
    /// As the disk reports.
    fn remove(&self, path: &Path) -> io::Result<()>;
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

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(path),
            Ok(_) => fs::remove_file(path),
            Err(e) => Err(e),
        };
        removed.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
    }
}

/// Writes `bytes` to `path`: afterwards there is the old file or the new one, never a part.
///
/// # Errors
/// If the disk refuses; the temporary file is removed.
pub fn write_atomically(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.file_name().ok_or_else(|| Error::write(path, "it ends in no file name"))?;
    let folder = folder_of(path);
    let mut temporary = name.to_owned();
    temporary.push(".part");
    let temporary = folder.join(temporary);
    let store = || -> io::Result<()> {
        storage.write(&temporary, bytes)?;
        storage.rename(&temporary, path)?;
        storage.sync_folder(folder)
    };
    store().map_err(|e| {
        // The first error is what counts.
        let _ = storage.remove(&temporary);
        Error::write(path, e)
    })
}

/// The folder that holds `path`; `.` for a bare name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that takes half of a file, then is full.
    struct Full;

    impl Storage for Full {
        fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
            Disk.write(path, &bytes[..bytes.len() / 2])?;
            Err(io::ErrorKind::StorageFull.into())
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            Disk.rename(from, to)
        }

        fn sync_folder(&self, folder: &Path) -> io::Result<()> {
            Disk.sync_folder(folder)
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            Disk.remove(path)
        }
    }

    #[test]
    fn a_full_disk_leaves_the_old_file_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("striate-full-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("model.safetensors");
        write_atomically(&Disk, &path, b"old").unwrap();
        let error = write_atomically(&Full, &path, b"new and longer").unwrap_err();
        assert!(!error.is_input() && error.to_string().contains("model.safetensors"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        write_atomically(&Disk, &path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        Disk.remove(&folder).unwrap();
        Disk.remove(&folder).unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn a_path_without_a_file_name_is_refused() {
        for path in ["/", "..", ""] {
            assert!(write_atomically(&Disk, Path::new(path), b"x").is_err(), "{path:?}");
        }
    }
}
