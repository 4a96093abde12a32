//! Folders: created without following links, listed in order, removed only if Striate created them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::write::TEMPORARY;
use super::{Storage, read_text_limited, write_error, write_through};
use crate::{Error, Result};

/// Name of the file that marks a folder as created by Striate, which may remove it.
const MARKER: &str = ".striate-folder";
/// Content of that file.
const MARK: &str = "Striate made this folder and removes it when it is no longer needed.\n";

/// Creates the folder `path` and its parents, if they do not exist. The folder itself must not be a link.
///
/// # Errors
/// If something else exists there, or creating it fails.
pub fn create_folder(path: &Path) -> Result<()> {
    let refused = |e: &io::Error| write_error(path, e);
    // An existing link to a folder would be mistaken for one.
    if !path.is_symlink() {
        fs::create_dir_all(path).map_err(|e| refused(&e))?;
    }
    let found = fs::symlink_metadata(path).map_err(|e| refused(&e))?;
    match found.is_dir() {
        true => Ok(()),
        false if found.is_symlink() => Err(refused(&super::link_error())),
        false => Err(refused(&io::ErrorKind::NotADirectory.into())),
    }
}

/// Creates the folder `path` and its parents; returns whether it is new.
///
/// # Errors
/// If writing fails.
pub fn create_new_folder(path: &Path) -> Result<bool> {
    fs::create_dir_all(super::folder_of(path)).map_err(|e| write_error(path, &e))?;
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(write_error(path, &e)),
    }
}

/// Removes the folder `path` if it is empty. For callers that created it themselves; failures are
/// ignored.
pub fn remove_empty_folder(path: &Path) {
    // A leftover folder does no harm.
    let _ = fs::remove_dir(path);
}

/// Returns the paths of a folder's entries, sorted by name.
///
/// # Errors
/// If it is not a folder, or cannot be read.
pub fn list_folder(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>());
    let mut paths = entries.map_err(|e| Error::read(path, e))?;
    paths.sort();
    Ok(paths)
}

/// Creates the folder `path` with Striate's marker. An existing folder must be marked or empty.
///
/// # Errors
/// If it contains anything not created by Striate, is a link, or writing fails.
pub fn create_marked(storage: &dyn Storage, path: &Path) -> Result<()> {
    create_folder(path)?;
    if is_marked(path) {
        return Ok(());
    }
    if list_folder(path)?.iter().any(|entry| !is_leftover(entry)) {
        let path = path.display();
        return Err(Error::input(format!(
            "cannot write {path}: Striate did not create this folder; move it elsewhere"
        )));
    }
    write_through(storage, &path.join(MARKER), MARK.as_bytes())
}

/// Returns whether `path` is a folder, not a link to one, with Striate's marker.
pub fn is_marked(path: &Path) -> bool {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let marker = path.join(MARKER);
    let is_file = fs::symlink_metadata(&marker).is_ok_and(|found| found.is_file());
    is_folder && is_file && read_text_limited(&marker, 4096).is_ok_and(|text| text == MARK)
}

/// Removes `files` from the folder `path` in this order, then the marker and the folder. If it contains anything
/// else, that and the folder are kept.
///
/// # Errors
/// If the folder is not marked, or removing fails.
pub fn remove_marked(storage: &dyn Storage, path: &Path, files: &[&str]) -> Result<()> {
    if !is_marked(path) {
        let path = path.display();
        return Err(Error::input(format!("cannot remove {path}: Striate did not create this folder")));
    }
    let remove = |path: &Path| storage.remove(path).map_err(|e| write_error(path, &e));
    for name in files {
        let file = path.join(name);
        let is_folder = fs::symlink_metadata(&file).is_ok_and(|found| found.is_dir());
        if !is_folder {
            remove(&file)?;
        }
    }
    remove_leftovers(storage, path)?;
    if list_folder(path)?.iter().all(|entry| entry.ends_with(MARKER)) {
        remove(&path.join(MARKER))?;
        remove(path)?;
    }
    Ok(())
}

/// Removes temporary files of killed processes from the folder `path`. No process may be writing
/// there.
///
/// # Errors
/// If the folder cannot be read, or removing fails.
pub fn remove_leftovers(storage: &dyn Storage, path: &Path) -> Result<()> {
    for entry in list_folder(path)?.iter().filter(|entry| is_leftover(entry)) {
        storage.remove(entry).map_err(|e| write_error(entry, &e))?;
    }
    Ok(())
}

fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let is_folder = || fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    name.starts_with(b".") && name.ends_with(TEMPORARY.as_bytes()) && !is_folder()
}

#[cfg(test)]
mod tests {
    use super::super::Disk;
    use super::super::scratch::Scratch;
    use super::*;

    #[test]
    fn folder_without_the_marker_is_never_removed() {
        let folder = Scratch::new();
        let path = folder.path("step-1");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("state"), "of the user").unwrap();
        let error = remove_marked(&Disk, &path, &["state"]).unwrap_err();
        assert!(error.to_string().contains("Striate did not create this folder"), "{error}");
        let error = create_marked(&Disk, &path).unwrap_err();
        assert!(error.is_input() && error.to_string().contains("step-1"), "{error}");
        fs::write(path.join(MARKER), "something else").unwrap();
        assert!(!is_marked(&path));
        assert_eq!(fs::read_to_string(path.join("state")).unwrap(), "of the user");
    }

    #[test]
    fn only_named_files_of_a_marked_folder_are_removed() {
        let folder = Scratch::new();
        let path = folder.path("step-1");
        create_marked(&Disk, &path).unwrap();
        create_marked(&Disk, &path).unwrap();
        fs::write(path.join("state"), "x").unwrap();
        fs::write(path.join(format!(".state.a1{TEMPORARY}")), "x").unwrap();
        fs::write(path.join("notes"), "of the user").unwrap();
        fs::create_dir(path.join("manifest")).unwrap();
        remove_marked(&Disk, &path, &["manifest", "state"]).unwrap();
        let left: Vec<_> = list_folder(&path).unwrap();
        assert_eq!(left, [MARKER, "manifest", "notes"].map(|name| path.join(name)));
        fs::remove_dir(path.join("manifest")).unwrap();
        fs::remove_file(path.join("notes")).unwrap();
        remove_marked(&Disk, &path, &["manifest", "state"]).unwrap();
        assert!(folder.names().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn links_to_folders_are_neither_used_nor_removed() {
        use std::os::unix::fs::symlink;
        let folder = Scratch::new();
        let (target, link) = (folder.path("target"), folder.path("link"));
        create_marked(&Disk, &target).unwrap();
        symlink(&target, &link).unwrap();
        symlink(folder.path("missing"), folder.path("dangling")).unwrap();
        assert!(is_marked(&target) && !is_marked(&link));
        for result in [
            create_folder(&link),
            create_folder(&folder.path("dangling")),
            create_marked(&Disk, &link),
            remove_marked(&Disk, &link, &[]),
        ] {
            assert!(result.unwrap_err().is_input());
        }
        assert_eq!(folder.names(), ["dangling", "link", "target"]);
        assert!(!create_new_folder(&link).unwrap() && create_new_folder(&folder.path("a/b")).unwrap());
    }

    #[test]
    fn files_in_place_of_folders_are_refused() {
        let folder = Scratch::new();
        fs::write(folder.path("file"), "x").unwrap();
        for path in [folder.path("file"), folder.path("file/inside")] {
            assert!(create_folder(&path).unwrap_err().is_input());
            assert!(list_folder(&path).unwrap_err().is_input());
        }
    }
}
