//! Shards written by [`prepare`] and by the crate `tar`.

use std::fs;
use std::sync::Arc;

use striate_vision::{Image, decode, dimensions, encode_jpeg, encode_png};

use super::*;
use crate::scratch::Scratch;
use crate::{Augmentation, Batch, LoadOptions, Loader, Order, Pixels, Prepared, Sampling, Spec, load};

fn photograph(seed: usize, width: usize, height: usize) -> Image {
    let pixels = (0..width * height * 3).map(|i| ((i * (seed + 3)) / 7 % 251) as u8).collect();
    Image::new(width, height, 3, pixels).unwrap()
}

/// A folder with parts, of PNG and JPEG images of different sizes.
fn folder() -> Scratch {
    let folder = Scratch::new();
    for (part, count) in [("train", 9), ("val", 2), ("test", 3)] {
        for (class, number) in ["猫", "dog"].into_iter().flat_map(|class| (0..count).map(move |n| (class, n)))
        {
            let image = photograph(number, 20 + number, 30);
            let (bytes, ending) = match number % 2 {
                0 => (encode_png(&image).unwrap(), "png"),
                _ => (encode_jpeg(&image, 90).unwrap(), "jpeg"),
            };
            folder.file(&format!("{part}/{class}/{number}.{ending}"), &bytes);
        }
    }
    folder
}

fn prepared(folder: &Scratch, options: &PrepareOptions) -> (Scratch, Shards) {
    let out = Scratch::new();
    let spec = Spec::parse(folder.path().to_str().unwrap()).unwrap();
    let shards = prepare(&spec, out.path(), options).unwrap();
    (out, shards)
}

fn spec(folder: &Scratch) -> Spec {
    let spec = Spec::parse(folder.path().to_str().unwrap()).unwrap();
    assert!(matches!(spec, Spec::Shards(_)));
    spec
}

/// Batches of the training part from batch number `first` on.
fn batches(spec: &Spec, options: &LoadOptions, first: u64) -> Vec<Batch> {
    let set = load(spec, options).unwrap();
    let data = Arc::new(Prepared::new(set.train, set.preprocessing.as_ref()).unwrap());
    let sampling = Sampling {
        batch: 4,
        min_last: 0,
        order: Order::Shuffled(3),
        augmentation: Augmentation::ShiftFlip(2),
        seed: 3,
    };
    let mut loader = Loader::new(data, sampling, 1, first);
    (first..5).map(|_| loader.next_batch().unwrap()).collect()
}

#[test]
fn shards_give_the_bits_of_the_folder() {
    let folder = folder();
    let (out, shards) = prepared(&folder, &PrepareOptions::default());
    assert_eq!(shards.parts, [("train", 18, 1), ("validation", 4, 1), ("test", 6, 1)]);
    assert_eq!((shards.classes.as_slice(), shards.resized), (&["dog".to_owned(), "猫".into()][..], 0));
    let size = Some([16, 16]);
    let in_memory = LoadOptions { size, ..LoadOptions::default() };
    let streamed = LoadOptions { cache_bytes: 0, ..in_memory.clone() };
    let original = Spec::Folder(folder.path().into());
    let expected = batches(&original, &in_memory, 0);
    let fingerprint = |spec: &Spec, options| load(spec, options).unwrap().fingerprint().unwrap();
    for options in [&in_memory, &streamed] {
        let set = load(&spec(&out), options).unwrap();
        assert_eq!(matches!(set.train.pixels, Pixels::Files), options.cache_bytes == 0);
        assert_eq!(set.test.unwrap().labels, load(&original, options).unwrap().test.unwrap().labels);
        assert_eq!(fingerprint(&spec(&out), options), fingerprint(&original, options));
        assert_eq!(batches(&spec(&out), options, 0), expected);
        assert_eq!(batches(&spec(&out), options, 3), expected[3..]);
    }
    // Without the index, the headers are read.
    fs::remove_file(out.path().join("train-000000.idx")).unwrap();
    assert_eq!(batches(&spec(&out), &streamed, 0), expected);
    let pattern = format!("{}/train-{{000000..000000}}.tar", out.path().display());
    let set = load(&Spec::parse(&pattern).unwrap(), &in_memory).unwrap();
    assert_eq!((set.train.len(), set.test), (18, None));
}

