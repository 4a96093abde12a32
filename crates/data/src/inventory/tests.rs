//! Tests of the differences that are named.

use striate_vision::{Image, encode_png};

use super::*;
use crate::scratch::Scratch;
use crate::{LoadOptions, Spec, load};

fn png(value: u8) -> Vec<u8> {
    encode_png(&Image::filled(6, 6, [value, value / 2, 9])).unwrap()
}

fn folder() -> Scratch {
    let folder = Scratch::new();
    for index in 0..4u8 {
        folder.file(&format!("train/cat/{index}.png"), &png(index));
        folder.file(&format!("train/dog/{index}.png"), &png(100 + index));
        folder.file(&format!("val/cat/{index}.png"), &png(50 + index));
        folder.file(&format!("val/dog/{index}.png"), &png(150 + index));
    }
    folder
}

fn loaded(folder: &Scratch, cache_bytes: u64) -> Inventory {
    let options = LoadOptions { cache_bytes, ..LoadOptions::default() };
    Inventory::of(&load(&Spec::Folder(folder.path().to_owned()), &options).unwrap())
}

/// The difference that `change` makes, with and without the list of files, and whether images are held or not.
fn differences(change: impl Fn(&Scratch)) -> [String; 2] {
    let folder = folder();
    let then = loaded(&folder, u64::MAX);
    assert_eq!(then, loaded(&folder, 0), "held in memory or not");
    change(&folder);
    let now = loaded(&folder, 0);
    let bare = |own: &Inventory| {
        let mut own = own.clone();
        own.parts.iter_mut().for_each(|part| part.files.clear());
        own
    };
    let place = format!("{}/", folder.path().display());
    [then.difference(&now), bare(&then).difference(&bare(&now))].map(|text| text.replace(&place, ""))
}

#[test]
fn the_first_difference_is_named() {
    let path = |folder: &Scratch, name: &str| folder.path().join(name);
    let rename = |folder: &Scratch, from: &str, to: &str| {
        std::fs::rename(path(folder, from), path(folder, to)).unwrap();
    };
    let removed = differences(|folder| std::fs::remove_file(path(folder, "train/cat/2.png")).unwrap());
    assert_eq!(
        removed,
        ["training has 7 images, 8 before; train/cat/2.png is gone", "training has 7 images, 8 before"]
    );
    let added = differences(|folder| {
        folder.file("val/dog/a.png", &png(200));
        folder.file("val/dog/b.png", &png(201));
    });
    assert_eq!(added[0], "validation has 10 images, 8 before; val/dog/a.png is new (and 1 more)");
    let edited = differences(|folder| drop(folder.file("val/dog/3.png", &png(7))));
    assert_eq!(edited, ["val/dog/3.png has different content", "validation has different images of dog"]);
    let called = differences(|folder| {
        rename(folder, "train/dog", "train/hound");
        rename(folder, "val/dog", "val/hound");
    });
    assert_eq!(called, ["the class dog is now called hound"; 2]);
    let moved = differences(|folder| rename(folder, "train/cat/1.png", "val/cat/x.png"));
    assert_eq!(
        moved[0],
        "training has 7 images, 8 before; validation has 9 images, 8 before; train/cat/1.png is now val/cat/x.png"
    );
    let relabeled = differences(|folder| rename(folder, "train/cat/1.png", "train/dog/1b.png"));
    assert_eq!(
        relabeled[0],
        "training has 3 images of cat, 4 before; train/cat/1.png is now train/dog/1b.png"
    );
    let new = differences(|folder| drop(folder.file("train/bird/0.png", &png(220))));
    assert_eq!(new[1], "the class bird is new; training has 9 images, 8 before");
    let gone = differences(|folder| std::fs::remove_dir_all(path(folder, "val")).unwrap());
    assert_eq!(gone[0], "validation has no images, 8 before; val/cat/0.png is gone (and 7 more)");
    let same = differences(|_| {});
    assert_eq!(same[0], "the classes and the numbers of images are the same, but images or labels are not");
}

#[test]
fn lists_name_what_moved_and_was_labeled_anew() {
    let folder = Scratch::new();
    (0..6u8).for_each(|index| drop(folder.file(&format!("{index}.png"), &png(index))));
    let inventory = |train: &str, val: &str| {
        folder.file("train.tsv", train.as_bytes());
        folder.file("val.tsv", val.as_bytes());
        let spec = Spec::List(folder.path().to_owned());
        Inventory::of(&load(&spec, &LoadOptions::default()).unwrap())
    };
    let then = inventory("0.png\ta\n1.png\tb\n2.png\ta\n", "3.png\ta\n4.png\tb\n");
    let place = format!("{}/", folder.path().display());
    for (train, val, expected) in [
        ("1.png\tb\n0.png\ta\n2.png\ta\n", "3.png\ta\n4.png\tb\n", "the files are in a different order"),
        (
            "0.png\ta\n1.png\tb\n2.png\tb\n",
            "3.png\ta\n4.png\tb\n",
            "training has 1 image of a, 2 before; 2.png in training is now in class b, formerly a",
        ),
        (
            "0.png\ta\n1.png\tb\n",
            "3.png\ta\n4.png\tb\n2.png\ta\n",
            "training has 2 images, 3 before; validation has 3 images, 2 before; 2.png is now in validation, in training \
             before",
        ),
    ] {
        let found = then.difference(&inventory(train, val)).replace(&place, "");
        assert_eq!(found, expected);
    }
}

/// Without a list of files that fits, the digests of classes remain.
#[test]
fn long_lists_of_files_are_left_out() {
    let folder = folder();
    let set = load(&Spec::Folder(folder.path().to_owned()), &LoadOptions::default()).unwrap();
    let part = |mut left: usize| PartInventory::of(Part::Train, &set.train, 2, &mut left);
    assert_eq!((part(MOST_LISTED).files.len(), part(200).files.len()), (8, 0));
    assert_eq!(part(200).digests, part(MOST_LISTED).digests);
}

/// Such as a file in the run folder may contain.
#[test]
fn inconsistent_inventories_have_differences_too() {
    let part = |counts: &[usize], digests: &[u64], files: Vec<(String, usize, u64)>| PartInventory {
        name: "train".into(),
        counts: counts.to_vec(),
        digests: digests.to_vec(),
        files,
    };
    let inventory = |classes: &[&str], part| Inventory {
        classes: classes.iter().map(|name| (*name).to_owned()).collect(),
        parts: vec![part],
    };
    let all = [
        inventory(&[], part(&[], &[], vec![])),
        inventory(&["a"], part(&[usize::MAX, usize::MAX], &[1], vec![("x".into(), 7, 3)])),
        inventory(&["a", "a"], part(&[1], &[1, 2, 3], vec![("x".into(), 0, 3), ("x".into(), 0, 4)])),
        inventory(&["b", "c"], part(&[1, 1], &[], vec![("y".into(), usize::MAX, 3)])),
    ];
    for then in &all {
        all.iter().for_each(|now| assert!(!then.difference(now).is_empty()));
    }
}
