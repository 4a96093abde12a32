//! Checks the images of a data set, and reports what would disturb training on them. Nothing is changed.
//!
//! Each kind of problem has its own file here: [`image`] and [`ending`] look at single files, [`duplicates`] and
//! [`near`] compare images, [`classes`], [`names`] and [`sizes`] look at all of them. The images are found by [`scan`],
//! [`lists`], [`shards`] or [`records`].

mod classes;
mod duplicates;
mod ending;
mod finding;
mod image;
mod lists;
mod names;
mod near;
mod records;
mod scan;
mod shards;
mod sizes;
mod sounds;
#[cfg(test)]
mod tests;
mod texts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use striate_tensor::{Error, Result};
use striate_vision::{DifferenceHash, MAX_PIXELS};

pub use self::finding::{Copies, Finding, FindingKind, Severity};

use self::duplicates::Located;
use self::image::{Content, File};
use self::scan::{Place, Scan, Source, scan};
use crate::shards::is_folder_of_shards;
use crate::{Medium, Spec};

/// The largest accepted distance of near duplicates; beyond it, most images are near another one.
pub const MOST_NEAR: u32 = 12;

/// Options of [`check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckOptions {
    /// Largest number of pixels per image; larger images cannot be read.
    pub max_pixels: u64,
    /// The number of bits, up to [`MOST_NEAR`], in which the 64-bit hashes of near duplicates may differ.
    pub near: u32,
}

impl Default for CheckOptions {
    fn default() -> CheckOptions {
        CheckOptions { max_pixels: MAX_PIXELS, near: 4 }
    }
}

