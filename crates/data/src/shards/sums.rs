//! Verifies the checksums of a folder of shards.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use striate_tensor::file::{list_folder, open, read_text_limited};
use striate_tensor::{Error, Result};

use super::SUMS;
use crate::dataset::hexadecimal;

/// What the checksum of a file shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// The file has the listed checksum.
    Right,
    /// It has another one.
    Wrong,
    /// It is not listed.
    Unlisted,
    /// It is listed, but does not exist.
    Missing,
}

/// Compares the files of `folder` with its list of checksums; `None` if it has no list.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn checksums(folder: &Path) -> Result<Option<Vec<(PathBuf, Checksum)>>> {
    let list = folder.join(SUMS);
    if !list.is_file() {
        return Ok(None);
    }
    let text = read_text_limited(&list, 64 << 20)?;
    let listed: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.split_once("  ")).map(|(sum, name)| (name, sum)).collect();
    let files: Vec<PathBuf> =
        list_folder(folder)?.into_iter().filter(|path| *path != list && path.is_file()).collect();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let compared = files.par_iter().map(|path| {
        let own = name(path);
        let Some(sum) = listed.get(own.as_str()) else {
            return Ok((path.clone(), Checksum::Unlisted));
        };
        let is_right = digest(path).map_err(|e| Error::read(path, e))? == *sum;
        Ok((path.clone(), if is_right { Checksum::Right } else { Checksum::Wrong }))
    });
    let mut found: Vec<(PathBuf, Checksum)> = compared.collect::<Result<_>>()?;
    let names: BTreeSet<String> = files.iter().map(|path| name(path)).collect();
    let missing = listed.keys().filter(|listed| !names.contains(**listed));
    found.extend(missing.map(|name| (folder.join(printed(name)), Checksum::Missing)));
    Ok(Some(found))
}

/// The last component of a listed name; it is shown, never opened.
fn printed(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or_default()
}

/// The SHA-256 of a file in hexadecimal.
fn digest(path: &Path) -> io::Result<String> {
    let (mut file, _) = open(path).map_err(io::Error::other)?;
    let (mut hash, mut bytes) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(hexadecimal(hash)),
            count => hash.update(&bytes[..count]),
        }
    }
}
