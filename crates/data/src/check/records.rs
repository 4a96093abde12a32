//! Finds the images of CIFAR, which are records in a few files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use striate_tensor::Result;

use super::finding::{Finding, FindingKind};
use super::scan::{Place, Scan, Set, Source};
use crate::CifarKind;
use crate::cifar::{Found, find};

/// Lists the records of `kind` in `folder`, or else in the data folder.
///
/// # Errors
/// If a file is missing. Files that cannot be read or are not made of records are a finding.
pub(super) fn scan(kind: CifarKind, folder: Option<&Path>) -> Result<Scan> {
    let Found { classes, parts } = match find(kind, folder)?.read() {
        Ok(found) => found,
        Err(error) => {
            let findings = vec![Finding::error(FindingKind::Corrupt, error.to_string())];
            return Ok(Scan { files: vec![], classes: vec![], sets: vec![], findings });
        }
    };
    let (mut files, mut sets) = (Vec::new(), Vec::new());
    for (part, split, records) in parts {
        let place = records.first().map_or_else(PathBuf::new, |(path, _)| path.clone());
        sets.push(Set {
            part: Some(part),
            folder: place.parent().unwrap_or(&place).to_owned(),
            classes: (0..classes.len()).collect(),
        });
        let split = Arc::new(split);
        let numbered = records.iter().flat_map(|(path, count)| (0..*count).map(move |record| (path, record)));
        files.extend(numbered.zip(0..).map(|((path, record), index)| Place {
            path: PathBuf::from(format!("{}:{record}", path.display())),
            class: Some(split.labels[index] as usize),
            source: Source::Pixels(split.clone(), index),
            part: Some(part),
        }));
    }
    Ok(Scan { files, classes, sets, findings: vec![] })
}
