//! Folders of images, sounds or texts: parts such as `train`, `val` and `test` with a folder for each class, or only
//! class folders.
//!
//! Classes are the names of the folders, sorted as strings. Images and sounds are recognized by their content.

mod describe;
mod layout;
mod listing;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(crate) use self::describe::find_described;
pub(crate) use self::layout::{Layout, classes};
pub(crate) use self::listing::{DEEPEST, ENDINGS, ending, has_file_ending, visible};
pub use self::listing::{file_kind, is_image};
use striate_tensor::{Error, Result};

use self::layout::has_folders;
use self::listing::{SkippedEntries, files};
use crate::dataset::listed;
use crate::images::{Collection, FoundPart, ImageFile, Listing};
use crate::part::Part;
use crate::{Medium, Survey};

/// Finds the files of the data set in the folder `root`, which needs a training part or class folders.
pub(crate) fn find(root: &Path, medium: Medium) -> Result<Collection> {
    find_in(root, &Layout::of(root, &[])?, medium)
}

fn find_in(root: &Path, layout: &Layout, medium: Medium) -> Result<Collection> {
    let base = training_folder(layout)?;
    let folders = classes(base)?;
    let names: Vec<String> = folders.iter().map(|(name, _)| name.clone()).collect();
    refuse_too_few(base, &names, medium)?;
    let mut found = Found::new(layout, medium)?;
    let listing = found.training(base, &folders)?;
    let part = (!layout.parts.is_empty()).then_some(Part::Train);
    let mut parts = vec![FoundPart { part, place: base.to_owned(), listing }];
    for part in [Part::Validation, Part::Test] {
        let Some(folder) = layout.part(part) else { continue };
        let Some(listing) = found.part(folder, &names)? else { continue };
        parts.push(FoundPart { part: Some(part), place: folder.to_owned(), listing });
    }
    Ok(found.finish(root, names, parts))
}

/// Finds the files in the folder `root` that a model with the classes `known` is evaluated on.
pub(crate) fn find_measured(root: &Path, known: &[String], medium: Medium) -> Result<Collection> {
    let layout = Layout::of(root, known)?;
    let best = layout.parts.iter().max_by_key(|(part, folder)| (has_folders(folder), *part));
    let (part, folder) = match best {
        Some((part, folder)) => (Some(*part), folder.as_path()),
        None => (None, layout.base.as_path()),
    };
    let folders = classes(folder)?;
    if folders.is_empty() {
        return Err(no_class_folders("has", medium).at(folder.display()));
    }
    let mut found = Found::new(&layout, medium)?;
    let listing = found.list(folder, &folders, |name| {
        folders.iter().position(|(other, _)| other == name).expect("the folder is one of them")
    })?;
    if listing.files.is_empty() {
        return Err(no_files(medium).at(folder.display()));
    }
    let names: Vec<String> = folders.into_iter().map(|(name, _)| name).collect();
    Ok(found.finish(root, names, vec![FoundPart { part, place: folder.to_owned(), listing }]))
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

/// The error of a folder without files of `medium`.
fn no_files(medium: Medium) -> Error {
    Error::input(format!("has no {}s; add some or remove the folder", medium.name()))
}

/// The error of what has no class folders.
fn no_class_folders(what: &str, medium: Medium) -> Error {
    let name = medium.name();
    Error::input(format!(
        "{what} no class folders; put the {name}s of each class into a folder named after the class"
    ))
}

fn refuse_too_few(base: &Path, classes: &[String], medium: Medium) -> Result<()> {
    let what = match classes {
        [] => "has no class folders".to_owned(),
        [only] => format!("has only one class folder, {only}"),
        _ => return Ok(()),
    };
    let name = medium.name();
    let advice = format!("training needs at least two, each with its {name}s");
    Err(Error::input(format!("{}: {what}; {advice}", base.display())))
}

/// Collects findings while folders are listed.
struct Found {
    medium: Medium,
    survey: Survey,
    skipped: SkippedEntries,
    nested: Nested,
    /// The folder of the parts or classes.
    base: PathBuf,
}

/// The subfolders of class folders that contain files.
#[derive(Default)]
struct Nested {
    folders: BTreeSet<PathBuf>,
    /// Whether class folders contain files directly.
    has_direct: bool,
}

impl Nested {
    /// Records the locations of the files of the class folder `class`.
    fn add(&mut self, class: &Path, files: &[PathBuf]) {
        for parent in files.iter().filter_map(|file| file.parent()) {
            match parent == class {
                true => self.has_direct = true,
                false if self.folders.contains(parent) => {}
                false => drop(self.folders.insert(parent.to_owned())),
            }
        }
    }

    /// Returns a note on the subfolders, relative to `base`.
    fn note(&self, base: &Path, medium: Medium) -> Option<String> {
        let first = self.folders.first()?;
        let first = first.strip_prefix(base).unwrap_or(first).display();
        let (also, count) = (if self.has_direct { "also " } else { "" }, self.folders.len());
        let subfolders = if count == 1 { "a subfolder" } else { &format!("{count} subfolders") };
        let name = medium.name();
        Some(format!("{name}s {also}come from {subfolders} of the class folders, first {first}"))
    }
}

impl Found {
    fn new(layout: &Layout, medium: Medium) -> Result<Found> {
        let mut skipped = SkippedEntries::default();
        if !layout.parts.is_empty() {
            skipped.beside(&layout.base, medium)?;
            for folder in visible(&layout.base)?.folders {
                if layout.parts.iter().all(|(_, part)| !part.starts_with(&folder)) {
                    skipped.add("folder that is not a part", folder);
                }
            }
        }
        let survey = Survey { notes: layout.notes.clone(), ..Survey::default() };
        Ok(Found { medium, survey, skipped, nested: Nested::default(), base: layout.base.clone() })
    }

    /// Lists the files in the class folders of `base`; `label` gives the label of a class.
    fn list(
        &mut self,
        base: &Path,
        folders: &[(String, PathBuf)],
        label: impl Fn(&str) -> usize,
    ) -> Result<Listing> {
        self.skipped.beside(base, self.medium)?;
        let mut listing = Listing::default();
        for (name, folder) in folders {
            let files = files(folder, self.medium, &mut self.skipped)?;
            self.nested.add(folder, &files);
            listing.files.extend(files.into_iter().map(ImageFile::File));
            listing.labels.resize(listing.files.len(), label(name) as i64);
        }
        Ok(listing)
    }

    /// Lists the training part, in which no class may be empty.
    fn training(&mut self, base: &Path, folders: &[(String, PathBuf)]) -> Result<Listing> {
        let label = |name: &str| folders.iter().position(|(other, _)| other == name).expect("one of them");
        let listing = self.list(base, folders, label)?;
        let empty = (0..folders.len()).find(|label| !listing.labels.contains(&(*label as i64)));
        match empty {
            None => Ok(listing),
            Some(label) => Err(no_files(self.medium).at(folders[label].1.display())),
        }
    }

    /// Lists a validation or test part, whose classes must be among `names`; `None` if it has no classes.
    fn part(&mut self, folder: &Path, names: &[String]) -> Result<Option<Listing>> {
        let folders = classes(folder)?;
        if folders.is_empty() {
            self.skipped.beside(folder, self.medium)?;
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

    fn finish(mut self, root: &Path, classes: Vec<String>, parts: Vec<FoundPart>) -> Collection {
        self.survey.notes.extend(self.nested.note(&self.base, self.medium));
        let survey = Survey { skipped: self.skipped.into_list(), ..self.survey };
        Collection { name: root.display().to_string(), classes, parts, survey }
    }
}
