//! Gets data sets of known files: copies or downloads them, verifies their checksums, and stores them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use striate_tensor::file::{Disk, Storage, create_folder, open, write_through};
use striate_tensor::{Error, Result};

use crate::MnistKind;
#[cfg(feature = "download")]
use crate::download::{DownloadProgress, Fetcher, Timeouts, mirrors};
use crate::idx::unpacking;

/// The name of a known file and the MD5 of its unpacked content.
pub(crate) type Listed<'a> = (&'a str, &'a str);

/// Largest size of a file, packed or not; the largest known file has 47,040,016 bytes.
pub(crate) const MAX_BYTES: u64 = 64 << 20;

/// A verified data set in the data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Folder of its files.
    pub folder: PathBuf,
    /// The files, in the order of the list.
    pub files: Vec<FetchedFile>,
}

/// A verified file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedFile {
    /// Name in the folder.
    pub name: String,
    /// Unpacked length.
    pub bytes: u64,
    /// Where it came from.
    pub source: Source,
}

/// Where a file came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// It was already in the data folder.
    Present,
    /// Copied from this file.
    File(PathBuf),
    /// Downloaded from this address.
    Web(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Present => f.write_str("present"),
            Source::File(path) => write!(f, "{}", path.display()),
            Source::Web(address) => f.write_str(address),
        }
    }
}

/// Returns the data folder: `$STRIATE_DATA`, or else `striate` in the platform's cache folder.
///
/// # Errors
/// If neither is known.
pub fn data_folder() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = variable("STRIATE_DATA") {
        return Ok(folder);
    }
    let cache = if cfg!(target_os = "windows") {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library/Caches"))
    } else {
        variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))
    };
    cache
        .map(|cache| cache.join("striate"))
        .ok_or_else(|| Error::input("the cache folder is unknown; set STRIATE_DATA to a folder for data"))
}

/// Copies the four files of `kind`, plain or compressed, from the folder `from` to the data folder. All are verified
/// before any is stored, and each is stored completely or not at all.
///
/// # Errors
/// If a file is missing, has a wrong checksum, or cannot be stored.
pub fn get(kind: MnistKind, from: &Path) -> Result<Fetched> {
    if !from.is_dir() {
        let what = format!("{}: not a folder; give the folder with the four IDX files", from.display());
        return Err(Error::input(what));
    }
    let folder = data_folder()?.join(kind.name());
    let mut verified = Vec::new();
    for listed in kind.files() {
        let source = find_file(from, listed.0)?;
        let content = unpacked(open(&source)?.0).map_err(|e| Error::read(&source, e))?;
        if let Some(sums) = mismatch(&content, listed) {
            let what = format!("is not the expected {} ({sums}); download it again", listed.0);
            return Err(Error::input(what).at(source.display()));
        }
        verified.push((listed.0, source, content));
    }
    create_folder(&folder).map_err(advised)?;
    let mut files = Vec::new();
    for (name, source, content) in verified {
        store(&Disk, &folder.join(name), &content)?;
        files.push(FetchedFile {
            name: name.into(),
            bytes: content.len() as u64,
            source: Source::File(source),
        });
    }
    Ok(Fetched { folder, files })
}

/// Downloads the files of `kind` that are not yet in the data folder, from the mirrors in `$STRIATE_MIRROR` or else
/// from the built-in ones, and stores each after verifying its checksum. Partial downloads are kept, and the next call
/// resumes them.
///
/// The addresses of the built-in mirrors are untested.
///
/// # Errors
/// If `$STRIATE_MIRROR` contains anything but HTTP(S) addresses, no mirror provides a file, or a file cannot be stored.
#[cfg(feature = "download")]
pub fn download(kind: MnistKind, progress: &mut dyn DownloadProgress) -> Result<Fetched> {
    let mirrors = mirrors(kind.mirrors())?;
    let folder = data_folder()?.join(kind.name());
    let mut fetcher = Fetcher::new(Timeouts::default(), &Disk, progress);
    let files = fetcher.fetch_missing(&kind.files(), mirrors, &folder)?;
    Ok(Fetched { folder, files })
}

/// Writes a file of a data set completely or not at all.
pub(crate) fn store(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<()> {
    write_through(storage, path, bytes).map_err(advised)
}

/// Adds what to do about a data folder that cannot be written.
pub(crate) fn advised(error: Error) -> Error {
    error.advising("free space there, or set STRIATE_DATA to another folder")
}

/// Returns the unpacked content of a file, truncated at the largest size of a known file.
pub(crate) fn unpacked(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    unpacking(file)?.bytes.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns both checksums if that of `bytes` is not the expected one.
pub(crate) fn mismatch(bytes: &[u8], (_, wanted): Listed<'_>) -> Option<String> {
    let sum: String = Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    (sum != wanted).then(|| format!("MD5 {sum}, not {wanted}"))
}

/// Finds the file `name` in `folder`, also in the spelling with a dot before `idx`, also compressed.
fn find_file(folder: &Path, name: &str) -> Result<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    let candidates = [name.to_owned(), format!("{name}.gz"), dotted.clone(), format!("{dotted}.gz")];
    let found = candidates.iter().map(|candidate| folder.join(candidate)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let folder = folder.display();
        Error::input(format!("{folder} has no {name} (or {name}.gz); it needs all four IDX files"))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn files_are_found_under_every_name_and_checked() {
        let folder = Scratch::new();
        let name = "train-images-idx3-ubyte";
        assert!(find_file(folder.path(), name).unwrap_err().to_string().contains(name));
        for other in
            ["train-images.idx3-ubyte.gz", "train-images.idx3-ubyte", "train-images-idx3-ubyte.gz", name]
        {
            let path = folder.file(other, b"abc");
            assert_eq!(find_file(folder.path(), name).unwrap(), path);
        }
        assert_eq!(mismatch(b"abc", (name, "900150983cd24fb0d6963f7d28e17f72")), None);
        assert!(mismatch(b"abd", (name, "900150983cd24fb0d6963f7d28e17f72")).unwrap().starts_with("MD5 "));
    }

    #[test]
    fn storing_leaves_no_temporary_files() {
        let folder = Scratch::new();
        let path = folder.path().join("x-ubyte");
        for bytes in [&b"first"[..], b"second"] {
            store(&Disk, &path, bytes).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        let blocked = folder.file("blocked/inside", b"").parent().unwrap().to_owned();
        assert!(store(&Disk, &blocked, b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
