//! Image folders: parts such as `train`, `val` and `test` with a folder for each class, or only class
//! folders.
//!
//! Classes are the names of the folders, sorted as strings. Images are recognized by their content. All of them are
//! read in advance, which finds those that cannot be read. They stay in memory, at one size, if they fit into the cache
//! and the original images are not augmented.

mod describe;
mod layout;
mod listing;
mod read;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(crate) use self::describe::describe;
pub(crate) use self::layout::{Layout, Part, classes};
pub(crate) use self::listing::{DEEPEST, ENDINGS, ending, visible};
pub use self::listing::{file_kind, is_image};
use sha2::{Digest, Sha256};
use striate_tensor::names::check_class_names;
use striate_tensor::{Error, Result};
use striate_vision::Preprocessing;

use self::layout::has_folders;
use self::listing::{SkippedEntries, images};
use self::read::{Listing, ReadPart, Reader, joined, keep_one_channel};
use crate::dataset::{hash_of_classes, hexadecimal, listed};
use crate::evaluation::Measured;
use crate::{Dataset, LoadOptions, PartSurvey, Split, Survey};

/// Loads the data set in the folder `root`.
pub(crate) fn load(root: &Path, options: &LoadOptions) -> Result<Dataset> {
    let layout = Layout::of(root, &[])?;
    let base = training_folder(&layout)?;
    let folders = classes(base)?;
    let names: Vec<String> = folders.iter().map(|(name, _)| name.clone()).collect();
    refuse_too_few(base, &names)?;
    check_class_names(names.iter().map(String::as_str)).map_err(|e| e.at(base.display()))?;
    let mut found = Found::new(&layout)?;
    let train = found.training(base, &folders)?;
    let mut parts = vec![];
    for part in [Part::Validation, Part::Test] {
        let Some(folder) = layout.part(part) else { continue };
        let Some(listing) = found.part(folder, &names)? else { continue };
        parts.push((part, folder.to_owned(), listing));
    }
    let reader = Reader::new(&train.files, options)?;
    found.decide_caching(&reader, &names, options);
    let name = if layout.parts.is_empty() { "all" } else { Part::Train.name() };
    let (mut train, moments) = found.read(&reader, name, base, train, &names)?;
    let [mut validation, mut test] = [None, None];
    for wanted in [Part::Validation, Part::Test] {
        let Some(at) = parts.iter().position(|(part, ..)| *part == wanted) else {
            found.hash_absent();
            continue;
        };
        let (part, folder, listing) = parts.swap_remove(at);
        let (split, _) = found.read(&reader, part.name(), &folder, listing, &names)?;
        let place = if part == Part::Validation { &mut validation } else { &mut test };
        *place = Some(split).filter(|split| !split.is_empty());
    }
    reader.refuse_unreadable(&found.survey, found.total)?;
    refuse_empty_class(base, &train, &names)?;
    if reader.is_gray() && train.shape[0] == 3 {
        [Some(&mut train), validation.as_mut(), test.as_mut()]
            .into_iter()
            .flatten()
            .for_each(keep_one_channel);
        // The bytes of three equal channels went into it.
        found.hash = None;
    }
    let form = normalization(&train, moments)?;
    Ok(Dataset {
        name: root.display().to_string(),
        classes: names,
        predict: Some(Preprocessing { steps: reader.steps(), ..form.clone() }),
        preprocessing: Some(form),
        train,
        validation,
        test,
        survey: found.finish(&reader),
    })
}

/// Loads the part in the folder `root` that a model with the classes `known` is evaluated on.
pub(crate) fn load_measured(root: &Path, known: &[String], options: &LoadOptions) -> Result<Measured> {
    let layout = Layout::of(root, known)?;
    let best = layout.parts.iter().max_by_key(|(part, folder)| (has_folders(folder), *part));
    let (part, folder) = match best {
        Some((part, folder)) => (part.name(), folder.as_path()),
        None => ("all", layout.base.as_path()),
    };
    let folders = classes(folder)?;
    if folders.is_empty() {
        let what = "has no class folders; put the images of each class into a folder named after the class";
        return Err(Error::input(what).at(folder.display()));
    }
    let mut found = Found::new(&layout)?;
    let listing = found.list(folder, &folders, |name| {
        folders.iter().position(|(other, _)| other == name).expect("the folder is one of them")
    })?;
    if listing.files.is_empty() {
        return Err(Error::input("has no images; add some or remove the folder").at(folder.display()));
    }
    let names: Vec<String> = folders.into_iter().map(|(name, _)| name).collect();
    let reader = Reader::new(&listing.files, options)?;
    found.decide_caching(&reader, &names, options);
    let (mut split, moments) = found.read(&reader, part, folder, listing, &names)?;
    // Only one part was read.
    found.hash = None;
    reader.refuse_unreadable(&found.survey, found.total)?;
    if split.is_empty() {
        return Err(Error::input("has no images that can be read").at(folder.display()));
    }
    if reader.is_gray() && split.shape[0] == 3 {
        keep_one_channel(&mut split);
    }
    let preprocessing = Some(normalization(&split, moments)?);
    Ok(Measured { part, split, classes: names, preprocessing, survey: found.finish(&reader) })
}

