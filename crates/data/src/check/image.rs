//! Checks one file: can it be read, does it have the right ending, and what is converted.

use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use striate_tensor::file::{open, read_limited};
use striate_tensor::{Error, Result};
use striate_vision::{
    DifferenceHash, Examined, Fault, FaultKind, HEAD_BYTES, Image, ImageKind, dimensions, examine,
    foreign_format,
};

use super::ending::wrong_ending;
use super::finding::{Finding, FindingKind, Severity};
use crate::Split;
use crate::folder::{ENDINGS, ending, file_kind};
use crate::images::{ImageFile, MOST_BYTES};

/// Images with more pixels than this, or in longer files, are decoded one at a time, which bounds the memory.
const LARGE_IMAGE: usize = 8 << 20;
const LARGE_FILE: u64 = 32 << 20;

/// What is remembered of an image that can be read.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub width: usize,
    pub height: usize,
    /// SHA-256 of the file.
    pub file: [u8; 32],
    /// SHA-256 of size and colors.
    pub pixels: [u8; 32],
    pub hash: DifferenceHash,
}

/// What a file turned out to be.
#[derive(Debug)]
pub(super) enum Content {
    Image(Box<Seen>),
    /// It counts as an image, but cannot be read.
    Faulty,
    /// An unsupported format, by name, that does not count as an image.
    Foreign(&'static str),
    /// Not an image; its kind, for the report of skipped files.
    Other(String),
}

/// The checked file: its content, and findings without the name of the file.
#[derive(Debug)]
pub(super) struct File {
    pub content: Content,
    pub findings: Vec<Finding>,
}

/// Checks the file at `path`; if it `is_listed`, it counts as an image whatever its content and name.
pub(super) fn file(path: &Path, max_pixels: u64, is_listed: bool) -> File {
    let extension = ending(path).unwrap_or_default();
    let is_named = is_listed || ENDINGS.contains(&extension.as_str());
    match head(path) {
        Ok((head, length)) => match ImageKind::of(&head) {
            None if !is_named => unnamed(path, &head, &extension),
            None => faulty(unknown(&head)),
            Some(kind) => {
                let mut checked = image_file(path, length, max_pixels);
                checked.findings.extend(wrong_ending(kind, &extension));
                checked
            }
        },
        // A pipe or device never counts as an image.
        Err(_) if !is_named && !path.is_file() => {
            File { content: Content::Other(file_kind(path)), findings: vec![] }
        }
        Err(error) => unreadable(&error),
    }
}

/// Checks a member of a shard, which counts as an image by its name.
pub(super) fn member(member: &ImageFile, max_pixels: u64) -> File {
    let turn = member.length().is_some_and(|length| length > LARGE_FILE).then(wait);
    match member.read() {
        Ok(bytes) => image(&bytes, max_pixels, turn),
        Err(error) => unreadable(&error),
    }
}

/// Checks image number `index` of `split`, which is stored as bare pixels; `path` identifies it.
pub(super) fn pixels(split: &Split, index: usize, path: &Path) -> File {
    match split.image(index) {
        Ok(image) => {
            let examined =
                Examined { image, is_cmyk: false, is_deep: false, is_turned: false, is_partial: false };
            seen(&examined, Sha256::digest(path.as_os_str().as_encoded_bytes()).into())
        }
        Err(error) => unreadable(&error),
    }
}

/// Returns the first bytes of a file, and its length.
fn head(path: &Path) -> Result<(Vec<u8>, u64)> {
    let (file, length) = open(path)?;
    let mut head = Vec::with_capacity(HEAD_BYTES);
    file.take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(|e| Error::read(path, e))?;
    Ok((head, length))
}

/// A file without the content or the name of an image.
fn unnamed(path: &Path, head: &[u8], extension: &str) -> File {
    let content = match foreign_format(head, extension) {
        Some(name) => Content::Foreign(name),
        None => Content::Other(file_kind(path)),
    };
    File { content, findings: vec![] }
}

/// Says what is wrong with a file that is named like an image and begins with `head`.
fn unknown(head: &[u8]) -> Fault {
    let fault = examine(head, 0).expect_err("its kind is unknown");
    match foreign_format(head, "") {
        None => fault,
        Some(name) => Fault {
            kind: FaultKind::Unsupported,
            error: Error::input(format!("{name} images are not supported; convert it to PNG or JPEG")),
        },
    }
}

fn faulty(Fault { kind, error }: Fault) -> File {
    let kind = match kind {
        FaultKind::Empty => FindingKind::Empty,
        FaultKind::Unknown => FindingKind::NotAnImage,
        FaultKind::Unsupported => FindingKind::Unsupported,
        FaultKind::Truncated => FindingKind::Truncated,
        FaultKind::Damaged => FindingKind::Corrupt,
        FaultKind::TooLarge => FindingKind::TooLarge,
    };
    File { content: Content::Faulty, findings: vec![Finding::error(kind, error.to_string())] }
}

fn unreadable(error: &Error) -> File {
    let finding = Finding::error(FindingKind::Unreadable, error.to_string());
    File { content: Content::Faulty, findings: vec![finding] }
}

/// Large images take turns.
fn wait() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Decodes an image file of `length` bytes.
fn image_file(path: &Path, length: u64, max_pixels: u64) -> File {
    let turn = (length > LARGE_FILE).then(wait);
    match read_limited(path, MOST_BYTES) {
        Ok(bytes) => image(&bytes, max_pixels, turn),
        Err(error) => unreadable(&error),
    }
}

/// Decodes an image, for which it may be its turn.
fn image(bytes: &[u8], max_pixels: u64, mut turn: Option<MutexGuard<()>>) -> File {
    let is_large = dimensions(bytes).is_ok_and(|[height, width]| height.saturating_mul(width) > LARGE_IMAGE);
    if is_large && turn.is_none() {
        turn = Some(wait());
    }
    let examined = examine(bytes, max_pixels);
    let checked = match examined {
        Err(fault) => return faulty(fault),
        Ok(examined) => examined,
    };
    let file = seen(&checked, Sha256::digest(bytes).into());
    drop(turn);
    file
}

/// What is remembered of an image in a file with the hash `file`.
fn seen(examined: &Examined, file: [u8; 32]) -> File {
    let image = &examined.image;
    let seen = Seen {
        width: image.width(),
        height: image.height(),
        file,
        pixels: digest(image),
        hash: DifferenceHash::of(image),
    };
    File { content: Content::Image(Box::new(seen)), findings: conversions(examined) }
}

/// Returns the SHA-256 of the size and the colors of an image; a gray image equals its colored copy.
fn digest(image: &Image) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((image.width() as u64).to_le_bytes());
    hash.update((image.height() as u64).to_le_bytes());
    match image.channels() {
        3 => hash.update(image.pixels()),
        _ => hash.update(image.to_rgb().pixels()),
    }
    hash.finalize().into()
}

/// Reports what is converted when the image is decoded, and an image that shows nothing.
fn conversions(Examined { image, is_cmyk, is_deep, is_turned, is_partial }: &Examined) -> Vec<Finding> {
    let first = image.pixel(0, 0);
    // A single pixel is an odd size.
    let is_blank = image.width() * image.height() > 1
        && image.pixels().chunks_exact(image.channels()).all(|pixel| pixel == first);
    let information = Severity::Information;
    let partial = "decodes only partly (data is missing before the end); copy or export it again".to_owned();
    [
        (*is_partial, Severity::Error, FindingKind::Partial, partial),
        (*is_cmyk, information, FindingKind::Cmyk, "CMYK colors, which are converted to RGB".to_owned()),
        (*is_deep, information, FindingKind::Deep, "16 bits per channel, which are reduced to 8".to_owned()),
        (*is_turned, information, FindingKind::Rotated, "EXIF orientation, which is applied".to_owned()),
        (is_blank, Severity::Warning, FindingKind::Blank, format!("all its pixels are {first:?}")),
    ]
    .into_iter()
    .filter(|(is, ..)| *is)
    .map(|(_, severity, kind, message)| Finding::new(severity, kind, message))
    .collect()
}
