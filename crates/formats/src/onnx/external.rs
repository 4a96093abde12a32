//! Weights in separate files: ONNX's external data.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use sha1::{Digest, Sha1};
use striate_tensor::file::{folder_of, open};
use striate_tensor::{Error, Result};

use super::proto::{Model, Tensor};
use crate::file::read_limited;
use crate::message::shown;
use crate::{Contents, contents};

/// Returns the external data files of the ONNX file at `path`; none if it is of another kind or cannot be read, which
/// its reader reports.
pub fn external_files(path: &Path) -> Vec<PathBuf> {
    if contents(path) != Some(Contents::Onnx) {
        return vec![];
    }
    let Ok(bytes) = read_limited(path) else { return vec![] };
    let Ok(Model { graph: Some(graph), .. }) = Model::read(&bytes) else { return vec![] };
    let entries = graph.initializers.iter().flat_map(|tensor| &tensor.external);
    let locations: BTreeSet<&str> =
        entries.filter(|(key, _)| *key == "location").map(|(_, location)| *location).collect();
    locations.into_iter().filter_map(|location| inside(folder_of(path), location).ok()).collect()
}

/// The files in a model's folder that contain tensors.
pub(super) struct External<'a> {
    folder: &'a Path,
    /// The ranges read from each file: ends by starts.
    ranges: HashMap<PathBuf, BTreeMap<u64, u64>>,
    /// The computed SHA-1 of each file that has a stated checksum.
    sums: HashMap<PathBuf, String>,
}

impl<'a> External<'a> {
    pub fn new(folder: &'a Path) -> External<'a> {
        External { folder, ranges: HashMap::new(), sums: HashMap::new() }
    }

    /// Reads the `wanted` bytes of `tensor`, after calling `spend`, which may refuse them.
    pub fn read(
        &mut self,
        tensor: &Tensor,
        wanted: usize,
        mut spend: impl FnMut() -> Result<()>,
    ) -> Result<Vec<u8>> {
        let entry =
            |key: &str| tensor.external.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        let number = |key: &str| -> Result<Option<u64>> {
            let refuse =
                |text: &str| Error::input(format!("external data: {key} {} is not a number", shown(text)));
            entry(key).map(|text| text.parse().map_err(|_| refuse(text))).transpose()
        };
        let location =
            entry("location").ok_or_else(|| Error::input("external data: no location is given"))?;
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        if length.is_some_and(|length| length != wanted as u64) {
            return Err(Error::input(format!(
                "external data: {} bytes are stated, but {wanted} are needed",
                length.unwrap_or(0)
            )));
        }
        let path = inside(self.folder, location)?;
        let at = |e: std::io::Error| Error::read(&path, e);
        let (mut file, found) = open(&path)?;
        check_links(&file, &path)?;
        if let Some(checksum) = entry("checksum") {
            self.check_sum(&path, &mut file, checksum)?;
        }
        let end = offset.checked_add(wanted as u64).filter(|end| *end <= found).ok_or_else(|| {
            Error::input(format!(
                "external data: {wanted} bytes from {offset} on reach past the end of {} ({found} bytes)",
                path.display(),
            ))
        })?;
        spend()?;
        file.seek(SeekFrom::Start(offset)).map_err(at)?;
        let mut bytes = vec![0; wanted];
        file.read_exact(&mut bytes).map_err(at)?;
        self.take(path, offset, end)?;
        Ok(bytes)
    }

    /// Refuses the file at `path` unless `wanted` is its SHA-1 in hexadecimal, as ONNX states it.
    fn check_sum(&mut self, path: &Path, file: &mut File, wanted: &str) -> Result<()> {
        let sum = match self.sums.get(path) {
            Some(sum) => sum.clone(),
            None => {
                let mut hash = Sha1::new();
                let mut chunk = vec![0; 1 << 16];
                loop {
                    match file.read(&mut chunk).map_err(|e| Error::read(path, e))? {
                        0 => break,
                        count => hash.update(&chunk[..count]),
                    }
                }
                let sum: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
                self.sums.insert(path.to_owned(), sum.clone());
                sum
            }
        };
        match sum.eq_ignore_ascii_case(wanted.trim()) {
            true => Ok(()),
            false => Err(Error::input(format!(
                "external data: {} is not the exported file: its SHA-1 is {sum}, not {}; copy it again",
                path.display(),
                shown(wanted)
            ))),
        }
    }

    /// Records that a tensor occupies `path` from `start` to `end`; overlaps are refused.
    fn take(&mut self, path: PathBuf, start: u64, end: u64) -> Result<()> {
        let ranges = self.ranges.entry(path).or_default();
        if start < end {
            let before = ranges.range(..end).next_back();
            if let Some((other, _)) = before.filter(|(_, other_end)| **other_end > start) {
                return Err(Error::input(format!(
                    "external data: bytes {start} to {end} overlap those from {other} on, which belong to another tensor; export it again, with separate bytes for each tensor"
                )));
            }
            ranges.insert(start, end);
        }
        Ok(())
    }
}

/// Refuses files with several hard links: a link can refer to any file on the disk without its owner noticing.
fn check_links(file: &File, path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let links = file.metadata().map_err(|e| Error::read(path, e))?.nlink();
        if links > 1 {
            return Err(Error::input(format!(
                "external data: {} has {links} hard links, which are not followed; put a copy in its place",
                path.display()
            )));
        }
    }
    #[cfg(not(unix))]
    let _ = (file, path);
    Ok(())
}

/// Returns the path of `location` in `folder`; after following links, it must still be inside.
fn inside(folder: &Path, location: &str) -> Result<PathBuf> {
    let outside = || {
        Error::input(format!(
            "external data: {} is outside the model's folder, so it is not read",
            shown(location)
        ))
    };
    let relative = Path::new(location);
    let plain = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    if location.is_empty() || !relative.components().all(plain) {
        return Err(outside());
    }
    let path = folder.join(relative);
    let real = path.canonicalize().map_err(|e| Error::read(&path, e))?;
    let home = folder.canonicalize().map_err(|e| Error::read(folder, e))?;
    if real.starts_with(&home) { Ok(real) } else { Err(outside()) }
}