#[test]
fn large_images_are_resized() {
    let folder = folder();
    let (out, shards) = prepared(&folder, &PrepareOptions { size: Some(24), ..PrepareOptions::default() });
    assert_eq!(shards.resized, 2 * 4);
    let set = find(out.path().to_str().unwrap(), Purpose::Training).unwrap();
    let names: Vec<String> = set.parts[0].listing.files[..2].iter().map(ToString::to_string).collect();
    assert!(names[0].ends_with("train-000000.tar:00000000.png"), "{names:?}");
    assert!(names[1].ends_with("train-000000.tar:00000001.jpg"), "{names:?}");
    for (number, file) in set.parts[0].listing.files[..9].iter().enumerate() {
        let [height, width] = dimensions(&file.read().unwrap()).unwrap();
        assert_eq!(height.min(width), (20 + number).min(24), "{file}");
        let image = file.decode(1 << 20).unwrap();
        if number <= 4 {
            let ending = if number % 2 == 0 { "png" } else { "jpeg" };
            let bytes = fs::read(folder.path().join(format!("train/dog/{number}.{ending}"))).unwrap();
            assert_eq!(image, decode(&bytes).unwrap());
        }
    }
}

#[test]
fn interrupted_and_foreign_folders_are_told_apart() {
    let (folder, out) = (folder(), Scratch::new());
    let spec = Spec::Folder(folder.path().into());
    out.file("notes.txt", b"mine");
    let error = prepare(&spec, out.path(), &PrepareOptions::default()).unwrap_err();
    assert!(error.is_input() && error.to_string().contains("is not empty"), "{error}");
    fs::remove_file(out.path().join("notes.txt")).unwrap();
    let mark = b"`striate data prepare` is writing this folder or was interrupted.\n";
    out.file(UNFINISHED, mark);
    out.file("mine.tar", &[0; 1024]);
    assert!(prepare(&spec, out.path(), &PrepareOptions::default()).is_err());
    assert!(out.path().join("mine.tar").exists());
    fs::remove_file(out.path().join("mine.tar")).unwrap();
    out.file("train-000009.tar", &[0; 1024]);
    let text = find(out.path().to_str().unwrap(), Purpose::Training).err().unwrap().to_string();
    assert!(text.contains("is incomplete"), "{text}");
    prepare(&spec, out.path(), &PrepareOptions::default()).unwrap();
    assert!(!out.path().join("train-000009.tar").exists() && !out.path().join(UNFINISHED).exists());
    folder.file("train/dog/torn.png", b"torn");
    let other = Scratch::new();
    let text = prepare(&spec, other.path(), &PrepareOptions::default()).unwrap_err().to_string();
    assert!(text.contains("1 of 29 images cannot be read") && text.contains("torn.png"), "{text}");
}

/// An archive of these members by the crate `tar`, in the format of GNU.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn archives_of_others_are_read() {
    let png = encode_png(&photograph(1, 5, 4)).unwrap();
    let long = format!("{}/7.png", "folder".repeat(30));
    let label = long.replace("png", "cls");
    let bytes = archive(&[
        ("a/1.png", &png),
        ("a/1.json", b"{}"),
        ("a/1.cls", b"10\n"),
        ("a/2.left.PNG", b"not an image by its extension left.png"),
        ("a/2.PNG", &png),
        ("a/2.cls", b" 9"),
        (&long, &png),
        (&label, b"9"),
    ]);
    let folder = Scratch::new();
    let shard = folder.file("some.tar", &bytes);
    let found = find(shard.to_str().unwrap(), Purpose::Training).unwrap();
    assert_eq!((found.classes.as_slice(), found.survey.notes.len()), (&["9".to_owned(), "10".into()][..], 1));
    let listing = &found.parts[0].listing;
    assert_eq!(listing.labels, [1, 0, 0]);
    assert!(listing.files[2].to_string().ends_with(&long));
    assert!(listing.files.iter().all(|file| file.read().unwrap() == png));
}

