//! Numbers of images by class: empty, missing and tiny classes, imbalance.

use striate_tensor::text::counted;

use super::finding::{Finding, FindingKind};
use super::scan::Set;
use crate::Medium;
use crate::dataset::listed;
use crate::part::Part;

/// How many times as many images as another a class may have.
const MOST_IMBALANCE: usize = 10;
/// A class with fewer images in training is tiny.
const TINY: usize = 10;

/// Reports on the classes of the `sets`, of which `counts[set][class]` images can be read; `names` are those of all
/// classes.
pub(super) fn balance(sets: &[Set], names: &[String], counts: &[Vec<usize>], medium: Medium) -> Vec<Finding> {
    let is_trained = |set: &Set| set.part.is_none_or(|part| part == Part::Train);
    let Some(trained) = sets.iter().position(is_trained) else { return vec![] };
    let mut findings = training(&sets[trained].classes, names, &counts[trained], medium);
    for (set, counts) in sets.iter().zip(counts) {
        let Some(part) = set.part.filter(|part| *part != Part::Train) else { continue };
        let of = |wanted: &dyn Fn(usize) -> bool| -> Vec<String> {
            (0..names.len()).filter(|class| wanted(*class)).map(|class| names[class].clone()).collect()
        };
        let is_known = |class: usize| sets[trained].classes.contains(&class);
        let unknown = of(&|class| set.classes.contains(&class) && !is_known(class));
        if !unknown.is_empty() {
            let what = format!(
                "the {} part has classes that training does not have: {}",
                part.name(),
                listed(&unknown)
            );
            findings.push(Finding::error(FindingKind::UnknownClass, what));
        }
        let missing = of(&|class| is_known(class) && counts[class] == 0);
        if !missing.is_empty() && !set.classes.is_empty() {
            let (part, count, all) = (part.name(), missing.len(), sets[trained].classes.len());
            let what = format!(
                "the {part} part has no {}s of {count} of {all} classes: {}",
                medium.name(),
                listed(&missing)
            );
            findings.push(Finding::warning(FindingKind::MissingClass, what));
        }
    }
    findings
}

/// Reports on the `classes` of the training part, or of a set without parts.
fn training(classes: &[usize], names: &[String], counts: &[usize], medium: Medium) -> Vec<Finding> {
    let medium = medium.name();
    let mut findings = Vec::new();
    for class in classes {
        let name = &names[*class];
        match counts[*class] {
            0 => {
                let what = format!("{name} has no {medium}s that can be read; add some or remove the class");
                findings.push(Finding::error(FindingKind::EmptyClass, what));
            }
            count if count < TINY => {
                let what = format!("{name} has only {}", counted(count, medium));
                findings.push(Finding::warning(FindingKind::TinyClass, what));
            }
            _ => {}
        }
    }
    let used = || classes.iter().copied().filter(|class| counts[*class] > 0);
    let most = used().max_by_key(|class| (counts[*class], std::cmp::Reverse(*class)));
    let least = used().min_by_key(|class| (counts[*class], *class));
    if let (Some(most), Some(least)) = (most, least)
        && counts[most] >= counts[least].saturating_mul(MOST_IMBALANCE)
    {
        let (more, fewer) = (counted(counts[most], medium), counts[least]);
        let times = counts[most] / fewer;
        let what = format!(
            "{} has {more}, {} has {fewer}: {times} times as many; errors per class say more than their mean",
            names[most], names[least]
        );
        findings.push(Finding::warning(FindingKind::Imbalance, what));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::scan::scan;
    use crate::scratch::Scratch;

    fn report(files: &[&str], counts: &[Vec<usize>]) -> Vec<String> {
        let folder = Scratch::new();
        files.iter().for_each(|file| drop(folder.file(file, b"x")));
        let scan = scan(folder.path()).unwrap();
        balance(&scan.sets, &scan.classes, counts, Medium::Image)
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn classes_are_counted_in_the_training_part() {
        let files = ["train/ant/a", "train/bee/a", "train/cat/a", "test/ant/a", "test/dog/a", "test/cat/a"];
        let found = report(&files, &[vec![400, 7, 0, 0], vec![5, 0, 1, 3]]);
        assert_eq!(
            found,
            [
                "bee has only 7 images",
                "cat has no images that can be read; add some or remove the class",
                "ant has 400 images, bee has 7: 57 times as many; errors per class say more than their mean",
                "the test part has classes that training does not have: [dog]",
                "the test part has no images of 1 of 3 classes: [bee]",
            ]
        );
    }

    #[test]
    fn balanced_classes_are_not_reported() {
        assert!(report(&["ant/a", "bee/a"], &[vec![99, 10]]).is_empty());
        assert!(report(&["test/ant/a", "test/bee/a"], &[vec![1, 0]]).is_empty());
    }
}
