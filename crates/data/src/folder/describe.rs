//! Finds the files of a folder for a description, even without a training part.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use striate_tensor::Result;

use super::layout::{Layout, classes};
use super::{Found, find_in, no_class_folders};
use crate::Medium;
use crate::images::{Collection, FoundPart};
use crate::part::Part;

/// Finds all parts of the folder `root`; without a training part, the classes are those of the others.
pub(crate) fn find_described(root: &Path, medium: Medium) -> Result<Collection> {
    let layout = Layout::of(root, &[])?;
    if layout.parts.is_empty() || layout.part(Part::Train).is_some() {
        return find_in(root, &layout, medium);
    }
    let folders = layout.parts.iter().map(|(_, folder)| classes(folder));
    let folders: Vec<Vec<(String, PathBuf)>> = folders.collect::<Result<_>>()?;
    let names: BTreeSet<String> = folders.iter().flatten().map(|(name, _)| name.clone()).collect();
    let names: Vec<String> = names.into_iter().collect();
    let mut found = Found::new(&layout, medium)?;
    let what = format!("no training part, only {}", layout.part_names().join(" and "));
    found.survey.notes.push(what + "; `eval` accepts this, `train` does not");
    let label = |name: &str| names.iter().position(|other| other == name).expect("it is one of them");
    let mut parts = Vec::new();
    for ((part, folder), classes) in layout.parts.iter().zip(&folders) {
        if classes.is_empty() {
            found.survey.notes.push(format!("{} has no class folders and is skipped", folder.display()));
            continue;
        }
        let listing = found.list(folder, classes, label)?;
        parts.push(FoundPart { part: Some(*part), place: folder.clone(), listing });
    }
    if parts.is_empty() {
        return Err(no_class_folders("its parts have", medium).at(layout.base.display()));
    }
    Ok(found.finish(root, names, parts))
}