#[test]
fn damaged_shards_are_refused() {
    let png = encode_png(&photograph(1, 5, 4)).unwrap();
    let good = archive(&[("1.png", &png), ("1.cls", b"0"), ("2.png", &png), ("2.cls", b"1")]);
    let folder = Scratch::new();
    let refused = |bytes: &[u8], index: Option<&str>, classes: Option<&str>| {
        let shard = folder.file("train-0.tar", bytes);
        let write = |name: &str, text: Option<&str>| match text {
            Some(text) => drop(folder.file(name, text.as_bytes())),
            None => drop(fs::remove_file(folder.path().join(name))),
        };
        write("train-0.idx", index);
        write(CLASSES, classes);
        let error = find(shard.parent().unwrap().to_str().unwrap(), Purpose::Training).err()?;
        assert!(error.is_input(), "{error}");
        Some(error.to_string())
    };
    assert_eq!(refused(&good, None, None), None);
    let mut torn = good.clone();
    torn[0] ^= 1;
    let mut endless = good.clone();
    endless[124..136].copy_from_slice(b"77777777777\0");
    let many = archive(&[("1.png", &png), ("1.jpg", &png), ("1.cls", b"0")]);
    let word = archive(&[("1.png", &png), ("1.cls", b"cat")]);
    for (bytes, why) in [
        (&torn[..], "wrong checksum"),
        (&endless, "wrong checksum"),
        (&good[..600], "a member is cut off"),
        (&good[..1024], "ends without an end mark"),
        (b"", "ends without an end mark"),
        (&archive(&[("1.png", &png)]), "no member .cls"),
        (&archive(&[("1.cls", b"1")]), "has no image"),
        (&many, "several images"),
        (&word, "1.cls is not the number of a class"),
    ] {
        let text = refused(bytes, None, None).unwrap();
        assert!(text.contains(why) && text.contains("train-0.tar"), "{text}");
    }
    for (index, why) in [
        ("v9 1\n", "version 1.1 or 1.2"),
        ("v1.2 2\npng 512 10 1.png cls 1024 1 1.cls\n", "has 1 samples, but states 2"),
        ("v1.2 1\npng 512 10 1.png cls 1024\n", "line 2: does not have 4 fields"),
        ("v1.2 1\npng 512 99999999999 1.png cls 0 1 1.cls\n", "beyond the end"),
        ("v1.2 1\npng x 9 1.png cls 0 1 1.cls\n", "not a number"),
    ] {
        let text = refused(&good, Some(index), None).unwrap();
        assert!(text.contains(why) && text.contains("train-0.idx"), "{text}");
    }
    let text = refused(&good, None, Some("only\n")).unwrap();
    assert!(text.contains("is of class 1, counted from 0, but classes.txt names 1 class"), "{text}");
}

#[test]
fn patterns_are_expanded() {
    let folder = Scratch::new();
    for number in ["08", "09", "10"] {
        folder.file(&format!("train-{number}.tar"), &[0; 1024]);
    }
    let expand = |text: &str| pattern::expand(&format!("{}/{text}", folder.path().display()));
    assert_eq!(expand("train-{08..10}.tar").unwrap().len(), 3);
    for (text, why) in [
        ("train-{08..11}.tar", "no such shard"),
        ("train-{10..08}.tar", "two numbers"),
        ("train-{0..99999999999}.tar", "more than 1048576 shards"),
        (&format!("train-{{{}1..2}}.tar", "0".repeat(70_000)), "two numbers"),
        ("train-{a..b}.tar", "two numbers"),
        ("train-{08..10", "two numbers"),
    ] {
        assert!(expand(text).unwrap_err().to_string().contains(why), "{text}");
    }
}
