//! The lock of a run folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::{open_without_following, write_error};
use crate::{Error, Result};

/// Name of the lock file in a run folder.
const NAME: &str = "run.lock";

/// Excludes other processes from a run folder. The operating system releases the lock when the process ends for any
/// reason, so a lock file left by a killed process does not block.
#[derive(Debug)]
pub struct RunLock {
    /// Holds the lock as long as it is open.
    _file: File,
}

impl RunLock {
    /// Locks the folder `run` and writes the ID of this process to its lock file.
    ///
    /// # Errors
    /// If another process holds the lock (the message has its ID), or the lock file cannot be written or is
    /// not a regular file.
    pub fn acquire(run: &Path) -> Result<RunLock> {
        let path = run.join(NAME);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = open_without_following(&mut options, &path).map_err(|e| write_error(&path, &e))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(in_use(run, &mut file)),
            // On a file system without locks, other processes cannot be excluded.
            Err(TryLockError::Error(_)) => return Ok(RunLock { _file: file }),
            Ok(()) => {}
        }
        let note_id = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        note_id(&mut file).map_err(|e| write_error(&path, &e))?;
        Ok(RunLock { _file: file })
    }
}

fn in_use(run: &Path, file: &mut File) -> Error {
    let mut text = String::new();
    // An unreadable ID is not shown.
    let _ = file.take(32).read_to_string(&mut text);
    let process = match text.trim().parse::<u32>() {
        Ok(id) => format!("process {id}"),
        Err(_) => "another process".into(),
    };
    let run = run.display();
    Error::input(format!("{run} is in use by {process}; wait for it to end, or choose another folder"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::scratch::Scratch;
    use super::*;

    #[test]
    fn second_lock_is_refused_with_the_process_id_of_the_first() {
        let folder = Scratch::new();
        let lock = RunLock::acquire(folder.root()).unwrap();
        let error = RunLock::acquire(folder.root()).unwrap_err();
        let expected = format!("is in use by process {};", std::process::id());
        assert!(error.is_input() && error.to_string().contains(&expected), "{error}");
        drop(lock);
        RunLock::acquire(folder.root()).unwrap();
    }

    #[test]
    fn lock_file_of_an_ended_process_does_not_block() {
        let folder = Scratch::new();
        fs::write(folder.path(NAME), "1\nand more than a process id\n").unwrap();
        let _lock = RunLock::acquire(folder.root()).unwrap();
        assert_eq!(fs::read_to_string(folder.path(NAME)).unwrap(), format!("{}\n", std::process::id()));
    }

    #[cfg(unix)]
    #[test]
    fn lock_file_that_is_a_link_is_refused() {
        let folder = Scratch::new();
        fs::write(folder.path("precious"), "of the user").unwrap();
        std::os::unix::fs::symlink(folder.path("precious"), folder.path(NAME)).unwrap();
        assert!(RunLock::acquire(folder.root()).unwrap_err().is_input());
        assert_eq!(fs::read_to_string(folder.path("precious")).unwrap(), "of the user");
    }
}
