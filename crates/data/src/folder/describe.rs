//! Loads the parts of an image folder for a description, even without a training part.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use striate_tensor::Result;

use super::layout::{Layout, Part, classes};
use super::read::{Reader, keep_one_channel};
use super::{Found, Listing, load};
use crate::{Described, LoadOptions};

/// Loads all parts of the folder `root`; without a training part, the classes are those of the others.
pub(crate) fn describe(root: &Path, options: &LoadOptions) -> Result<Described> {
    let layout = Layout::of(root, &[])?;
    if layout.parts.is_empty() || layout.part(Part::Train).is_some() {
        return Ok(load(root, options)?.into());
    }
    let folders: Vec<(Part, PathBuf, Vec<(String, PathBuf)>)> = (layout.parts.iter())
        .map(|(part, folder)| Ok((*part, folder.clone(), classes(folder)?)))
        .collect::<Result<_>>()?;
    let names = folders.iter().flat_map(|(_, _, classes)| classes).map(|(name, _)| name.clone());
    let names: Vec<String> = names.collect::<BTreeSet<_>>().into_iter().collect();
    let mut found = Found::new(&layout)?;
    let what = format!("no training part, only {}", layout.part_names().join(" and "));
    found.survey.notes.push(what + "; `eval` accepts this, `train` does not");
    let label = |name: &str| names.iter().position(|other| other == name).expect("it is one of them");
    let listings: Vec<(Part, PathBuf, Listing)> = (folders.into_iter())
        .map(|(part, folder, classes)| Ok((part, folder.clone(), found.list(&folder, &classes, label)?)))
        .collect::<Result<_>>()?;
    let files: Vec<PathBuf> = listings.iter().flat_map(|(_, _, listing)| listing.files.clone()).collect();
    let reader = Reader::new(&files, options)?;
    let mut parts = Vec::new();
    for (part, folder, listing) in listings {
        parts.push((part.name(), found.read(&reader, part.name(), &folder, listing, &names)?));
    }
    reader.refuse_unreadable(&found.survey, found.total)?;
    if reader.is_gray() {
        parts
            .iter_mut()
            .filter(|(_, split)| split.shape[0] == 3)
            .for_each(|(_, split)| keep_one_channel(split));
    }
    Ok(Described { name: root.display().to_string(), classes: names, parts, survey: found.finish() })
}
