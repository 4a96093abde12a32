//! Finds the images of shards with their parts and classes, and verifies the checksums.

use std::path::{Path, PathBuf};

use striate_tensor::{Error, Result};

use super::finding::{Finding, FindingKind};
use super::scan::{Place, Scan, Set, Source};
use crate::images::{FoundPart, Purpose};
use crate::shards::{Checksum, checksums, find};

/// Lists the images in the shards of the folder `root`.
///
/// # Errors
/// If a file of the folder cannot be read. Shards that cannot be read as data are a finding.
pub(super) fn scan(root: &Path) -> Result<Scan> {
    let text = root
        .to_str()
        .ok_or_else(|| Error::input("the name is not valid Unicode; rename the folder").at(root.display()))?;
    let mut findings = Vec::new();
    match checksums(root)? {
        None => findings.push(Finding::information(FindingKind::Checksum, "the shards have no SHA256SUMS")),
        Some(sums) => findings.extend(sums.into_iter().filter_map(finding)),
    }
    let found = match find(text, Purpose::Description) {
        Ok(found) => found,
        Err(error) => {
            findings.push(Finding::error(FindingKind::Layout, error.to_string()));
            return Ok(Scan { files: vec![], classes: vec![], sets: vec![], findings });
        }
    };
    let (mut files, mut sets) = (Vec::new(), Vec::new());
    for FoundPart { part, place, listing } in found.parts {
        sets.push(Set { part, folder: place, classes: (0..found.classes.len()).collect() });
        let images = listing.files.into_iter().zip(listing.labels);
        files.extend(images.map(|(file, label)| {
            let (path, class) = (PathBuf::from(file.to_string()), Some(label as usize));
            Place { path, source: Source::Member(file), part, class }
        }));
    }
    let notes = found.survey.notes.into_iter();
    findings.extend(notes.map(|note| Finding::information(FindingKind::Skipped, note)));
    Ok(Scan { files, classes: found.classes, sets, findings })
}

fn finding((path, checksum): (PathBuf, Checksum)) -> Option<Finding> {
    let finding = match checksum {
        Checksum::Right => return None,
        Checksum::Wrong => Finding::error(FindingKind::Checksum, "differs from SHA256SUMS"),
        Checksum::Missing => Finding::error(FindingKind::Checksum, "is in SHA256SUMS, but does not exist"),
        Checksum::Unlisted => Finding::warning(FindingKind::Checksum, "is not in SHA256SUMS"),
    };
    Some(finding.of([path]))
}