/// Returns the folders in which any new entry would be read as data of the data set in `root`: its parts, or all
/// of it if a new folder would be a class, or would prevent an enclosing folder from being entered.
pub(crate) fn data_folders(root: &Path) -> Vec<PathBuf> {
    match Layout::of(root, &[]) {
        Ok(Layout { parts, notes, .. }) if !parts.is_empty() && notes.is_empty() => {
            parts.into_iter().map(|(_, folder)| folder).collect()
        }
        _ => vec![root.to_owned()],
    }
}

/// The folder of the training classes.
fn training_folder(layout: &Layout) -> Result<&Path> {
    match (layout.part(Part::Train), &layout.parts[..]) {
        (Some(folder), _) => Ok(folder),
        (None, []) => Ok(&layout.base),
        (None, [(part, folder), ..]) => Err(Error::input(format!(
            "{}: has a {} part ({}) but no training part; add the folder train",
            layout.base.display(),
            part.name(),
            layout::name(folder)
        ))),
    }
}

fn refuse_too_few(base: &Path, classes: &[String]) -> Result<()> {
    let what = match classes {
        [] => "has no class folders".to_owned(),
        [only] => format!("has only one class folder, {only}"),
        _ => return Ok(()),
    };
    let advice = "training needs at least two, each with its images";
    Err(Error::input(format!("{}: {what}; {advice}", base.display())))
}

/// Refuses a class none of whose images could be read.
fn refuse_empty_class(base: &Path, train: &Split, classes: &[String]) -> Result<()> {
    match train.counts(classes.len()).iter().position(|count| *count == 0) {
        None => Ok(()),
        Some(class) => {
            let folder = base.join(&classes[class]);
            Err(Error::input(format!("{}: none of its images can be read", folder.display())))
        }
    }
}

/// Mean and standard deviation of each channel.
type Moments = (Vec<f32>, Vec<f32>);

/// Normalization by mean and deviation of `split`, which may be known, of as many channels or of more that are equal.
fn normalization(split: &Split, known: Option<Moments>) -> Result<Preprocessing> {
    let (mut mean, mut std) = known.map_or_else(|| split.moments(), Ok)?;
    mean.truncate(split.shape[0]);
    std.truncate(split.shape[0]);
    // A constant channel has no deviation to divide by.
    std.iter_mut().filter(|x| **x < 1e-3).for_each(|x| *x = 1.0);
    Ok(Preprocessing { channels: split.shape[0], steps: vec![], mean, std })
}

/// Collects findings while folders are listed and images are read.
struct Found {
    survey: Survey,
    skipped: SkippedEntries,
    nested: Nested,
    /// The folder of the parts or classes.
    base: PathBuf,
    /// Number of images listed so far.
    total: usize,
    /// The fingerprint of what was read, if images are not held in memory.
    hash: Option<Sha256>,
}

/// The subfolders of class folders that contain images.
#[derive(Default)]
struct Nested {
    folders: BTreeSet<PathBuf>,
    /// Whether class folders contain images directly.
    has_direct: bool,
}

impl Nested {
    /// Records the locations of the images of the class folder `class`.
    fn add(&mut self, class: &Path, images: &[PathBuf]) {
        for parent in images.iter().filter_map(|image| image.parent()) {
            match parent == class {
                true => self.has_direct = true,
                false if self.folders.contains(parent) => {}
                false => drop(self.folders.insert(parent.to_owned())),
            }
        }
    }

    /// Returns a note on the subfolders, relative to `base`.
    fn note(&self, base: &Path) -> Option<String> {
        let first = self.folders.first()?;
        let first = first.strip_prefix(base).unwrap_or(first).display();
        let (also, count) = (if self.has_direct { "also " } else { "" }, self.folders.len());
        let subfolders = if count == 1 { "a subfolder" } else { &format!("{count} subfolders") };
        Some(format!("images {also}come from {subfolders} of the class folders, first {first}"))
    }
}

impl Found {
    fn new(layout: &Layout) -> Result<Found> {
        let mut skipped = SkippedEntries::default();
        if !layout.parts.is_empty() {
            skipped.beside(&layout.base)?;
            for folder in visible(&layout.base)?.folders {
                if layout.parts.iter().all(|(_, part)| !part.starts_with(&folder)) {
                    skipped.add("folder that is not a part", folder);
                }
            }
        }
        let survey = Survey { notes: layout.notes.clone(), ..Survey::default() };
        Ok(Found {
            survey,
            skipped,
            nested: Nested::default(),
            base: layout.base.clone(),
            total: 0,
            hash: None,
        })
    }

