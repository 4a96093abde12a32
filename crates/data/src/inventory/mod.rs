//! An inventory of a data set, small enough to be kept with a run: it tells later what has changed.

mod difference;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::part::Part;
use crate::{Dataset, Files, Split};

/// Bytes that the paths of all files may take; beyond that, only the digests of classes are kept.
const MOST_LISTED: usize = 16 << 20;
/// What is kept of a file besides its path, in bytes of text.
const PER_FILE: usize = 32;

/// What a data set consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Class names.
    pub classes: Vec<String>,
    /// The parts that have images.
    pub parts: Vec<PartInventory>,
}

/// What a part of a data set consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartInventory {
    /// `train`, `validation` or `test`.
    pub name: String,
    /// Number of images of each class.
    pub counts: Vec<usize>,
    /// A digest of the files of each class, whatever their names and order; empty unless the images were image files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<u64>,
    /// The files: path, class, digest of the content. Empty if there are too many, or the images were not image files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<(String, usize, u64)>,
}

impl Inventory {
    /// Takes the inventory of `dataset`, which must still contain its images.
    pub fn of(dataset: &Dataset) -> Inventory {
        let classes = dataset.classes.len();
        let splits = [Some(&dataset.train), dataset.validation.as_ref(), dataset.test.as_ref()];
        let parts = Part::ALL.into_iter().zip(splits);
        let parts = parts.filter_map(|(part, split)| Some((part, split.filter(|split| !split.is_empty())?)));
        let mut left = MOST_LISTED;
        let mut parts: Vec<PartInventory> =
            parts.map(|(part, split)| PartInventory::of(part, split, classes, &mut left)).collect();
        if parts.iter().any(|part| part.files.is_empty()) {
            parts.iter_mut().for_each(|part| part.files.clear());
        }
        Inventory { classes: dataset.classes.clone(), parts }
    }
}

impl PartInventory {
    /// The inventory of a part with labels below `classes`. Files are listed if they fit into the bytes `left`.
    fn of(part: Part, split: &Split, classes: usize, left: &mut usize) -> PartInventory {
        let mut counts = vec![0; classes];
        let labels = || split.labels.iter().filter_map(|label| usize::try_from(*label).ok());
        for label in labels() {
            counts.get_mut(label).into_iter().for_each(|count| *count += 1);
        }
        let mut digests = Vec::new();
        let mut files = Vec::new();
        if let Some(Files { list, digests: contents, .. }) = &split.files {
            digests = vec![0u64; classes];
            let mut is_listed = true;
            for ((file, label), content) in list.iter().zip(labels()).zip(contents) {
                // A sum does not depend on the order.
                let digest = digests.get_mut(label).into_iter();
                digest.for_each(|digest| *digest = digest.wrapping_add(*content));
                if is_listed {
                    let path = file.to_string();
                    let rest = left.checked_sub(path.len() + PER_FILE);
                    is_listed = rest.is_some();
                    *left = rest.unwrap_or_default();
                    files.push((path, label, *content));
                }
            }
            if !is_listed {
                files.clear();
            }
        }
        PartInventory { name: part.name().to_owned(), counts, digests, files }
    }

    /// Number of images.
    fn len(&self) -> usize {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}
