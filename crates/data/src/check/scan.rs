//! Finds the files of a folder, and the part and class of each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use striate_tensor::names::check_class_names;
use striate_tensor::{Error, Result};

use super::finding::{Finding, FindingKind};
use crate::Split;
use crate::folder::{DEEPEST, Layout, classes, visible};
use crate::images::ImageFile;
use crate::part::Part;

/// Largest number of folders.
const MOST_FOLDERS: usize = 100_000;

/// Where the content of a [`Place`] is.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// In its file, which may be anything.
    File,
    /// In its file, which a list names as an image.
    Listed,
    /// In a shard.
    Member(ImageFile),
    /// Among images without a format; the number of its image.
    Pixels(Arc<Split>, usize),
}

/// A file and its place in the data set.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The file; for a member of a shard or a record, with its name or number.
    pub path: PathBuf,
    pub source: Source,
    /// The part, if there are parts and it is in one.
    pub part: Option<Part>,
    /// The class, as an index into [`Scan::classes`].
    pub class: Option<usize>,
}

/// The folder of classes of a part, or of the whole set.
#[derive(Debug)]
pub(super) struct Set {
    pub part: Option<Part>,
    pub folder: PathBuf,
    /// Its classes, as indices into [`Scan::classes`].
    pub classes: Vec<usize>,
}

/// The contents of a folder.
#[derive(Debug)]
pub(super) struct Scan {
    /// All files but hidden ones and those of systems, sorted by path.
    pub files: Vec<Place>,
    /// The names of all classes, sorted.
    pub classes: Vec<String>,
    /// The parts, or the whole set; empty if the layout cannot be read.
    pub sets: Vec<Set>,
    pub findings: Vec<Finding>,
}

/// Lists the files in `root` and its subfolders.
///
/// # Errors
/// If `root` cannot be read, or its folders are too many or nested too deep, as with links to a parent.
pub(super) fn scan(root: &Path) -> Result<Scan> {
    let mut walk = Walk::default();
    walk.folder(root, root, 0)?;
    let mut findings = walk.findings;
    findings.extend(
        walk.hidden
            .into_iter()
            .map(|(kind, files)| Finding::information(FindingKind::Skipped, kind).of(files)),
    );
    let (sets, names) = match sets(root) {
        Ok((sets, names)) => (sets, names),
        Err(error) => {
            findings.push(Finding::error(FindingKind::Layout, error.to_string()));
            (vec![], vec![])
        }
    };
    findings.extend(layout_findings(root, &sets, &names));
    walk.files.sort();
    let files = walk.files.into_iter().map(|path| place(path, &sets, &names)).collect();
    Ok(Scan { files, classes: names, sets, findings })
}

/// Returns the part and class of a file.
fn place(path: PathBuf, sets: &[Set], names: &[String]) -> Place {
    let within = |set: &Set| path.strip_prefix(&set.folder).ok().map(|rest| (set.part, rest.to_owned()));
    let Some((part, rest)) = sets.iter().find_map(within) else {
        return Place { path, source: Source::File, part: None, class: None };
    };
    let first = rest.parent().and_then(|folders| folders.components().next());
    let first = first.map(|folder| folder.as_os_str().to_string_lossy().into_owned());
    let class = first.and_then(|name| names.binary_search(&name).ok());
    Place { path, source: Source::File, part, class }
}

/// Returns the parts with their classes, and the names of all classes.
fn sets(root: &Path) -> Result<(Vec<Set>, Vec<String>)> {
    let Layout { base, parts, .. } = Layout::of(root, &[])?;
    let folders: Vec<(Option<Part>, PathBuf)> = match parts.is_empty() {
        true => vec![(None, base)],
        false => parts.into_iter().map(|(part, folder)| (Some(part), folder)).collect(),
    };
    let mut found = Vec::new();
    for (part, folder) in folders {
        let names: Vec<String> = classes(&folder)?.into_iter().map(|(name, _)| name).collect();
        found.push((part, folder, names));
    }
    let mut all: Vec<String> = found.iter().flat_map(|(_, _, names)| names.clone()).collect();
    all.sort();
    all.dedup();
    let index = |name: &String| all.binary_search(name).expect("it is one of them");
    let set = |(part, folder, names): &(_, PathBuf, Vec<String>)| Set {
        part: *part,
        folder: folder.clone(),
        classes: names.iter().map(index).collect(),
    };
    let sets = found.iter().map(set).collect();
    Ok((sets, all))
}

