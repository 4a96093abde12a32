//! Exact duplicates: files with the same content, or images with the same pixels.

use std::collections::{BTreeSet, HashMap};

use super::finding::{Copies, Finding, FindingKind};
use super::image::Seen;
use super::scan::Place;

/// An image with its place.
pub(super) type Located<'a> = (&'a Place, &'a Seen);

/// Returns groups of images with the same pixels, as indices; most have one member.
pub(super) fn groups(images: &[Located]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut known = HashMap::new();
    for (index, (_, seen)) in images.iter().enumerate() {
        let group = *known.entry(seen.pixels).or_insert(groups.len());
        if group == groups.len() {
            groups.push(vec![]);
        }
        groups[group].push(index);
    }
    groups
}

/// Reports a group of duplicates.
pub(super) fn finding(group: &[usize], images: &[Located], classes: &[String]) -> Finding {
    let first = images[group[0]].1.file;
    let same = match group.iter().all(|index| images[*index].1.file == first) {
        true => "identical files",
        false => "the same pixels",
    };
    let copies = copies(group, images, None);
    let what = described(same, group, images, classes);
    // The same image cannot belong to two classes, and one that was trained on cannot measure an error.
    let finding = match copies.across_parts || copies.across_classes {
        true => Finding::error(FindingKind::Duplicate, what),
        false => Finding::warning(FindingKind::Duplicate, what),
    };
    Finding { copies: Some(copies), ..finding.of(group.iter().map(|index| images[*index].0.path.clone())) }
}

/// Returns whether the group is spread over parts and classes.
pub(super) fn copies(group: &[usize], images: &[Located], distance: Option<u32>) -> Copies {
    let parts: BTreeSet<_> = group.iter().filter_map(|index| images[*index].0.part).collect();
    let classes: BTreeSet<_> = group.iter().filter_map(|index| images[*index].0.class).collect();
    Copies { across_parts: parts.len() > 1, across_classes: classes.len() > 1, distance }
}

/// Returns `what`, with the parts and classes of the group if they differ.
pub(super) fn described(what: &str, group: &[usize], images: &[Located], classes: &[String]) -> String {
    let parts: BTreeSet<_> = group.iter().filter_map(|index| images[*index].0.part).collect();
    let labels: BTreeSet<_> = group.iter().filter_map(|index| images[*index].0.class).collect();
    let mut text = what.to_owned();
    if parts.len() > 1 {
        let names: Vec<&str> = parts.into_iter().map(|part| part.name()).collect();
        text += &format!(" in {}", names.join(" and "));
    }
    if labels.len() > 1 {
        const SHOWN: usize = 4;
        let names: Vec<&str> = labels.iter().take(SHOWN).map(|class| classes[*class].as_str()).collect();
        let more = if labels.len() > SHOWN { ", …" } else { "" };
        text += &format!(" with different class labels ({}{more})", names.join(", "));
    }
    text
}
