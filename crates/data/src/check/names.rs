//! Names that differ only in case: on some systems they are the same, and one file replaces the other.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::finding::{Finding, FindingKind};
use super::scan::Place;

/// Reports classes, in any of the parts, whose names differ only in case.
pub(super) fn classes(names: &[String]) -> Vec<Finding> {
    let mut same: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in names {
        same.entry(name.to_lowercase()).or_default().push(name);
    }
    let finding = |names: Vec<&str>| {
        let what =
            format!("classes whose names differ only in case: {}; merge or rename them", names.join(", "));
        Finding::warning(FindingKind::Case, what)
    };
    same.into_values().filter(|names| names.len() > 1).map(finding).collect()
}

/// Reports files in the same folder whose names differ only in case.
pub(super) fn files(files: &[Place]) -> Vec<Finding> {
    let mut same: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for Place { path, .. } in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        same.entry(path.with_file_name(name)).or_default().push(path.clone());
    }
    let what = "file names that differ only in case";
    let finding = |paths: Vec<PathBuf>| Finding::warning(FindingKind::Case, what).of(paths);
    same.into_values().filter(|paths| paths.len() > 1).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::scan::Source;

    #[test]
    fn names_that_differ_only_in_case_are_grouped() {
        let names = ["Cat", "cat", "dog", "Ärger", "ärger"].map(String::from);
        let found = classes(&names);
        assert_eq!(found.len(), 2);
        assert!(found[0].message.contains("Cat, cat"), "{}", found[0].message);
        let place = |path: &str| Place { path: path.into(), source: Source::File, part: None, class: None };
        let found = files(&["a/x.png", "a/X.PNG", "b/x.PNG", "A/x.png"].map(place));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].files, [PathBuf::from("a/X.PNG"), "a/x.png".into()]);
    }
}