/// Returns what the folders alone show.
fn layout_findings(root: &Path, sets: &[Set], names: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut report = |finding: Finding| findings.push(finding);
    if let Err(error) = check_class_names(names.iter().map(String::as_str)) {
        report(Finding::error(FindingKind::ClassName, error.to_string()));
    }
    let Some(first) = sets.first() else { return findings };
    if first.part.is_some_and(|part| part != Part::Train) {
        let what = format!("no training part, only {}", part_names(sets));
        report(Finding::warning(FindingKind::Layout, what).of([root.to_owned()]));
    }
    let advice = "training needs at least two, each with its images";
    for set in sets {
        let is_trained = set.part.is_none_or(|part| part == Part::Train);
        let what = match &set.classes[..] {
            [] => "has no class folders".to_owned(),
            [only] if is_trained => format!("has only one class folder, {}", names[*only]),
            _ => continue,
        };
        let what = if is_trained { format!("{what}; {advice}") } else { format!("{what} and is skipped") };
        report(Finding::warning(FindingKind::Layout, what).of([set.folder.clone()]));
    }
    findings
}

fn part_names(sets: &[Set]) -> String {
    let names: Vec<&str> = sets.iter().filter_map(|set| set.part.map(Part::name)).collect();
    names.join(" and ")
}

/// The files found so far.
#[derive(Default)]
struct Walk {
    files: Vec<PathBuf>,
    hidden: BTreeMap<&'static str, Vec<PathBuf>>,
    findings: Vec<Finding>,
    folders: usize,
}

impl Walk {
    fn folder(&mut self, root: &Path, folder: &Path, depth: usize) -> Result<()> {
        self.folders += 1;
        // Links may form cycles, and several of them multiply.
        if depth > DEEPEST || self.folders > MOST_FOLDERS {
            return Err(Error::input(format!(
                "{}: contains more than {MOST_FOLDERS} folders, or folders nested more than {DEEPEST} deep; is there a \
                 link to a parent folder?",
                root.display()
            )));
        }
        let found = match visible(folder) {
            Ok(found) => found,
            Err(error) if depth == 0 => return Err(error),
            Err(error) => {
                let finding = Finding::error(FindingKind::Unreadable, error.to_string());
                self.findings.push(finding.of([folder.to_owned()]));
                return Ok(());
            }
        };
        for (kind, path) in found.skipped {
            self.hidden.entry(kind).or_default().push(path);
        }
        self.files.extend(found.files);
        found.folders.iter().try_for_each(|inner| self.folder(root, inner, depth + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn scanned(files: &[&str]) -> (Scratch, Scan) {
        let folder = Scratch::new();
        files.iter().for_each(|file| drop(folder.file(file, b"x")));
        let scan = scan(folder.path()).unwrap();
        (folder, scan)
    }

    fn messages(scan: &Scan) -> String {
        scan.findings.iter().map(|finding| finding.message.clone() + "\n").collect()
    }

    #[test]
    fn files_get_part_and_class() {
        let (folder, scan) = scanned(&[
            "train/cat/a.png",
            "train/dog/old/b.png",
            "train/c.png",
            "test/cat/d.png",
            "test/cow/e.png",
            "extra/f.png",
        ]);
        let place = |name: &str| {
            let place = scan.files.iter().find(|place| place.path == folder.path().join(name)).unwrap();
            (place.part, place.class.map(|class| scan.classes[class].as_str()))
        };
        assert_eq!(place("train/cat/a.png"), (Some(Part::Train), Some("cat")));
        assert_eq!(place("train/dog/old/b.png"), (Some(Part::Train), Some("dog")));
        assert_eq!(place("train/c.png"), (Some(Part::Train), None));
        assert_eq!(place("test/cow/e.png"), (Some(Part::Test), Some("cow")));
        assert_eq!(place("extra/f.png"), (None, None));
        assert_eq!(messages(&scan), "");
    }

    #[test]
    fn unusual_layouts_are_reported_and_still_scanned() {
        for (files, expected) in [
            (&["a.png", "b.png"][..], "has no class folders; training needs at least two"),
            (&["cat/a.png"], "has only one class folder, cat"),
            (&["test/cat/a.png", "test/dog/a.png"], "no training part, only test"),
            (&["A/cat/a.png", "A/dog/a.png", "B/cat/a.png", "B/dog/a.png"], "look like parts, not classes"),
            (&["cat/a.png", "dog\u{202e}/a.png"], "has the character U+202E"),
        ] {
            let (_folder, scan) = scanned(files);
            assert!(messages(&scan).contains(expected), "{files:?}: {}", messages(&scan));
            assert_eq!(scan.files.len(), files.len());
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_to_a_parent_are_refused() {
        let folder = Scratch::new();
        folder.file("cat/a.png", b"");
        std::os::unix::fs::symlink(folder.path(), folder.path().join("cat/up")).unwrap();
        assert!(scan(folder.path()).unwrap_err().to_string().contains("link to a parent folder"));
    }
}
