//! The images of `striate predict`: files, and images in folders, recognized by their content.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use striate_data::{file_kind, is_image};
use striate_tensor::file::{list_folder, open, read_limited};
use striate_tensor::text::printable_path;
use striate_tensor::{Error, Result};
use striate_vision::{Image, decode_limited};

/// Largest size of an image file.
const LARGEST_FILE: u64 = 256 << 20;

/// Files to classify, and what was skipped in folders.
#[derive(Debug, Default)]
pub struct Listing {
    /// The images in order.
    pub files: Vec<PathBuf>,
    /// Entries of folders that are not images, by kind: how many, and the first.
    pub skipped: BTreeMap<String, (usize, PathBuf)>,
}

/// Lists files as given, and for each folder the images in it, sorted by name.
///
/// # Errors
/// If a folder cannot be read or contains no image.
pub fn list(paths: &[PathBuf]) -> Result<Listing> {
    let mut listing = Listing::default();
    for path in paths {
        if !path.is_dir() {
            listing.files.push(path.clone());
            continue;
        }
        let before = listing.files.len();
        for entry in list_folder(path)? {
            match kind(&entry) {
                None => listing.files.push(entry),
                Some(kind) => listing.skipped.entry(kind).or_insert((0, entry)).0 += 1,
            }
        }
        if listing.files.len() == before {
            return Err(no_images(path));
        }
    }
    Ok(listing)
}

/// The error that the folder at `path` contains no images; names a subfolder that does.
fn no_images(path: &Path) -> Error {
    let has_image = |folder: &PathBuf| {
        folder.is_dir()
            && list_folder(folder).is_ok_and(|entries| entries.iter().any(|entry| kind(entry).is_none()))
    };
    let inner = list_folder(path).ok().and_then(|entries| entries.into_iter().find(has_image));
    let folder = printable_path(path);
    Error::input(match inner {
        Some(inner) => format!(
            "{folder}: its images are in subfolders, which are not searched; pass each of them, such as {}",
            printable_path(&inner)
        ),
        None => format!("{folder}: no images in this folder"),
    })
}

/// The kind of a folder entry that is not an image; `None` for images, including unreadable ones.
fn kind(path: &Path) -> Option<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with('.') {
        return Some("hidden".into());
    }
    if path.is_dir() {
        return Some("folder".into());
    }
    // Reading a file that cannot be opened reports the reason.
    let is_listed = is_image(path) || open(path).is_err();
    (!is_listed).then(|| file_kind(path))
}

/// Decodes the image in the file at `path`.
///
/// # Errors
/// If it cannot be read, is not an image, is damaged, or has more than `max_pixels` pixels.
pub fn read(path: &Path, max_pixels: u64) -> Result<Image> {
    let bytes = read_limited(path, LARGEST_FILE)?;
    decode_limited(&bytes, max_pixels).map_err(|e| e.at(printable_path(path)))
}