    /// Lists the images in the class folders of `base`; `label` gives the label of a class.
    fn list(
        &mut self,
        base: &Path,
        folders: &[(String, PathBuf)],
        label: impl Fn(&str) -> usize,
    ) -> Result<Listing> {
        self.skipped.beside(base)?;
        let mut listing = Listing { files: vec![], labels: vec![] };
        for (name, folder) in folders {
            let images = images(folder, &mut self.skipped)?;
            self.nested.add(folder, &images);
            listing.files.extend(images);
            listing.labels.resize(listing.files.len(), label(name) as i64);
        }
        self.total += listing.files.len();
        Ok(listing)
    }

    /// Lists the training part, in which no class may be empty.
    fn training(&mut self, base: &Path, folders: &[(String, PathBuf)]) -> Result<Listing> {
        let label = |name: &str| folders.iter().position(|(other, _)| other == name).expect("one of them");
        let listing = self.list(base, folders, label)?;
        let empty = (0..folders.len()).find(|label| !listing.labels.contains(&(*label as i64)));
        match empty {
            None => Ok(listing),
            Some(label) => Err(Error::input(format!(
                "{}: has no images; add some or remove the folder",
                folders[label].1.display()
            ))),
        }
    }

    /// Lists a validation or test part, whose classes must be among `names`; `None` if it has no classes.
    fn part(&mut self, folder: &Path, names: &[String]) -> Result<Option<Listing>> {
        let folders = classes(folder)?;
        if folders.is_empty() {
            self.skipped.beside(folder)?;
            let what = format!("{} has no class folders and is skipped", folder.display());
            self.survey.notes.push(what);
            return Ok(None);
        }
        let found: Vec<String> = folders.iter().map(|(name, _)| name.clone()).collect();
        let extra: Vec<String> = found.iter().filter(|name| !names.contains(name)).cloned().collect();
        if !extra.is_empty() {
            return Err(Error::input(format!(
                "{}: has classes that training does not have: {}; its classes are {}, but those of training are {}",
                folder.display(),
                listed(&extra),
                listed(&found),
                listed(names)
            )));
        }
        let label = |name: &str| names.iter().position(|other| other == name).expect("was checked");
        self.list(folder, &folders, label).map(Some)
    }

    /// Decides, after all parts are listed, whether the images are held in memory.
    fn decide_caching(&mut self, reader: &Reader, classes: &[String], options: &LoadOptions) {
        let bytes = reader.shape().iter().product::<usize>() as u64 * self.total as u64;
        if bytes > options.cache_bytes {
            let (count, cache) = (self.total, options.cache_bytes >> 20);
            let taken = bytes as f64 / f64::from(1 << 20);
            self.survey.notes.push(format!(
                "{count} images take {taken:.1} MiB at this size, more than the cache of {cache} MiB: each is decoded \
                 whenever it is needed"
            ));
        }
        if bytes > options.cache_bytes || options.keeps_originals {
            self.hash = Some(hash_of_classes(classes));
        }
        reader.expect(self.total);
    }

    /// Adds an absent part to the fingerprint.
    fn hash_absent(&mut self) {
        if let Some(hash) = &mut self.hash {
            hash.update([0]);
        }
    }

    /// Reads a part and records the findings in the survey.
    fn read(
        &mut self,
        reader: &Reader,
        name: &'static str,
        folder: &Path,
        listing: Listing,
        classes: &[String],
    ) -> Result<(Split, Option<Moments>)> {
        let ReadPart { split, sizes, unreadable, moments } = match &mut self.hash {
            Some(hash) => reader.scan(listing, hash)?,
            None => reader.read(listing)?,
        };
        self.survey.unreadable.extend(unreadable);
        self.survey.sizes = sizes.map(|sizes| joined(self.survey.sizes, sizes)).or(self.survey.sizes);
        let counts = split.counts(classes.len());
        let missing: Vec<String> = classes
            .iter()
            .zip(counts)
            .filter(|(_, count)| *count == 0)
            .map(|(name, _)| name.clone())
            .collect();
        if split.is_empty() {
            self.survey.notes.push(format!("the {name} part has no images"));
        } else if !missing.is_empty() {
            let what =
                format!("the {name} part has no images of {} of {} classes", missing.len(), classes.len());
            self.survey.notes.push(format!("{what}: {}", listed(&missing)));
        }
        let folder = Some(folder.to_owned());
        self.survey.parts.push(PartSurvey { name, folder, count: split.len(), missing });
        Ok((split, moments))
    }

    fn finish(mut self, reader: &Reader) -> Survey {
        self.survey.notes.extend(reader.channel_note());
        self.survey.notes.extend(self.nested.note(&self.base));
        let fingerprint = self.hash.map(hexadecimal);
        Survey { skipped: self.skipped.into_list(), fingerprint, ..self.survey }
    }
}
