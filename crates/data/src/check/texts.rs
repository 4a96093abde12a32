//! Checks a data set of texts: lines that cannot be used, duplicates, imbalance.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use striate_tensor::Result;

use super::finding::{self, Copies, Finding, FindingKind, Severity};
use super::scan::Set;
use super::{Check, CheckProgress, classes, names};
use crate::images::Purpose;
use crate::part::Part;
use crate::texts::{Found, find};
use crate::{CACHE_BYTES, Medium};

/// A text: its line, part and class.
struct Text {
    line: PathBuf,
    part: Option<Part>,
    class: i64,
}

/// Checks the texts at `path`.
pub(super) fn check(path: &Path, progress: &dyn CheckProgress) -> Result<Check> {
    let Found { collection, contents } = find(path, Purpose::Description, &[], CACHE_BYTES)?;
    let count = collection.parts.iter().map(|part| part.listing.files.len()).sum::<usize>();
    progress.begin(count);
    let class_names = &collection.classes;
    let mut findings = names::classes(class_names);
    let unusable = &collection.survey.unreadable;
    let of_line = |kind, line: &dyn ToString, reason: &dyn ToString| {
        Finding::error(kind, reason.to_string()).of([PathBuf::from(line.to_string())])
    };
    findings.extend(unusable.iter().map(|(line, reason)| of_line(FindingKind::List, line, reason)));
    let (mut sets, mut counts, mut readable) = (Vec::new(), Vec::new(), 0);
    let mut groups: BTreeMap<&str, Vec<Text>> = BTreeMap::new();
    for part in &collection.parts {
        let mut of_class = vec![0; class_names.len()];
        for (line, class) in part.listing.files.iter().zip(&part.listing.labels) {
            progress.checked();
            match contents.text(line) {
                Ok(text) => {
                    of_class[*class as usize] += 1;
                    let line = PathBuf::from(line.to_string());
                    groups.entry(text.trim()).or_default().push(Text {
                        line,
                        part: part.part,
                        class: *class,
                    });
                }
                Err(error) => findings.push(of_line(FindingKind::Corrupt, line, &error)),
            }
        }
        readable += of_class.iter().sum::<usize>();
        let listed = (0..class_names.len()).filter(|class| part.listing.labels.contains(&(*class as i64)));
        sets.push(Set { part: part.part, folder: part.place.clone(), classes: listed.collect() });
        counts.push(of_class);
    }
    progress.comparing();
    findings.extend(groups.into_values().filter(|group| group.len() > 1).map(duplicates));
    findings.extend(classes::balance(&sets, class_names, &counts, Medium::Text));
    findings.extend(collection.survey.skipped.iter().map(|skipped| {
        let what = format!("not texts ({}): {}", skipped.kind, skipped.count);
        Finding::information(FindingKind::Skipped, what).of([skipped.first.clone()])
    }));
    finding::sort(&mut findings);
    let parts = sets.iter().zip(&counts).map(|(set, counts)| {
        let name = set.part.map_or("all", |part| part.name());
        (name, counts.iter().sum())
    });
    let all = count + unusable.len();
    let of_class = |class: usize| counts.iter().map(|counts| counts[class]).sum();
    Ok(Check {
        files: all,
        images: all,
        readable,
        parts: parts.collect(),
        classes: (0..class_names.len()).map(|class| (class_names[class].clone(), of_class(class))).collect(),
        findings,
    })
}

/// The same text several times: an error across parts or classes, else a warning.
fn duplicates(group: Vec<Text>) -> Finding {
    let copies = Copies {
        across_parts: group.iter().any(|text| text.part != group[0].part),
        across_classes: group.iter().any(|text| text.class != group[0].class),
        distance: None,
    };
    let (severity, what) = match (copies.across_parts, copies.across_classes) {
        (_, true) => (Severity::Error, "the same text in several classes"),
        (true, false) => (Severity::Error, "the same text in several parts"),
        (false, false) => (Severity::Warning, "the same text"),
    };
    let lines = group.into_iter().map(|text| text.line);
    Finding { copies: Some(copies), ..Finding::new(severity, FindingKind::Duplicate, what).of(lines) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    struct Silent;

    impl CheckProgress for Silent {
        fn begin(&self, _: usize) {}
        fn checked(&self) {}
    }

    #[test]
    fn problems_of_texts_are_named() {
        let folder = Scratch::new();
        let line = |number: usize, class: &str| format!("text {number} of {class}\t{class}\n");
        let mut train: String =
            ["a", "b"].iter().flat_map(|class| (0..12).map(move |number| line(number, class))).collect();
        train += "one\ta\none\ta\ntwo\ta\ntwo \tb\nno label\n";
        folder.file("train.tsv", train.as_bytes());
        folder.file("test.tsv", b"one\ta\nnew\tb\n");
        let check = check(folder.path(), &Silent).unwrap();
        let found: Vec<(&str, FindingKind, &str)> = check
            .findings
            .iter()
            .map(|finding| (finding.severity.name(), finding.kind, finding.message.as_str()))
            .collect();
        for expected in [
            ("error", FindingKind::List, "has no tab; each line is a text, a tab and its label"),
            ("error", FindingKind::Duplicate, "the same text in several parts"),
            ("error", FindingKind::Duplicate, "the same text in several classes"),
        ] {
            assert!(found.contains(&expected), "{expected:?} in {found:?}");
        }
        assert_eq!((check.files, check.readable), (31, 30));
        assert_eq!(check.parts, [("train", 28), ("test", 2)]);
    }
}
