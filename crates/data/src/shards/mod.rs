//! Shards: tar archives in the naming of WebDataset, with an index by which each image is read where it lies.
//!
//! A sample is a run of members whose names are equal up to the first dot of the file name, such as `000017.jpg` and
//! `000017.cls`. It has one image, and its class as a number in the member `cls`. The names of the classes are the
//! lines of `classes.txt` beside the shards; without it, classes are named by their numbers. The index of
//! `train-000003.tar` is `train-000003.idx`, in the format of `wds2idx`; without it, the headers of the archive are
//! read.

mod archive;
mod index;
mod pattern;
mod prepare;
mod sample;
mod sums;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use striate_tensor::file::{Parts, folder_of, list_folder, read_text_limited};
use striate_tensor::text::counted;
use striate_tensor::{Error, Result};

pub use self::prepare::{PrepareOptions, Shards, prepare};

pub(crate) use self::sums::{Checksum, checksums};

use self::sample::Sample;
use crate::folder::visible;
use crate::images::{Collection, ImageFile, Labeled, LabeledPart, Purpose, join};
use crate::part::Part;

/// The extension of shards.
const EXTENSION: &str = "tar";
/// The names of the classes, one a line.
const CLASSES: &str = "classes.txt";
/// The checksums of all other files, in the format of `sha256sum`.
const SUMS: &str = "SHA256SUMS";
/// Exists while `prepare` writes.
const UNFINISHED: &str = "UNFINISHED";
/// Largest number of classes.
const MOST_CLASSES: usize = 1 << 20;

/// Whether `text` is a pattern of shards.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.ends_with(".tar")
}

/// Whether the folder `path` holds shards: archives, and no folders, which would hold images.
pub(crate) fn is_folder_of_shards(path: &Path) -> bool {
    let has_shards = list_folder(path).is_ok_and(|entries| entries.iter().any(|entry| is_shard(entry)));
    (has_shards || path.join(UNFINISHED).is_file())
        && visible(path).is_ok_and(|found| found.folders.is_empty())
}

fn is_shard(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION) && path.is_file()
}

/// Finds the images in the shards that `text` names: a folder, or a pattern such as `train-{000..146}.tar`.
pub(crate) fn find(text: &str, purpose: Purpose) -> Result<Collection> {
    let path = Path::new(text);
    let (parts, folder) = if path.is_dir() {
        (in_folder(path)?, path)
    } else {
        (vec![(None, pattern::expand(text)?)], folder_of(path))
    };
    if folder.join(UNFINISHED).exists() {
        let what = "is incomplete, because `data prepare` did not finish; run it again with the same OUT";
        return Err(Error::input(what).at(folder.display()));
    }
    let classes = class_names(&folder.join(CLASSES))?;
    let mut ignored = 0;
    let mut found = Vec::new();
    for (part, shards) in parts {
        let read: Vec<Result<(Labeled, usize)>> =
            shards.par_iter().map(|shard| read_shard(shard, classes.as_deref())).collect();
        let mut labeled = Labeled::default();
        for of_shard in read {
            let (of_shard, others) = of_shard?;
            labeled.append(of_shard);
            ignored += others;
        }
        found.push(LabeledPart { part, place: folder.to_owned(), labeled });
    }
    let mut collection = join(text.to_owned(), found, classes, purpose)?;
    if ignored > 0 {
        let what = format!("{} of the shards are neither images nor classes", counted(ignored, "member"));
        collection.survey.notes.push(what);
    }
    Ok(collection)
}

/// The shards of a folder by part, in order.
fn in_folder(folder: &Path) -> Result<Vec<(Option<Part>, Vec<PathBuf>)>> {
    let mut parts: Vec<(Option<Part>, Vec<PathBuf>)> = Vec::new();
    for path in list_folder(folder)?.into_iter().filter(|path| is_shard(path)) {
        let part = part(&path);
        match parts.iter_mut().find(|(other, _)| *other == part) {
            Some((_, shards)) => shards.push(path),
            None => parts.push((part, vec![path])),
        }
    }
    parts.sort_by_key(|(part, _)| *part);
    if let [(None, odd), (Some(_), named), ..] = &parts[..] {
        let (odd, named) = (odd[0].display(), named[0].display());
        return Err(Error::input(format!(
            "{odd}: the name denotes no part, but that of {named} does; name shards train-000000.tar, val-000000.tar \
             and test-000000.tar, or give a pattern"
        )));
    }
    Ok(parts)
}

/// The part that the name of a shard denotes, such as `train-000000.tar`.
fn part(shard: &Path) -> Option<Part> {
    let stem = shard.file_stem().unwrap_or_default().to_string_lossy();
    let name = stem.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', '_', '.']);
    Part::of(name).map(|(part, _)| part)
}

/// Reads the class names; `None` without a file.
fn class_names(path: &Path) -> Result<Option<Vec<String>>> {
    if !path.exists() {
        return Ok(None);
    }
    let names: Vec<String> = read_text_limited(path, 64 << 20)?.lines().map(str::to_owned).collect();
    if names.len() > MOST_CLASSES {
        let what = format!("has {} lines; the limit is {MOST_CLASSES} classes", names.len());
        return Err(Error::input(what).at(path.display()));
    }
    Ok(Some(names))
}

/// The images of a shard with their classes, and the number of members that are neither.
fn read_shard(path: &Path, classes: Option<&[String]>) -> Result<(Labeled, usize)> {
    let file = Parts::open(path)?;
    let samples = match index::read(path, &file)? {
        Some(samples) => samples,
        None => sample::grouped(archive::members(path, &file)?),
    };
    let shard: Arc<Path> = path.into();
    let (mut labeled, mut others) = (Labeled::default(), 0);
    for Sample { key, members } in samples {
        let at = |e: Error| e.at(format!("{}:{key}", path.display()));
        let (image, class, rest) = sample::image_and_class(&members).map_err(at)?;
        others += rest;
        let number = sample::number(&file, class).map_err(at)?;
        let name = match classes {
            Some(names) => names.get(number).cloned().ok_or_else(|| {
                let classes = counted(names.len(), "class");
                at(Error::input(format!(
                    "is of class {number}, counted from 0, but {CLASSES} names {classes}"
                )))
            })?,
            None => number.to_string(),
        };
        let image = ImageFile::Member {
            file: shard.clone(),
            name: image.name.as_str().into(),
            start: image.start,
            length: image.length,
        };
        labeled.add(image, &name);
    }
    Ok((labeled, others))
}
