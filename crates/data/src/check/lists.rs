//! Finds the images that lists name, with their parts and classes, and lines that cannot be used.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use striate_tensor::Result;
use striate_tensor::file::folder_of;
use striate_tensor::names::check_class_names;

use super::finding::{Copies, Finding, FindingKind, sort};
use super::scan::{Place, Scan, Set, Source};
use crate::list::{lines, lists, parsed, text};
use crate::part::Part;

/// Largest number of findings of one kind that are reported one by one.
const MOST_LINES: usize = 1000;
/// Largest number of lines and classes that a finding names.
const SHOWN: usize = 4;

/// A list and its part.
type List = (Option<Part>, PathBuf);

/// A line of a list.
struct Entry {
    path: PathBuf,
    class: String,
    /// The number of the list.
    list: usize,
    line: usize,
}

/// Lists the images that the list at `path`, or those in the folder at `path`, name.
///
/// # Errors
/// If a list cannot be read. A folder whose lists are not for parts is a finding.
pub(super) fn scan(path: &Path) -> Result<Scan> {
    let mut findings = Vec::new();
    let found = match lists(path) {
        Ok(found) => found,
        Err(error) if path.is_dir() => {
            findings.push(Finding::error(FindingKind::Layout, error.to_string()));
            return Ok(Scan { files: vec![], classes: vec![], sets: vec![], findings });
        }
        Err(error) => return Err(error),
    };
    let mut entries = Vec::new();
    for (number, (_, list)) in found.iter().enumerate() {
        findings.extend(read(list, number, &mut entries)?);
    }
    let names: BTreeSet<&String> = entries.iter().map(|entry| &entry.class).collect();
    let classes: Vec<String> = names.into_iter().cloned().collect();
    let class = |name: &String| classes.binary_search(name).expect("it is one of them");
    let mut of_lists = vec![BTreeSet::new(); found.len()];
    for entry in &entries {
        of_lists[entry.list].insert(class(&entry.class));
    }
    let set = |((part, list), classes): (&List, BTreeSet<usize>)| Set {
        part: *part,
        folder: list.clone(),
        classes: classes.into_iter().collect(),
    };
    let sets: Vec<Set> = found.iter().zip(of_lists).map(set).collect();
    findings.extend(repeated(&entries, &found));
    findings.extend(unfit(&sets, &classes));
    let mut known = HashSet::new();
    let firsts = entries.iter().filter(|entry| known.insert(&entry.path));
    let place = |entry: &Entry| Place {
        path: entry.path.clone(),
        source: Source::Listed,
        part: found[entry.list].0,
        class: Some(class(&entry.class)),
    };
    let files = firsts.map(place).collect();
    Ok(Scan { files, classes, sets, findings })
}

/// Adds the lines of the list number `number` to `entries`, and returns findings about those that cannot be used.
fn read(list: &Path, number: usize, entries: &mut Vec<Entry>) -> Result<Vec<Finding>> {
    let (mut findings, mut unusable) = (Vec::new(), 0);
    for (line, content) in lines(&text(list)?) {
        match parsed(content) {
            Ok((path, class)) => {
                let path = folder_of(list).join(path);
                entries.push(Entry { path, class: class.to_owned(), list: number, line });
            }
            Err(error) => {
                unusable += 1;
                if unusable <= MOST_LINES {
                    let what = format!("line {line}: {error}");
                    findings.push(Finding::error(FindingKind::List, what).of([list.to_owned()]));
                }
            }
        }
    }
    if unusable > MOST_LINES {
        let what = format!("{} more lines that cannot be used", unusable - MOST_LINES);
        findings.push(Finding::error(FindingKind::List, what).of([list.to_owned()]));
    }
    Ok(findings)
}

/// Reports images that several lines name.
fn repeated(entries: &[Entry], lists: &[List]) -> Vec<Finding> {
    let mut by_path: HashMap<&Path, Vec<&Entry>> = HashMap::new();
    entries.iter().for_each(|entry| by_path.entry(&entry.path).or_default().push(entry));
    let repeated = by_path.into_values().filter(|same| same.len() > 1);
    let mut findings: Vec<Finding> = repeated.map(|same| listed_again(&same, lists)).collect();
    sort(&mut findings);
    let rest = findings.len().saturating_sub(MOST_LINES);
    findings.truncate(MOST_LINES);
    if rest > 0 {
        let what = format!("{rest} more images that several lines name");
        findings.push(Finding::error(FindingKind::List, what));
    }
    findings
}

/// The finding about an image in several lines: an error if they differ in part or class.
fn listed_again(same: &[&Entry], lists: &[List]) -> Finding {
    let classes: BTreeSet<&str> = same.iter().map(|entry| entry.class.as_str()).collect();
    let parts: BTreeSet<usize> = same.iter().map(|entry| entry.list).collect();
    let copies = Copies { across_parts: parts.len() > 1, across_classes: classes.len() > 1, distance: None };
    let line = |entry: &&Entry| match lists[entry.list].0 {
        Some(part) => format!("line {} of {}", entry.line, part.name()),
        None => format!("line {}", entry.line),
    };
    let lines: Vec<String> = same.iter().take(SHOWN).map(line).collect();
    let more = if same.len() > SHOWN { ", …" } else { "" };
    let mut what = format!("listed {} times ({}{more})", same.len(), lines.join(", "));
    if copies.across_classes {
        let more = if classes.len() > SHOWN { ", …" } else { "" };
        let classes: Vec<&str> = classes.into_iter().take(SHOWN).collect();
        what += &format!(" with different class labels ({}{more})", classes.join(", "));
    }
    let finding = match copies.across_parts || copies.across_classes {
        true => Finding::error(FindingKind::Duplicate, what),
        false => Finding::warning(FindingKind::Duplicate, what),
    };
    Finding { copies: Some(copies), ..finding.of([same[0].path.clone()]) }
}

/// Reports lists that cannot be trained on.
fn unfit(sets: &[Set], names: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(error) = check_class_names(names.iter().map(String::as_str)) {
        findings.push(Finding::error(FindingKind::ClassName, error.to_string()));
    }
    if sets.first().is_some_and(|first| first.part.is_some_and(|part| part != Part::Train)) {
        let what = "no list of a training part; `eval` accepts this, `train` does not";
        findings.push(Finding::warning(FindingKind::Layout, what));
    }
    for set in sets {
        let what = match &set.classes[..] {
            [] => "names no images".to_owned(),
            [only] if set.part.is_none_or(|part| part == Part::Train) => {
                format!("has only one class, {}; training needs at least two", names[*only])
            }
            _ => continue,
        };
        findings.push(Finding::warning(FindingKind::Layout, what).of([set.folder.clone()]));
    }
    findings
}
