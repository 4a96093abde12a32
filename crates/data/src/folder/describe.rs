//! Loads the parts of an image folder for a description, even without a training part.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use striate_tensor::{Error, Result};

use super::layout::{Layout, Part, classes};
use super::read::{Reader, keep_one_channel};
use super::{Found, load};
use crate::{Described, LoadOptions};

/// Loads all parts of the folder `root`; without a training part, the classes are those of the others.
pub(crate) fn describe(root: &Path, options: &LoadOptions) -> Result<Described> {
    let layout = Layout::of(root, &[])?;
    if layout.parts.is_empty() || layout.part(Part::Train).is_some() {
        return Ok(load(root, options)?.into());
    }
    let folders = layout.parts.iter().map(|(_, folder)| classes(folder));
    let folders: Vec<Vec<(String, PathBuf)>> = folders.collect::<Result<_>>()?;
    let names: BTreeSet<String> = folders.iter().flatten().map(|(name, _)| name.clone()).collect();
    let names: Vec<String> = names.into_iter().collect();
    let mut found = Found::new(&layout)?;
    let what = format!("no training part, only {}", layout.part_names().join(" and "));
    found.survey.notes.push(what + "; `eval` accepts this, `train` does not");
    let label = |name: &str| names.iter().position(|other| other == name).expect("it is one of them");
    let mut listings = Vec::new();
    for ((part, folder), classes) in layout.parts.iter().zip(&folders) {
        if classes.is_empty() {
            found.survey.notes.push(format!("{} has no class folders and is skipped", folder.display()));
            continue;
        }
        listings.push((*part, folder, found.list(folder, classes, label)?));
    }
    if listings.is_empty() {
        let what = "its parts have no class folders; put the images of each class into a folder named after the class";
        return Err(Error::input(what).at(layout.base.display()));
    }
    let files: Vec<PathBuf> = listings.iter().flat_map(|(_, _, listing)| listing.files.clone()).collect();
    let reader = Reader::new(&files, options)?;
    found.decide_caching(&reader, &names, options);
    let mut parts = Vec::new();
    for (part, folder, listing) in listings {
        parts.push((part.name(), found.read(&reader, part.name(), folder, listing, &names)?.0));
    }
    // Its parts are in another order.
    found.hash = None;
    reader.refuse_unreadable(&found.survey, found.total)?;
    parts.retain(|(_, split)| !split.is_empty());
    if parts.is_empty() {
        return Err(Error::input("has no images that can be read").at(layout.base.display()));
    }
    if reader.is_gray() {
        parts
            .iter_mut()
            .filter(|(_, split)| split.shape[0] == 3)
            .for_each(|(_, split)| keep_one_channel(split));
    }
    Ok(Described { name: root.display().to_string(), classes: names, parts, survey: found.finish(&reader) })
}
