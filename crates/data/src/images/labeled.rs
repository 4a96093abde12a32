//! Parts whose images are labeled one by one, joined to a collection with one list of classes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use striate_tensor::names::check_class_names;
use striate_tensor::{Error, Result};

use super::{Collection, FoundPart, ImageFile, Listing};
use crate::Survey;
use crate::dataset::listed;
use crate::part::Part;

/// Largest number of classes.
const MOST_CLASSES: usize = 1 << 20;

/// A part whose images are labeled one by one.
#[derive(Default)]
pub(crate) struct Labeled {
    files: Vec<ImageFile>,
    /// Indices into `names`.
    labels: Vec<usize>,
    /// The classes in the order in which they appear.
    names: Vec<String>,
    known: HashMap<String, usize>,
}

impl Labeled {
    /// Adds an image of the class `class`.
    pub fn add(&mut self, file: ImageFile, class: &str) {
        let label = match self.known.get(class) {
            Some(label) => *label,
            None => {
                self.names.push(class.to_owned());
                self.known.insert(class.to_owned(), self.names.len() - 1);
                self.names.len() - 1
            }
        };
        self.files.push(file);
        self.labels.push(label);
    }

    /// Adds the images of `other` after those of `self`.
    pub fn append(&mut self, other: Labeled) {
        let Labeled { files, labels, names, .. } = other;
        files.into_iter().zip(labels).for_each(|(file, label)| self.add(file, &names[label]));
    }

    /// The files with labels that are indices into `classes`, all of which must be there.
    fn listing(self, classes: &[String]) -> Listing {
        let place: HashMap<&String, i64> = classes.iter().zip(0..).collect();
        let labels = self.labels.iter().map(|label| place[&self.names[*label]]).collect();
        Listing { files: self.files, labels }
    }
}

/// A labeled part, and where it was found.
pub(crate) struct LabeledPart {
    /// `None` for a set without parts.
    pub part: Option<Part>,
    pub place: PathBuf,
    pub labeled: Labeled,
}

/// What a collection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Training: the classes are those of the training part, and the other parts may have no more.
    Training,
    /// Evaluation: only the last part counts.
    Evaluation,
    /// A description of all parts.
    Description,
}

/// Joins `parts`, which are in order, to a collection. The classes are `known`, which contains those of all images, or
/// else sorted, as numbers if all of them are.
///
/// # Errors
/// If `purpose` needs what is missing.
pub(crate) fn join(
    name: String,
    mut parts: Vec<LabeledPart>,
    known: Option<Vec<String>>,
    purpose: Purpose,
) -> Result<Collection> {
    let mut survey = Survey::default();
    parts.retain(|part| !part.labeled.files.is_empty());
    let Some(first) =
        parts.first().and_then(|first| first.part.or((parts.len() == 1).then_some(Part::Train)))
    else {
        return Err(Error::input(format!("{name}: has no images")));
    };
    match purpose {
        Purpose::Training if first != Part::Train => {
            return Err(Error::input(format!("{name}: has a {} part but no training part", first.name())));
        }
        Purpose::Evaluation => drop(parts.drain(..parts.len() - 1)),
        Purpose::Description if first != Part::Train => {
            survey.notes.push("no training part; `eval` accepts this, `train` does not".into());
        }
        _ => {}
    }
    if let Some(known) = &known {
        let mut seen = HashSet::new();
        if let Some(twice) = known.iter().find(|name| !seen.insert(*name)) {
            return Err(Error::input(format!("{name}: two classes are called {twice}")));
        }
    }
    let decides = if purpose == Purpose::Training { 1 } else { parts.len() };
    let classes = known.unwrap_or_else(|| {
        sorted(parts[..decides].iter().flat_map(|part| part.labeled.names.iter().cloned()).collect())
    });
    if purpose == Purpose::Training && classes.len() < 2 {
        return Err(Error::input(format!(
            "{name}: has only one class, {}; training needs at least two",
            listed(&classes)
        )));
    }
    if classes.len() > MOST_CLASSES {
        return Err(Error::input(format!("{name}: has more than {MOST_CLASSES} classes")));
    }
    check_class_names(classes.iter().map(String::as_str)).map_err(|e| e.at(&name))?;
    let is_known: HashSet<&String> = classes.iter().collect();
    for part in &parts[decides..] {
        let extra: Vec<String> =
            part.labeled.names.iter().filter(|name| !is_known.contains(name)).cloned().collect();
        if !extra.is_empty() {
            return Err(Error::input(format!(
                "{}: has classes that training does not have: {}; those of training are {}",
                part.place.display(),
                listed(&extra),
                listed(&classes)
            )));
        }
    }
    let parts = parts.into_iter().map(|LabeledPart { part, place, labeled }| {
        let listing = labeled.listing(&classes);
        FoundPart { part, place, listing }
    });
    let parts = parts.collect();
    Ok(Collection { name, classes, parts, survey })
}

/// The names sorted as numbers if all of them are numbers, or else as strings.
fn sorted(names: BTreeSet<String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    let numbers: Option<Vec<u64>> = names.iter().map(|name| name.parse().ok()).collect();
    if numbers.is_some() {
        names.sort_by_key(|name| name.parse::<u64>().ok());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(part: Option<Part>, classes: &[&str]) -> LabeledPart {
        let mut labeled = Labeled::default();
        classes.iter().for_each(|class| labeled.add(ImageFile::File(class.into()), class));
        LabeledPart { part, place: "place".into(), labeled }
    }

    #[test]
    fn classes_are_sorted_and_those_of_training() {
        let parts = || vec![part(Some(Part::Train), &["b", "a", "b"]), part(Some(Part::Test), &["a"])];
        let set = join("set".into(), parts(), None, Purpose::Training).unwrap();
        assert_eq!(set.classes, ["a", "b"]);
        assert_eq!(
            set.parts.iter().map(|part| part.listing.labels.clone()).collect::<Vec<_>>(),
            [vec![1, 0, 1], vec![0]]
        );
        let set = join("set".into(), parts(), None, Purpose::Evaluation).unwrap();
        assert_eq!((set.classes, set.parts.len()), (vec!["a".to_owned()], 1));
        let numbers = join("set".into(), vec![part(None, &["10", "9"])], None, Purpose::Training).unwrap();
        assert_eq!(numbers.classes, ["9", "10"]);
        let known = Some(["z", "b", "a"].map(str::to_owned).to_vec());
        assert_eq!(
            join("set".into(), parts(), known, Purpose::Training).unwrap().parts[0].listing.labels,
            [1, 2, 1]
        );
    }

    #[test]
    fn unfit_parts_are_refused() {
        let error = |parts| join("set".into(), parts, None, Purpose::Training).err().unwrap().to_string();
        assert!(error(vec![]).contains("has no images"));
        assert!(error(vec![part(None, &["a", "a"])]).contains("only one class"));
        assert!(error(vec![part(Some(Part::Test), &["a", "b"])]).contains("no training part"));
        let extra = vec![part(Some(Part::Train), &["a", "b"]), part(Some(Part::Test), &["c"])];
        assert!(error(extra).contains("classes that training does not have: [c]"));
    }
}
