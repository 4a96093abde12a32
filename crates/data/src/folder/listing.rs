//! Lists the files of a data set: images, and skipped files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use striate_tensor::file::list_folder;
use striate_tensor::{Error, Result};

use crate::{Medium, Skipped};

/// Extensions of images: files with these are treated as images regardless of their content.
pub(crate) const ENDINGS: [&str; 17] = [
    "png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "gif", "tif", "tiff", "pbm", "pgm", "ppm", "pnm",
    "heic", "heif", "avif",
];
/// Names of files and folders created by systems and tools, in lower case.
const SYSTEM: [&str; 5] = ["__macosx", "@eadir", "thumbs.db", "desktop.ini", "$recycle.bin"];
/// Largest depth of folders below a class.
pub(crate) const DEEPEST: usize = 16;
/// Largest number of folders below a class.
const MOST_FOLDERS: usize = 10_000;

/// The contents of a folder.
#[derive(Default)]
pub(crate) struct Visible {
    /// Folders, sorted.
    pub folders: Vec<PathBuf>,
    /// Everything else, sorted.
    pub files: Vec<PathBuf>,
    /// Hidden and system entries, with their kind.
    pub skipped: Vec<(&'static str, PathBuf)>,
}

/// Lists the contents of `folder`. Links are followed.
pub(crate) fn visible(folder: &Path) -> Result<Visible> {
    let mut found = Visible::default();
    for path in list_folder(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if SYSTEM.contains(&name.as_str()) || name == ".ipynb_checkpoints" {
            found.skipped.push(("system", path));
        } else if name.starts_with('.') {
            found.skipped.push(("hidden", path));
        } else if path.is_dir() {
            found.folders.push(path);
        } else {
            found.files.push(path);
        }
    }
    Ok(found)
}

/// The skipped entries, by kind.
#[derive(Default)]
pub(super) struct SkippedEntries(BTreeMap<String, Skipped>);

impl SkippedEntries {
    pub fn add(&mut self, kind: impl Into<String>, path: PathBuf) {
        let kind = kind.into();
        let entry = self.0.entry(kind.clone()).or_insert(Skipped { kind, count: 0, first: path });
        entry.count += 1;
    }

    pub fn into_list(self) -> Vec<Skipped> {
        self.0.into_values().collect()
    }

    /// Skips hidden and system entries, and files next to class folders or parts.
    pub fn beside(&mut self, folder: &Path, medium: Medium) -> Result<()> {
        let Visible { files, skipped, .. } = visible(folder)?;
        skipped.into_iter().for_each(|(kind, path)| self.add(kind, path));
        files.into_iter().for_each(|path| {
            let kind = match medium.is_in(&path) {
                true => format!("{} outside class folders", medium.name()),
                false => file_kind(&path),
            };
            self.add(kind, path);
        });
        Ok(())
    }
}

/// Returns the files of `medium` in a folder and its subfolders, sorted by path.
pub(super) fn files(folder: &Path, medium: Medium, skipped: &mut SkippedEntries) -> Result<Vec<PathBuf>> {
    let mut walk = Walk { top: folder, files: vec![], folders: 0 };
    walk.collect(folder, 0, skipped)?;
    let are_wanted: Vec<bool> = walk.files.par_iter().map(|path| medium.is_in(path)).collect();
    let mut files = Vec::new();
    for (path, is_wanted) in walk.files.into_iter().zip(are_wanted) {
        if is_wanted {
            files.push(path);
        } else {
            skipped.add(file_kind(&path), path);
        }
    }
    Ok(files)
}

/// The files below a folder.
struct Walk<'a> {
    top: &'a Path,
    files: Vec<PathBuf>,
    /// Folders visited so far.
    folders: usize,
}

impl Walk<'_> {
    fn collect(&mut self, folder: &Path, depth: usize, skipped: &mut SkippedEntries) -> Result<()> {
        self.folders += 1;
        // Links may form cycles, and several of them multiply.
        if depth > DEEPEST || self.folders > MOST_FOLDERS {
            return Err(Error::input(format!(
                "{}: contains more than {MOST_FOLDERS} folders, or folders nested more than {DEEPEST} deep; is there a \
                 link to a parent folder?",
                self.top.display()
            )));
        }
        let found = visible(folder)?;
        found.skipped.into_iter().for_each(|(kind, path)| skipped.add(kind, path));
        self.files.extend(found.files);
        found.folders.iter().try_for_each(|folder| self.collect(folder, depth + 1, skipped))
    }
}

pub(crate) fn ending(path: &Path) -> Option<String> {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase())
}

/// Whether `folder` itself has a visible file with this extension.
pub(crate) fn has_file_ending(folder: &Path, extension: &str) -> Result<bool> {
    Ok(visible(folder)?.files.iter().any(|file| ending(file).as_deref() == Some(extension)))
}

/// Returns the kind of a file that is skipped, for reports: its extension in lower case.
pub fn file_kind(path: &Path) -> String {
    if !path.is_file() {
        return "not a file".into();
    }
    ending(path).unwrap_or_else(|| "no extension".into())
}

/// Returns whether a file has the content or the extension of an image.
pub fn is_image(path: &Path) -> bool {
    Medium::Image.is_in(path)
}
