//! Getting a data set that comes as listed files: verified by checksum, then stored in the data folder.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use striate_tensor::{Error, Result};

use crate::MnistKind;
#[cfg(feature = "download")]
use crate::download::{Fetcher, Patience, Watch, mirrors};
use crate::idx::unpacking;

/// A file's name and the MD5 of its unpacked content.
pub(crate) type Listed<'a> = (&'a str, &'a str);

/// Files above this size, packed or not, are none of the listed ones; the largest has 47,040,016 bytes.
pub(crate) const MOST_BYTES: u64 = 64 << 20;

/// A data set that lies in the data folder, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// Where its files are.
    pub folder: PathBuf,
    /// The files, in the order of the list.
    pub files: Vec<GotFile>,
}

/// A file that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GotFile {
    /// Its name in the folder.
    pub name: String,
    /// Its length, unpacked.
    pub bytes: u64,
    /// Whence it came.
    pub source: Source,
}

/// Where a file was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the data folder already.
    Present,
    /// In a folder of the user's.
    File(PathBuf),
    /// At this address.
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

/// Where fetched data lies: `$STRIATE_DATA`, else the platform's cache folder.
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
        .ok_or_else(|| Error::input("no cache folder is known; set STRIATE_DATA to a folder for data"))
}

/// Takes the four files of `kind`, plain or compressed, from the folder `from` into the data folder.
/// All are verified first, and stored whole or not at all.
///
/// # Errors
/// If a file is missing, its checksum differs, or it cannot be stored.
pub fn get(kind: MnistKind, from: &Path) -> Result<Got> {
    if !from.is_dir() {
        let what = format!("{} is no folder; give the one with the four IDX files", from.display());
        return Err(Error::input(what));
    }
    let folder = data_folder()?.join(kind.name());
    let mut verified = Vec::new();
    for listed in kind.files() {
        let source = find_file(from, listed.0)?;
        let content = File::open(&source).and_then(unpacked).map_err(|e| Error::read(&source, e))?;
        if let Some(sums) = mismatch(&content, listed) {
            let what = format!("is not the known {} ({sums}); fetch it again", listed.0);
            return Err(Error::input(what).at(source.display()));
        }
        verified.push((listed.0, source, content));
    }
    create_folder(&folder)?;
    let mut files = Vec::new();
    for (name, source, content) in verified {
        store(&RealDisk, &folder.join(name), &content)?;
        files.push(GotFile { name: name.into(), bytes: content.len() as u64, source: Source::File(source) });
    }
    Ok(Got { folder, files })
}

/// Fetches what is not yet in the data folder of the files of `kind`, from the mirrors that
/// `$STRIATE_MIRROR` names, else from the usual ones, and stores it once its checksum is right. What had
/// come when a connection broke is kept, and the next call goes on from there.
///
/// The addresses of the usual mirrors could not be tried when this was written.
///
/// # Errors
/// If `$STRIATE_MIRROR` names no web addresses, no mirror gives a file, or one cannot be stored.
#[cfg(feature = "download")]
pub fn download(kind: MnistKind, watch: &mut dyn Watch) -> Result<Got> {
    let mirrors = mirrors(kind.mirrors())?;
    let folder = data_folder()?.join(kind.name());
    let mut fetcher = Fetcher::new(Patience::default(), &RealDisk, watch);
    let files = fetcher.fetch_missing(&kind.files(), mirrors, &folder)?;
    Ok(Got { folder, files })
}

/// What writing needs of a disk; tests put one in its place that is full.
pub(crate) trait Disk {
    fn write_all(&self, file: &mut File, bytes: &[u8]) -> io::Result<()>;
}

/// The real disk.
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn write_all(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }
}

/// Makes the folder of a data set.
pub(crate) fn create_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| unwritten(folder, e))
}

/// Writes a file whole or not at all: beside its place, onto the disk, then under its name.
pub(crate) fn store(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = path.with_extension(format!("{}.part", std::process::id()));
    let write = || {
        let mut file = File::create(&temporary)?;
        disk.write_all(&mut file, bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|e| {
        // The error that matters is the one before.
        let _ = fs::remove_file(&temporary);
        unwritten(path, e)
    })?;
    // The name is safe once its folder is; systems that cannot sync a folder do without.
    if let Some(Ok(folder)) = path.parent().map(File::open) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// A file in the data folder that could not be written.
pub(crate) fn unwritten(path: &Path, cause: io::Error) -> Error {
    let hint = "free space there, or set STRIATE_DATA to another folder";
    Error::write(path, format!("{cause}; {hint}"))
}

/// The file's content, unpacked; cut where it is too long to be a listed file.
pub(crate) fn unpacked(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    unpacking(file)?.bytes.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Both checksums, if that of `bytes` is not the listed one.
pub(crate) fn mismatch(bytes: &[u8], (_, wanted): Listed<'_>) -> Option<String> {
    let sum: String = Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    (sum != wanted).then(|| format!("MD5 {sum}, not {wanted}"))
}

/// The file called `name` in `folder`: also with a dot for the last dash but one, also compressed.
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
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn files_have_several_names_and_one_checksum() {
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
    fn a_file_is_stored_whole_and_leaves_nothing_beside_it() {
        let folder = Scratch::new();
        let path = folder.path().join("x-ubyte");
        for bytes in [&b"first"[..], b"second"] {
            store(&RealDisk, &path, bytes).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        let blocked = folder.file("blocked/inside", b"").parent().unwrap().to_owned();
        assert!(store(&RealDisk, &blocked, b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
