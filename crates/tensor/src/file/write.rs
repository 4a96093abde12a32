//! Writes files completely or not at all: random temporary name, fsync, rename, fsync of the folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::{folder_of, is_stream, open_without_following};
use crate::{Error, Result};

/// Extension of temporary files. Killed processes leave them behind; [`super::remove_leftovers`] finds
/// them by it.
pub(super) const TEMPORARY: &str = ".striate-part";

/// The disk operations needed to write safely. Tests replace them with a disk that fails.
pub trait Storage {
    /// Writes `bytes` to `file` at its current position; `target` is the name that the file has or will get.
    ///
    /// # Errors
    /// If the operation fails.
    fn write(&self, file: &mut File, target: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Waits until the content of `file` is on the disk.
    ///
    /// # Errors
    /// If the operation fails.
    fn sync(&self, file: &File, target: &Path) -> io::Result<()>;
    /// Renames a file, replacing anything at `to`.
    ///
    /// # Errors
    /// If the operation fails.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Waits until the names in a folder are on the disk.
    ///
    /// # Errors
    /// If the operation fails.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Removes a file, a link or an empty folder; it is not an error if nothing is there.
    ///
    /// # Errors
    /// If the operation fails.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The real disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Storage for Disk {
    fn write(&self, file: &mut File, _: &Path, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File, _: &Path) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        // Only Unix can open and sync a folder.
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => fs::remove_dir(path),
            Ok(_) => fs::remove_file(path),
            Err(e) => Err(e),
        };
        removed.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
    }
}

/// Writes `bytes` to `path`: afterwards, either the old file exists or the new one, never a partial one. A link at
/// `path` is replaced, not followed. The file gets the process's default permissions.
///
/// # Errors
/// If writing fails; nothing is left behind.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    write_through(&Disk, path, bytes)
}

/// Writes as [`write_atomically`], through `storage`.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_through(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<()> {
    replace(storage, path, bytes).map_err(|e| write_error(path, &e))
}

fn replace(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path does not end in a file name"))?;
    if path.is_dir() && !path.is_symlink() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let folder = folder_of(path);
    // The name may be as long as the file system allows; its beginning tells the user what this was.
    let name: String = name.to_string_lossy().chars().take(32).collect();
    let mut builder = tempfile::Builder::new();
    let prefix = format!(".{name}.");
    builder.prefix(&prefix).suffix(TEMPORARY);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let made = builder.tempfile_in(folder).map_err(|e| without_path(&e))?;
    let (mut file, mut temporary) = made.into_parts();
    let stored = storage
        .write(&mut file, path, bytes)
        .and_then(|()| storage.sync(&file, path))
        .and_then(|()| storage.rename(&temporary, path));
    temporary.disable_cleanup(true);
    match stored {
        Ok(()) => storage.sync_folder(folder),
        Err(e) => {
            // The first error is reported.
            let _ = storage.remove(&temporary);
            Err(e)
        }
    }
}

/// Returns the error without the random name of a temporary file, which is meaningless to users.
fn without_path(error: &io::Error) -> io::Error {
    let text = error.to_string();
    let cause = text.split_once(" at path ").map_or(text.as_str(), |(cause, _)| cause);
    io::Error::new(error.kind(), cause.to_owned())
}

/// Returns the error of a file that could not be written: the input is at fault if the path cannot be
/// written by this user, the job if the disk failed.
pub fn write_error(path: &Path, cause: &io::Error) -> Error {
    use io::ErrorKind::{
        AlreadyExists, InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound,
        PermissionDenied, ReadOnlyFilesystem,
    };
    let error = Error::write(path, cause);
    match cause.kind() {
        AlreadyExists | InvalidFilename | InvalidInput | IsADirectory | NotADirectory | NotFound
        | PermissionDenied | ReadOnlyFilesystem => Error::input(error.to_string()),
        _ => error,
    }
}

/// Writes `bytes` to a pipe, terminal or device at `path`, and returns whether there was one. Does nothing if there is
/// a file, a folder or nothing at `path`.
///
/// # Errors
/// If writing fails.
pub fn write_stream(path: &Path, bytes: &[u8]) -> Result<bool> {
    if !is_stream(path) {
        return Ok(false);
    }
    let write = || {
        // A pipe is waited for here, because the user named it explicitly.
        let mut file = OpenOptions::new().write(true).open(path)?;
        let found = file.metadata()?;
        match !found.is_file() && !found.is_dir() {
            true => file.write_all(bytes),
            false => Err(io::Error::other("it was replaced while being opened")),
        }
    };
    write().map_err(|e| write_error(path, &e))?;
    Ok(true)
}

