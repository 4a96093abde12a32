//! The one module that opens, writes and removes files; a test of conventions keeps raw `std::fs` calls out of all
//! other code.
//!
//! * **Reading** ([`open`], [`Parts`], [`read_limited`], [`read_text_limited`], [`list_folder`]) follows links, which
//!   users rely on to arrange their data, but refuses pipes, devices and folders without waiting for
//!   them, and never reads more bytes than the caller allows.
//! * **Writing** ([`write_atomically`], [`create_folder`], [`open_part`]) never follows a link in the last
//!   component of a path. A file gets its name only after its content is on the disk.
//! * **Removing** ([`remove_file`], [`remove_marked`]) never descends into folders: from a folder with
//!   Striate's marker, the listed files are removed, and then the folder if it is empty.
//! * **Locking** ([`RunLock`]) excludes other processes from a run folder; the lock ends with its process.

mod folder;
mod lock;
mod place;
mod read;
mod write;

use std::fs::{File, FileType, OpenOptions};
use std::io;
use std::path::Path;

pub use folder::{
    create_folder, create_marked, create_new_folder, is_marked, list_folder, remove_empty_folder,
    remove_leftovers, remove_marked,
};
pub use lock::RunLock;
pub use place::{is_same_file, is_stream, lies_in};
pub use read::{Parts, Stamp, open, read_limited, read_text_limited};
pub use write::{
    Disk, Storage, open_part, remove_file, write_atomically, write_error, write_stream, write_through,
};

/// Opens `path` with `options`, without ever waiting for the other end of a pipe or making a terminal
/// the controlling one.
fn open_without_waiting(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NONBLOCK | libc::O_NOCTTY);
    options.open(path)
}

/// Opens `path` as [`open_without_waiting`], but refuses a link in place of the file.
fn open_without_following(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    if path.is_symlink() {
        return Err(link_error());
    }
    #[cfg(unix)]
    {
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_NOFOLLOW;
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, flags);
    }
    let file = options.open(path).map_err(|e| if path.is_symlink() { link_error() } else { e })?;
    let found = file.metadata()?.file_type();
    if found.is_file() { Ok(file) } else { Err(io::Error::other(kind_of(found))) }
}

fn link_error() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is a link, which is not followed; remove it")
}

/// Names the kind of something that is not a file.
fn kind_of(found: FileType) -> &'static str {
    if found.is_dir() {
        return "it is a folder, not a file";
    }
    if found.is_symlink() {
        return "it is a link, not a file";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if found.is_fifo() {
            return "it is a pipe, not a file";
        }
        if found.is_socket() {
            return "it is a socket, not a file";
        }
    }
    "it is a device, not a file"
}

/// Returns the folder that contains `path`: `.` for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod scratch {
    //! Test folders.

    use std::path::{Path, PathBuf};

    /// A new empty folder, removed when the test ends.
    pub struct Scratch(tempfile::TempDir);

    impl Scratch {
        pub fn new() -> Scratch {
            Scratch(tempfile::tempdir().unwrap())
        }

        pub fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        pub fn root(&self) -> &Path {
            self.0.path()
        }

        /// The names in the folder, sorted.
        pub fn names(&self) -> Vec<String> {
            let paths = super::list_folder(self.root()).unwrap();
            paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        }
    }
}