/// Receives the progress of a check, from several threads.
pub trait CheckProgress: Sync {
    /// There are `files` files to read.
    fn begin(&self, files: usize);
    /// One more of them was read.
    fn checked(&self);
    /// All are read and are now compared with each other.
    fn comparing(&self) {}
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Number of files, without hidden ones and those of systems; of texts, number of lines that are not blank.
    pub files: usize,
    /// Number of files, or lines, that count as images, sounds or texts.
    pub images: usize,
    /// Number of these that can be read.
    pub readable: usize,
    /// The classes with their numbers of readable images in all parts.
    pub classes: Vec<(String, usize)>,
    /// The parts with their numbers of readable images; `all` for a set without parts.
    pub parts: Vec<(&'static str, usize)>,
    /// What was found, by severity, kind and path.
    pub findings: Vec<Finding>,
}

impl Check {
    /// Returns the number of findings of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// Checks the data set `spec`: all files in a folder and its subfolders, the images that lists name, shards with their
/// checksums, or the records of CIFAR.
///
/// # Errors
/// If it is of another kind, cannot be read, contains no images, or has too many or too deep folders.
pub fn check(spec: &Spec, options: &CheckOptions, progress: &dyn CheckProgress) -> Result<Check> {
    if options.near > MOST_NEAR {
        return Err(Error::input(format!("near duplicates differ in at most {MOST_NEAR} bits")));
    }
    if let Spec::Audio(root) = spec {
        return sounds::check(root, progress);
    }
    if let Spec::Text(path) = spec {
        return texts::check(path, progress);
    }
    let scan = match spec {
        Spec::Folder(root) if is_folder_of_shards(root) => shards::scan(root)?,
        Spec::Shards(text) if Path::new(text).is_dir() => shards::scan(Path::new(text))?,
        Spec::Folder(root) => scan(root)?,
        Spec::List(path) => lists::scan(path)?,
        Spec::Cifar(kind, folder) => records::scan(*kind, folder.as_deref())?,
        _ => {
            let what = "cannot be checked; specify a folder of images or shards, list:FILE, audio:FOLDER, text:FILE or \
                        cifar10:FOLDER";
            return Err(Error::input(format!("{spec}: {what}")));
        }
    };
    let Scan { files: places, classes, sets, mut findings } = scan;
    progress.begin(places.len());
    let one = |place: &Place| {
        let file = match &place.source {
            Source::File => image::file(&place.path, options.max_pixels, false),
            Source::Listed => image::file(&place.path, options.max_pixels, true),
            Source::Member(member) => image::member(member, options.max_pixels),
            Source::Pixels(split, index) => image::pixels(split, *index, &place.path),
        };
        progress.checked();
        file
    };
    let files: Vec<File> = places.par_iter().map(one).collect();
    progress.comparing();
    let are_images: Vec<bool> =
        files.iter().map(|file| matches!(file.content, Content::Image(_) | Content::Faulty)).collect();
    let images: Vec<Located> = places.iter().zip(&files).filter_map(located).collect();
    let is_explained = findings.iter().any(|finding| finding.severity == Severity::Error);
    if !is_explained
        && !are_images.contains(&true)
        && !files.iter().any(|file| matches!(file.content, Content::Foreign(_)))
    {
        return Err(Error::input(format!("{spec}: has no images")));
    }
    findings.extend(single(&places, &files));
    findings.extend(outside(&places, &are_images, !classes.is_empty()));
    findings.extend(names::classes(&classes));
    findings.extend(names::files(&places));
    let sizes: Vec<[usize; 2]> = images.iter().map(|(_, seen)| [seen.width, seen.height]).collect();
    let odd = sizes::odd(&sizes).into_iter().zip(&images);
    findings.extend(odd.filter_map(|(finding, (place, _))| Some(finding?.of([place.path.clone()]))));
    let mut counts = vec![vec![0; classes.len()]; sets.len()];
    for (place, _) in &images {
        let set = sets.iter().position(|set| set.part == place.part);
        if let (Some(set), Some(class)) = (set, place.class) {
            counts[set][class] += 1;
        }
    }
    findings.extend(classes::balance(&sets, &classes, &counts, Medium::Image));
    findings.extend(copies(&images, &classes, options.near));
    finding::sort(&mut findings);
    let parts = sets.iter().zip(&counts).map(|(set, counts)| {
        let name = set.part.map_or("all", |part| part.name());
        (name, counts.iter().sum())
    });
    Ok(Check {
        files: places.len(),
        images: are_images.iter().filter(|is_image| **is_image).count(),
        readable: images.len(),
        parts: parts.collect(),
        classes: (classes.iter().enumerate())
            .map(|(class, name)| (name.clone(), counts.iter().map(|counts| counts[class]).sum()))
            .collect(),
        findings,
    })
}

fn located<'a>((place, file): (&'a Place, &'a File)) -> Option<Located<'a>> {
    match &file.content {
        Content::Image(seen) => Some((place, seen)),
        _ => None,
    }
}

/// Returns the findings about single files, and the skipped files by kind.
fn single(places: &[Place], files: &[File]) -> Vec<Finding> {
    let mut skipped: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    let mut foreign: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    let mut findings = Vec::new();
    for (Place { path, .. }, file) in places.iter().zip(files) {
        findings.extend(file.findings.iter().map(|finding| finding.clone().of([path.clone()])));
        match &file.content {
            Content::Other(kind) => skipped.entry(kind).or_default().push(path.clone()),
            Content::Foreign(name) => foreign.entry(name).or_default().push(path.clone()),
            Content::Image(_) | Content::Faulty => {}
        }
    }
    findings.extend(skipped.into_iter().map(|(kind, paths)| {
        Finding::information(FindingKind::Skipped, format!("not an image ({kind})")).of(paths)
    }));
    findings.extend(foreign.into_iter().map(|(name, paths)| {
        let what = format!("{name} images are not supported and are skipped; convert them to PNG or JPEG");
        Finding::warning(FindingKind::Unsupported, what).of(paths)
    }));
    findings
}

/// Reports images that are in no class, if there are classes.
fn outside(places: &[Place], are_images: &[bool], has_classes: bool) -> Option<Finding> {
    let is_outside = |(place, is_image): &(&Place, &bool)| **is_image && place.class.is_none();
    let paths: Vec<PathBuf> =
        places.iter().zip(are_images).filter(is_outside).map(|(place, _)| place.path.clone()).collect();
    let what = "outside the class folders and skipped by `train`";
    (has_classes && !paths.is_empty()).then(|| Finding::warning(FindingKind::Outside, what).of(paths))
}

/// Reports exact and near duplicates.
fn copies(images: &[Located], classes: &[String], distance: u32) -> Vec<Finding> {
    let groups = duplicates::groups(images);
    let several = groups.iter().filter(|group| group.len() > 1);
    let mut findings: Vec<Finding> =
        several.map(|group| duplicates::finding(group, images, classes)).collect();
    let hashes: Vec<DifferenceHash> = groups.iter().map(|group| images[group[0]].1.hash).collect();
    let near = near::near(&hashes, distance, near::MOST_COMPARISONS);
    for (members, distance) in near.groups {
        // Of exact duplicates, one in each part and class.
        let mut seen = BTreeSet::new();
        let each = members.iter().flat_map(|member| {
            seen.clear();
            let places = groups[*member].iter().copied();
            let one = places.filter(|index| seen.insert((images[*index].0.part, images[*index].0.class)));
            one.collect::<Vec<_>>()
        });
        let group: Vec<usize> = each.collect();
        let what = duplicates::described("images that look alike", &group, images, classes);
        let copies = Some(duplicates::copies(&group, images, Some(distance)));
        let paths = group.iter().map(|index| images[*index].0.path.clone());
        findings.push(Finding { copies, ..Finding::warning(FindingKind::NearDuplicate, what).of(paths) });
    }
    if !near.is_complete {
        let what =
            "the search for near duplicates stopped early: too many images have similar hashes; lower --near";
        findings.push(Finding::information(FindingKind::Incomplete, what));
    }
    findings
}
