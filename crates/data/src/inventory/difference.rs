//! The difference between two inventories of a data set, in words.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use striate_tensor::text::counted;

use super::{Inventory, PartInventory};
use crate::dataset::listed;
use crate::part::Part;

/// A file by its part, path and class; the class is that of today if it was renamed.
type Key<'a> = (&'a str, &'a str, &'a str);

impl Inventory {
    /// Returns on one line how the data set differs `now`: its classes, the numbers of images of its parts, and the
    /// first files that were removed, added, changed or moved, if the files are known.
    pub fn difference(&self, now: &Inventory) -> String {
        let renamed = self.renamed(now);
        let mut found = self.changed_classes(now, &renamed);
        found.extend(Part::ALL.iter().filter_map(|part| self.changed_part(now, *part, &renamed)));
        found.extend(match self.lists_files() && now.lists_files() {
            true => self.changed_files(now, &renamed),
            false => self.changed_contents(now, &renamed),
        });
        match found.is_empty() {
            true => "the classes and the numbers of images are the same, but images or labels are not".into(),
            false => found.join("; "),
        }
    }

    fn part(&self, name: &str) -> Option<&PartInventory> {
        self.parts.iter().find(|part| part.name == name)
    }

    fn lists_files(&self) -> bool {
        !self.parts.is_empty() && self.parts.iter().all(|part| !part.files.is_empty())
    }