/// Opens the file at `path` for reading and writing, or creates it. A link is not followed.
///
/// # Errors
/// If it cannot be opened, or is not a file.
pub fn open_part(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    open_without_following(&mut options, path).map_err(|e| write_error(path, &e))
}

/// Removes a file or a link; it is not an error if nothing is there.
///
/// # Errors
/// If it is a folder, or cannot be removed.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(write_error(path, &e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;

    /// A disk that is full after half of a file.
    struct Full;

    impl Storage for Full {
        fn write(&self, file: &mut File, target: &Path, bytes: &[u8]) -> io::Result<()> {
            Disk.write(file, target, &bytes[..bytes.len() / 2])?;
            Err(io::ErrorKind::StorageFull.into())
        }

        fn sync(&self, file: &File, target: &Path) -> io::Result<()> {
            Disk.sync(file, target)
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
    fn full_disk_leaves_the_old_file_and_nothing_else() {
        let folder = Scratch::new();
        let path = folder.path("model.safetensors");
        write_atomically(&path, b"old").unwrap();
        let error = write_through(&Full, &path, b"new and longer").unwrap_err();
        assert!(!error.is_input() && error.to_string().contains("model.safetensors"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(folder.names(), ["model.safetensors"]);
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(folder.names(), ["model.safetensors"]);
    }

    #[test]
    fn unwritable_path_is_an_input_error() {
        let folder = Scratch::new();
        fs::create_dir(folder.path("folder")).unwrap();
        let (missing, name) = (folder.path("missing/file"), folder.path(&"x".repeat(300)));
        for path in [Path::new("/"), Path::new(".."), Path::new(""), &folder.path("folder"), &missing, &name]
        {
            let error = write_atomically(path, b"x").unwrap_err();
            assert!(error.is_input(), "{}: {error}", path.display());
        }
        assert_eq!(folder.names(), ["folder"]);
        write_atomically(&folder.path(&"x".repeat(255)), b"x").unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn error_names_the_target_and_not_the_temporary_file() {
        let error = write_atomically(Path::new("/proc/page.html"), b"x").unwrap_err();
        assert!(error.is_input(), "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with("cannot write /proc/page.html: ")
                && text.ends_with("no such file or folder; check the path"),
            "{text}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn link_at_the_target_is_replaced_and_its_own_target_kept() {
        use std::os::unix::fs::symlink;
        let folder = Scratch::new();
        fs::write(folder.path("precious"), "of the user").unwrap();
        fs::create_dir(folder.path("folder")).unwrap();
        for named in ["precious", "folder", "missing"] {
            symlink(folder.path(named), folder.path("out")).unwrap();
            write_atomically(&folder.path("out"), b"new").unwrap();
            assert!(!folder.path("out").is_symlink());
            assert_eq!(fs::read(folder.path("out")).unwrap(), b"new");
            fs::remove_file(folder.path("out")).unwrap();
        }
        assert_eq!(fs::read_to_string(folder.path("precious")).unwrap(), "of the user");
        assert_eq!(folder.names(), ["folder", "precious"]);
    }

    #[cfg(unix)]
    #[test]
    fn new_files_have_the_permissions_of_the_process() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Scratch::new();
        let mode = |name: &str| fs::metadata(folder.path(name)).unwrap().permissions().mode();
        File::create(folder.path("usual")).unwrap();
        write_atomically(&folder.path("atomic"), b"x").unwrap();
        assert_eq!(mode("atomic"), mode("usual"));
    }

    #[cfg(unix)]
    #[test]
    fn part_files_are_neither_links_nor_pipes() {
        let folder = Scratch::new();
        fs::write(folder.path("precious"), "of the user").unwrap();
        std::os::unix::fs::symlink(folder.path("precious"), folder.path("link")).unwrap();
        let pipe = folder.path("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for (name, expected) in [("link", "it is a link"), ("pipe", "it is a pipe"), ("", "cannot write")] {
            let error = open_part(&folder.path(name)).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
        open_part(&folder.path("new")).unwrap().write_all(b"abc").unwrap();
        open_part(&folder.path("new")).unwrap().write_all(b"x").unwrap();
        assert_eq!(fs::read(folder.path("new")).unwrap(), b"xbc");
    }

    #[cfg(unix)]
    #[test]
    fn streams_receive_bytes_and_files_are_untouched() {
        let folder = Scratch::new();
        fs::write(folder.path("file"), "old").unwrap();
        assert!(write_stream(Path::new("/dev/null"), b"x").unwrap());
        for name in ["file", "missing", "."] {
            assert!(!write_stream(&folder.path(name), b"x").unwrap());
        }
        assert_eq!(fs::read(folder.path("file")).unwrap(), b"old");
        assert_eq!(folder.names(), ["file"]);
        assert!(!write_stream(Path::new("/dev/full"), b"x").unwrap_err().is_input());
    }
}
