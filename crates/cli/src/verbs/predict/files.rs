//! The images, sounds or texts of `striate predict`: files, and those in folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use striate_data::{Medium, file_kind};
use striate_sound::{Sound, SoundKind};
use striate_tensor::file::{list_folder, open, read_limited};
use striate_tensor::text::printable_path;
use striate_tensor::{Error, Result};
use striate_text::{Line, decode, lines};
use striate_vision::{Image, ImageKind, decode_limited};

/// Largest size of a file.
const LARGEST_FILE: u64 = 256 << 20;

/// Files to classify, and what was skipped in folders.
#[derive(Debug, Default)]
pub struct Listing {
    /// The files in order.
    pub files: Vec<PathBuf>,
    /// Entries of folders that are not among them, by kind: how many, and the first.
    pub skipped: BTreeMap<String, (usize, PathBuf)>,
}

/// What a file contains.
pub enum Sample {
    Image(Image),
    Sound(Sound),
    /// The lines that are not blank, with their numbers.
    Texts(Vec<(usize, String)>),
}

/// Lists files as given, and for each folder the files of `medium` in it, sorted by name.
///
/// # Errors
/// If a folder cannot be read or contains none.
pub fn list(paths: &[PathBuf], medium: Medium) -> Result<Listing> {
    let mut listing = Listing::default();
    for path in paths {
        if !path.is_dir() {
            listing.files.push(path.clone());
            continue;
        }
        let before = listing.files.len();
        for entry in list_folder(path)? {
            match kind(&entry, medium) {
                None => listing.files.push(entry),
                Some(kind) => listing.skipped.entry(kind).or_insert((0, entry)).0 += 1,
            }
        }
        if listing.files.len() == before {
            return Err(no_files(path, medium));
        }
    }
    Ok(listing)
}

/// The error that the folder at `path` contains no files of `medium`; names a subfolder that does.
fn no_files(path: &Path, medium: Medium) -> Error {
    let name = medium.name();
    let has_file = |folder: &PathBuf| {
        folder.is_dir()
            && list_folder(folder)
                .is_ok_and(|entries| entries.iter().any(|entry| kind(entry, medium).is_none()))
    };
    let inner = list_folder(path).ok().and_then(|entries| entries.into_iter().find(has_file));
    let folder = printable_path(path);
    Error::input(match inner {
        Some(inner) => format!(
            "{folder}: its {name}s are in subfolders, which are not searched; pass each of them, such as {}",
            printable_path(&inner)
        ),
        None => format!("{folder}: no {name}s in this folder"),
    })
}

/// The kind of a folder entry that is not of `medium`; `None` for one that is, including unreadable ones.
fn kind(path: &Path, medium: Medium) -> Option<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with('.') {
        return Some("hidden".into());
    }
    if path.is_dir() {
        return Some("folder".into());
    }
    // Reading a file that cannot be opened reports the reason.
    let is_listed = medium.is_in(path) || open(path).is_err();
    (!is_listed).then(|| file_kind(path))
}

/// Decodes the image, sound or texts in the file at `path`.
///
/// # Errors
/// If it cannot be read, is not of `medium`, is damaged, or is an image of more than `max_pixels` pixels.
pub fn read(path: &Path, medium: Medium, max_pixels: u64) -> Result<Sample> {
    match medium {
        Medium::Image => read_image(path, max_pixels).map(Sample::Image),
        Medium::Sound => read_sound(path).map(Sample::Sound),
        Medium::Text => read_texts(path).map(Sample::Texts),
    }
}

fn read_texts(path: &Path) -> Result<Vec<(usize, String)>> {
    let bytes = read_limited(path, LARGEST_FILE)?;
    let decoded = lines(&bytes).map(|Line { number, range }| {
        let text = decode(&bytes[range]).map_err(|e| e.at(format!("{}:{number}", printable_path(path))))?;
        Ok((number, text.to_owned()))
    });
    let texts: Vec<(usize, String)> = decoded.collect::<Result<_>>()?;
    match texts.is_empty() {
        true => Err(Error::input("has no texts, only blank lines").at(printable_path(path))),
        false => Ok(texts),
    }
}

fn read_sound(path: &Path) -> Result<Sound> {
    let bytes = read_limited(path, LARGEST_FILE)?;
    let sound = match SoundKind::of(&bytes).is_none() && ImageKind::of(&bytes).is_some() {
        true => Err(Error::input("is an image, but the model takes sounds")),
        false => striate_sound::decode(&bytes),
    };
    sound.map_err(|e| e.at(printable_path(path)))
}

/// Decodes the image in the file at `path`.
///
/// # Errors
/// As [`read`].
pub fn read_image(path: &Path, max_pixels: u64) -> Result<Image> {
    let bytes = read_limited(path, LARGEST_FILE)?;
    let image = match SoundKind::of(&bytes) {
        Some(kind) => Err(Error::input(format!("is a sound ({kind}), but the model takes images"))),
        None => decode_limited(&bytes, max_pixels),
    };
    image.map_err(|e| e.at(printable_path(path)))
}