    /// What identifies the images of a class: in each part, their number and their digest, or else the number of the
    /// class.
    fn images(&self, class: usize) -> Vec<(&str, usize, u64)> {
        let of_part = |part: &'_ PartInventory| {
            let count = part.counts.get(class).copied().unwrap_or_default();
            (count, part.digests.get(class).copied().unwrap_or(class as u64))
        };
        let all = self.parts.iter().map(|part| (part.name.as_str(), of_part(part)));
        all.filter(|(_, (count, _))| *count > 0)
            .map(|(name, (count, digest))| (name, count, digest))
            .collect()
    }

    fn class_names(&self) -> HashSet<&str> {
        self.classes.iter().map(String::as_str).collect()
    }

    /// Classes whose images have another class name now: the old name with the new one.
    fn renamed<'a>(&'a self, now: &'a Inventory) -> BTreeMap<&'a str, &'a str> {
        let [before, after] = [self, now].map(Inventory::class_names);
        let mut added: HashMap<_, &str> = HashMap::new();
        for (class, name) in
            now.classes.iter().enumerate().filter(|(_, name)| !before.contains(name.as_str()))
        {
            added.insert(now.images(class), name);
        }
        let gone = self.classes.iter().enumerate().filter(|(_, name)| !after.contains(name.as_str()));
        let with_images = gone.map(|(class, name)| (self.images(class), name));
        let found = with_images.filter(|(images, _)| !images.is_empty());
        found.filter_map(|(images, name)| Some((name.as_str(), added.remove(&images)?))).collect()
    }

    fn changed_classes(&self, now: &Inventory, renamed: &BTreeMap<&str, &str>) -> Vec<String> {
        let new_names: HashSet<&str> = renamed.values().copied().collect();
        let [then_all, now_all] = [self, now].map(Inventory::class_names);
        let missing = |from: &Inventory, known: &HashSet<&str>, explained: &dyn Fn(&str) -> bool| {
            let names = from.classes.iter().filter(|name| !known.contains(name.as_str()) && !explained(name));
            names.cloned().collect::<Vec<_>>()
        };
        let gone = missing(self, &now_all, &|name| renamed.contains_key(name));
        let added = missing(now, &then_all, &|name| new_names.contains(name));
        let mut found: Vec<String> = Vec::new();
        if let Some((old, new)) = renamed.first_key_value() {
            found.push(format!("the class {old} is now called {new}{}", more(renamed.len())));
        }
        found.extend(said_of(&gone, "gone"));
        found.extend(said_of(&added, "new"));
        if found.is_empty() && self.classes != now.classes {
            found.push("the classes are in a different order".into());
        }
        found
    }

    /// Returns how the numbers of images of a part differ.
    fn changed_part(&self, now: &Inventory, part: Part, renamed: &BTreeMap<&str, &str>) -> Option<String> {
        let name = title(part.name());
        let (then_part, now_part) = match (self.part(part.name()), now.part(part.name())) {
            (None, None) => return None,
            (None, Some(now)) => return Some(format!("{name} has {}, none before", images(now.len()))),
            (Some(then), None) => return Some(format!("{name} has no images, {} before", then.len())),
            (Some(then), Some(now)) => (then, now),
        };
        if then_part.len() != now_part.len() {
            return Some(format!("{name} has {}, {} before", images(now_part.len()), then_part.len()));
        }
        let place: HashMap<&str, usize> = now.classes.iter().map(String::as_str).zip(0..).collect();
        self.classes.iter().zip(&then_part.counts).find_map(|(class, before)| {
            let here = renamed.get(class.as_str()).copied().unwrap_or(class);
            let count = now_part.counts.get(*place.get(here)?).copied().unwrap_or_default();
            (count != *before).then(|| format!("{name} has {} of {here}, {before} before", images(count)))
        })
    }

    /// The files with their digests.
    fn files<'a>(&'a self, renamed: &BTreeMap<&str, &'a str>) -> BTreeMap<Key<'a>, u64> {
        let class = |class: &usize| {
            let name = self.classes.get(*class).map_or("", String::as_str);
            renamed.get(name).copied().unwrap_or(name)
        };
        let of_part = |part: &'a PartInventory| {
            part.files
                .iter()
                .map(move |(path, label, digest)| ((&*part.name, &**path, class(label)), *digest))
        };
        self.parts.iter().flat_map(of_part).collect()
    }

    /// Returns the first of the files that were removed, added, changed, and moved.
    fn changed_files(&self, now: &Inventory, renamed: &BTreeMap<&str, &str>) -> Vec<String> {
        let (before, after) = (self.files(renamed), now.files(&BTreeMap::new()));
        let new_names: HashSet<&str> = renamed.values().copied().collect();
        // The files of a renamed class have other paths.
        let is_explained = |key: &Key| new_names.contains(key.2);
        let mut changed = Vec::new();
        let mut gone = Vec::new();
        for (key, digest) in before.iter().filter(|(key, _)| !is_explained(key)) {
            match after.get(key) {
                None => gone.push((*key, *digest)),
                Some(other) if other != digest => changed.push(*key),
                Some(_) => {}
            }
        }
        let mut added: Vec<(Key, u64)> = Vec::new();
        let mut by_digest: HashMap<u64, VecDeque<Key>> = HashMap::new();
        for (key, digest) in after.iter().filter(|(key, _)| !is_explained(key) && !before.contains_key(*key))
        {
            added.push((*key, *digest));
            by_digest.entry(*digest).or_default().push_back(*key);
        }
        let mut moved = Vec::new();
        gone.retain(|(key, digest)| {
            let to = by_digest.get_mut(digest).and_then(VecDeque::pop_front);
            moved.extend(to.map(|to| (*key, to)));
            to.is_none()
        });
        let arrived: HashSet<Key> = moved.iter().map(|(_, to)| *to).collect();
        added.retain(|(key, _)| !arrived.contains(key));
        let mut found = Vec::new();
        let mut first = |text: Option<String>, count| found.extend(text.map(|text| text + &more(count)));
        first(gone.first().map(|((_, path, _), _)| format!("{path} is gone")), gone.len());
        first(added.first().map(|((_, path, _), _)| format!("{path} is new")), added.len());
        first(changed.first().map(|(_, path, _)| format!("{path} has different content")), changed.len());
        first(moved.first().map(|(from, to)| described_move(from, to)), moved.len());
        let lengths = |own: &Inventory| own.parts.iter().map(|part| part.files.len()).collect::<Vec<_>>();
        let is_other_order = self.parts != now.parts && lengths(self) == lengths(now);
        if found.is_empty() && self.classes == now.classes && is_other_order {
            found.push("the files are in a different order".into());
        }
        found
    }

    /// Returns the first class whose files have changed, though not in number.
    fn changed_contents(&self, now: &Inventory, renamed: &BTreeMap<&str, &str>) -> Vec<String> {
        let places: HashMap<&str, usize> = now.classes.iter().map(String::as_str).zip(0..).collect();
        for part in &self.parts {
            let Some(other) = now.part(&part.name) else { continue };
            for (class, name) in self.classes.iter().enumerate() {
                let here = renamed.get(name.as_str()).copied().unwrap_or(name);
                let Some(place) = places.get(here) else { continue };
                let [then, now] = [(part, class), (other, *place)]
                    .map(|(part, class)| (part.counts.get(class), part.digests.get(class)));
                if then.0 == now.0 && then.1.is_some() && now.1.is_some() && then.1 != now.1 {
                    return vec![format!("{} has different images of {here}", title(&part.name))];
                }
            }
        }
        vec![]
    }
}

fn described_move(from: &Key, to: &Key) -> String {
    match (from, to) {
        ((part, path, class), (_, other, now)) if path == other && class != now => {
            format!("{path} in {} is now in class {now}, formerly {class}", title(part))
        }
        ((part, path, _), (now, other, _)) if path == other => {
            format!("{path} is now in {}, in {} before", title(now), title(part))
        }
        ((_, path, _), (_, other, _)) => format!("{path} is now {other}"),
    }
}

/// The name of a part in a sentence.
fn title(part: &str) -> &str {
    if part == Part::Train.name() { "training" } else { part }
}

fn images(count: usize) -> String {
    counted(count, "image")
}

/// Returns a phrase such as `the class cat is gone`, or `None` if `names` is empty.
fn said_of(names: &[String], what: &str) -> Option<String> {
    match names {
        [] => None,
        [only] => Some(format!("the class {only} is {what}")),
        all => Some(format!("the classes {} are {what}", listed(all))),
    }
}

/// States that there are others, if `count` is not one.
fn more(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    }
}
