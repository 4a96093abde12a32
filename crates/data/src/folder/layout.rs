//! The layout of a data set's folders: parts, classes, or an enclosing folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use striate_tensor::{Error, Result};

use super::listing::{Visible, visible};
use crate::Medium;
use crate::dataset::listed;
use crate::part::Part;

/// Largest number of enclosing folders entered.
const MOST_ENCLOSING: usize = 4;

/// The locations of the parts or classes of a data set.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The folder that contains them.
    pub base: PathBuf,
    /// The parts, in order; empty if `base` contains class folders.
    pub parts: Vec<(Part, PathBuf)>,
    /// A line for each enclosing folder that was entered.
    pub notes: Vec<String>,
}

impl Layout {
    /// Finds parts or classes in `root`, or in the only folder in it unless that has the name of one of
    /// `classes`.
    pub fn of(root: &Path, classes: &[String]) -> Result<Layout> {
        let (mut base, mut notes) = (root.to_owned(), Vec::new());
        loop {
            let folders = visible(&base)?.folders;
            let parts = parts(&base, &folders)?;
            let parts =
                parts.into_iter().map(|(part, folder)| (part, inner(part, folder))).collect::<Vec<_>>();
            let [only] = &folders[..] else { return Ok(Layout { base, parts, notes }) };
            let is_class = classes.iter().any(|class| name(only) == *class);
            let is_last = notes.len() == MOST_ENCLOSING || visible(only)?.folders.is_empty();
            if !parts.is_empty() || is_class || is_last {
                return Ok(Layout { base, parts, notes });
            }
            notes.push(format!("entered {}, the only folder in {}", only.display(), base.display()));
            base.clone_from(only);
        }
    }

    /// The names of the folders of its parts.
    pub fn part_names(&self) -> Vec<String> {
        self.parts.iter().map(|(_, folder)| name(folder)).collect()
    }

    pub fn part(&self, part: Part) -> Option<&Path> {
        self.parts.iter().find(|(other, _)| *other == part).map(|(_, folder)| folder.as_path())
    }
}

/// The last component of a path, as text.
pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns the parts among `folders`, in order.
///
/// A folder called `train` may also be a class of trains. It is a part if it contains folders, or if all
/// folders next to it have names of parts. Names such as `steam_train` count only next to another part.
fn parts(base: &Path, folders: &[PathBuf]) -> Result<Vec<(Part, PathBuf)>> {
    let named: Vec<(Part, bool, &PathBuf)> = folders
        .iter()
        .filter_map(|path| Part::of(&name(path)).map(|(part, is_whole)| (part, is_whole, path)))
        .collect();
    let all_whole = named.len() == folders.len() && named.iter().all(|(_, is_whole, _)| *is_whole);
    let mut parts = Vec::new();
    let mut any_whole = false;
    for (part, is_whole, path) in named {
        if all_whole || !visible(path)?.folders.is_empty() {
            parts.push((part, path.clone()));
            any_whole |= is_whole;
        }
    }
    let kinds: BTreeSet<Part> = parts.iter().map(|(part, _)| *part).collect();
    if !any_whole && kinds.len() < 2 && folders.len() > 1 {
        return Ok(vec![]);
    }
    parts.sort_by_key(|(part, _)| *part);
    match parts.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(parts),
        Some(pair) => Err(Error::input(format!(
            "{}: two folders for the {} part: {} and {}; merge them or rename one",
            base.display(),
            pair[0].0.name(),
            name(&pair[0].1),
            name(&pair[1].1)
        ))),
    }
}

/// Returns the folder of the classes of `part`: the only folder in `folder`, if it denotes the same part and contains
/// folders, such as `test/test`, or else `folder`.
fn inner(part: Part, folder: PathBuf) -> PathBuf {
    match visible(&folder).map(|found| found.folders).as_deref() {
        Ok([only]) if Part::of(&name(only)).is_some_and(|(same, _)| same == part) && has_folders(only) => {
            only.clone()
        }
        _ => folder,
    }
}

/// Whether `folder` contains folders.
pub(super) fn has_folders(folder: &Path) -> bool {
    visible(folder).is_ok_and(|found| !found.folders.is_empty())
}

/// Returns the class folders in `folder` with their names, sorted by name.
///
/// # Errors
/// If a name is not valid Unicode, or the folders look like parts.
pub(crate) fn classes(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut classes = Vec::new();
    for path in visible(folder)?.folders {
        let name = path.file_name().and_then(|name| name.to_str());
        let not_unicode =
            || Error::input(format!("{}: the name is not valid Unicode; rename the folder", path.display()));
        classes.push((name.ok_or_else(not_unicode)?.to_owned(), path));
    }
    classes.sort();
    refuse_parts(folder, &classes)?;
    Ok(classes)
}

/// Refuses class folders that are or contain parts: those that contain only folders, with names among those in the
/// largest one; those that all contain a folder with the name of a part; or one whose folders all have such names.
fn refuse_parts(base: &Path, classes: &[(String, PathBuf)]) -> Result<()> {
    let mut inner: Vec<BTreeSet<String>> = Vec::new();
    let mut has_data = false;
    for (_, path) in classes {
        let Visible { folders, files, .. } = visible(path)?;
        has_data |= files.iter().any(|file| Medium::Image.is_in(file) || Medium::Sound.is_in(file));
        inner.push(folders.iter().map(|folder| name(folder)).collect());
    }
    let is_part = |name: &String| matches!(Part::of(name), Some((_, true)));
    let each_has_part = !inner.is_empty() && inner.iter().all(|names| names.iter().any(is_part));
    let has_only_parts = |names: &BTreeSet<String>| !names.is_empty() && names.iter().all(is_part);
    if each_has_part || inner.iter().any(has_only_parts) {
        let outer: Vec<String> = classes
            .iter()
            .zip(&inner)
            .filter(|(_, names)| names.iter().any(is_part))
            .map(|((name, _), _)| name.clone())
            .collect();
        let names: BTreeSet<&String> = inner.iter().flatten().filter(|name| is_part(name)).collect();
        let names: Vec<String> = names.into_iter().cloned().collect();
        let (first, part) = (&outer[0], &names[0]);
        return Err(Error::input(format!(
            "{}: there are parts ({}) in {}; if these are data sets, choose one, such as {}; if they are classes, move the \
             parts above them, such as {part}/{first}",
            base.display(),
            listed(&names),
            listed(&outer),
            base.join(first).display()
        )));
    }
    inner.retain(|names| !names.is_empty());
    let Some(most) = inner.iter().max_by_key(|names| names.len()) else { return Ok(()) };
    // A single name, such as `images`, is a convention and not a class.
    if has_data || inner.len() < 2 || most.len() < 2 || !inner.iter().all(|names| names.is_subset(most)) {
        return Ok(());
    }
    let names: Vec<String> = most.iter().cloned().collect();
    let outer: Vec<String> = classes.iter().map(|(name, _)| name.clone()).collect();
    Err(Error::input(format!(
        "{}: {} look like parts, not classes: they contain only folders, named {}; rename them to train, val and test, \
         or put the files directly into them",
        base.display(),
        listed(&outer),
        listed(&names)
    )))
}
