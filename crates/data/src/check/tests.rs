//! Checks of whole folders.

use std::sync::atomic::{AtomicUsize, Ordering};

use striate_vision::{Image, encode_png};

use super::*;
use crate::scratch::Scratch;

#[derive(Default)]
struct Count(AtomicUsize, AtomicUsize);

impl CheckProgress for Count {
    fn begin(&self, files: usize) {
        self.0.store(files, Ordering::Relaxed);
    }

    fn checked(&self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

fn spec(path: &Path) -> Spec {
    Spec::Folder(path.to_owned())
}

fn checked(folder: &Scratch) -> Check {
    check(&spec(folder.path()), &CheckOptions::default(), &Count::default()).unwrap()
}

/// A picture of its own for every seed.
fn image(seed: usize, width: usize, height: usize) -> Image {
    let level = |at: usize| {
        let (x, y) = ((at % width) as f64 / width as f64, (at / width) as f64 / height as f64);
        let (a, b) = ((seed * 7 % 11) as f64, (seed * 5 % 13) as f64);
        (127.0 + 60.0 * (x * (3.0 + a) + b).sin() + 60.0 * (y * (3.0 + b) + x * a).cos()) as u8
    };
    Image::new(width, height, 1, (0..width * height).map(level).collect()).unwrap()
}

fn png(seed: usize) -> Vec<u8> {
    encode_png(&image(seed, 48, 40)).unwrap()
}

/// Returns `severity kind: message: files` with paths relative to the folder.
fn lines(folder: &Scratch, check: &Check) -> Vec<String> {
    let shown = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().display().to_string();
    let line = |f: &Finding| {
        let files: Vec<String> = f.files.iter().map(shown).collect();
        format!("{} {}: {}: {}", f.severity.name(), f.kind.name(), f.message, files.join(" "))
    };
    check.findings.iter().map(line).collect()
}

#[test]
fn every_problem_is_named_once() {
    let folder = Scratch::new();
    for seed in 0..10 {
        folder.file(&format!("train/cat/{seed}.png"), &png(seed));
        folder.file(&format!("train/dog/{seed}.png"), &png(20 + seed));
    }
    folder.file("train/cat/copy.png", &png(1));
    folder.file("train/dog/cat.png", &png(2));
    folder.file("test/cat/leak.png", &png(3));
    folder.file("test/dog/color.png", &encode_png(&image(24, 48, 40).to_rgb()).unwrap());
    folder.file("test/dog/small.png", &encode_png(&image(25, 96, 80)).unwrap());
    folder.file("train/dog/empty.jpg", b"");
    folder.file("train/dog/torn.png", &png(31)[..200]);
    folder.file("train/dog/text.jpg", b"some text");
    folder.file("train/dog/scan.gif", b"8BPS\0\x01");
    folder.file("train/dog/page.eps", b"%!PS-Adobe-3.0");
    folder.file("train/dog/notes.txt", b"a note");
    folder.file("train/dog/wrong.jpg", &png(33));
    folder.file("train/dog/wide.png", &encode_png(&image(35, 400, 40)).unwrap());
    folder.file("train/dog/plain.png", &encode_png(&Image::filled(48, 40, [3, 3, 3])).unwrap());
    folder.file("train/above.png", &png(36));
    folder.file("train/.hidden", b"");
    let count = Count::default();
    let check = check(&spec(folder.path()), &CheckOptions::default(), &count).unwrap();
    let expected = [
        "error empty: the file is empty; copy or export the image again: train/dog/empty.jpg",
        "error truncated: damaged image (truncated); copy or export it again: train/dog/torn.png",
        "error not-an-image: not an image (unknown content); supported formats are PNG, JPEG, WebP, BMP, GIF, TIFF and \
         PNM: train/dog/text.jpg",
        "error unsupported: Photoshop images are not supported; convert it to PNG or JPEG: train/dog/scan.gif",
        "error duplicate: identical files in train and test: test/cat/leak.png train/cat/3.png",
        "error duplicate: the same pixels in train and test: test/dog/color.png train/dog/4.png",
        "error duplicate: identical files with different class labels (cat, dog): train/cat/2.png train/dog/cat.png",
        "warning unsupported: EPS images are not supported and are skipped; convert them to PNG or JPEG: \
         train/dog/page.eps",
        "warning duplicate: identical files: train/cat/1.png train/cat/copy.png",
        "warning near-duplicate: images that look alike in train and test: test/dog/small.png train/dog/5.png",
        "warning wrong-ending: has the content of a PNG image, but is called .jpg: train/dog/wrong.jpg",
        "warning wrong-ending: has the content of a Photoshop image, but is called .gif: train/dog/scan.gif",
        "warning outside: outside the class folders and skipped by `train`: train/above.png",
        "warning odd-size: 400×40 pixels: aspect ratio 10.00, median 1.20: train/dog/wide.png",
        "warning blank: all its pixels are [3, 3, 3]: train/dog/plain.png",
        "information skipped: hidden: train/.hidden",
        "information skipped: not an image (txt): train/dog/notes.txt",
    ];
    let found = lines(&folder, &check);
    for line in &expected {
        assert_eq!(found.iter().filter(|other| *other == line).count(), 1, "{line}\n{found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    let severities: Vec<Severity> = check.findings.iter().map(|finding| finding.severity).collect();
    assert!(severities.is_sorted());
    assert_eq!((check.files, check.images, check.readable), (35, 33, 29));
    assert_eq!(check.parts, [("train", 25), ("test", 3)]);
    assert_eq!((count.0.into_inner(), count.1.into_inner()), (35, 35));
}

#[test]
fn good_folders_have_no_findings() {
    let folder = Scratch::new();
    for seed in 0..10 {
        folder.file(&format!("cat/{seed}.png"), &png(seed));
        folder.file(&format!("dog/{seed}.png"), &png(20 + seed));
    }
    let check = checked(&folder);
    assert_eq!(check.findings, []);
    assert_eq!(check.classes, [("cat".to_owned(), 10), ("dog".to_owned(), 10)]);
    assert_eq!(check.count(Severity::Error), 0);
}

#[test]
fn folders_without_images_are_refused() {
    let folder = Scratch::new();
    folder.file("notes.txt", b"a note");
    let refused = |path: &Path| check(&spec(path), &CheckOptions::default(), &Count::default()).unwrap_err();
    assert!(refused(folder.path()).to_string().ends_with("has no images"));
    assert!(refused(&folder.path().join("missing")).is_input());
}

#[test]
fn conversions_are_information() {
    let folder = Scratch::new();
    // A gray TIFF file of one row with 16 bits per sample and an orientation.
    let mut tiff = b"II*\0\x0c\0\0\0\x01\x02\x03\x04".to_vec();
    let tags: [(u16, u16, u32); 9] = [
        (256, 3, 2),
        (257, 3, 1),
        (258, 3, 16),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (274, 3, 6),
        (278, 3, 1),
        (279, 4, 4),
    ];
    tiff.extend((tags.len() as u16).to_le_bytes());
    for (tag, kind, value) in tags {
        tiff.extend(
            [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &1u32.to_le_bytes(), &value.to_le_bytes()].concat(),
        );
    }
    tiff.extend([0; 4]);
    folder.file("deep.tif", &tiff);
    let check = checked(&folder);
    let kinds: Vec<FindingKind> = check.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::Layout, FindingKind::Deep, FindingKind::Rotated]);
}

#[test]
fn lists_have_the_findings_of_folders_and_of_their_lines() {
    let folder = Scratch::new();
    let (mut train, mut test) = (String::new(), String::new());
    for seed in 0..10 {
        for (class, first) in [("cat", 0), ("dog", 20)] {
            folder.file(&format!("{class}{seed}.png"), &png(first + seed));
            train += &format!("{class}{seed}.png\t{class}\n");
        }
        folder.file(&format!("t{seed}"), &png(40 + seed));
        test += &format!("t{seed}\t{}\n", ["cat", "dog"][seed % 2]);
    }
    folder.file("leak.png", &png(3));
    folder.file("torn.png", &png(31)[..200]);
    folder.file("notes.txt", b"a note");
    train +=
        "cat1.png\tcat\n./cat2.png\tdog\ntorn.png\tcat\nnotes.txt\tcat\ngone.png\tdog\nhere\n../x\tcat\n";
    test += "leak.png\tcat\ncat4.png\tcat\ncat5.png\tbird\n";
    folder.file("train.tsv", train.as_bytes());
    folder.file("test.tsv", test.as_bytes());
    let list = Spec::List(folder.path().to_owned());
    let check = super::check(&list, &CheckOptions::default(), &Count::default()).unwrap();
    let found = lines(&folder, &check);
    for line in [
        "error list: line 26: has 0 tabs; each line is a path, a tab and a class: train.tsv",
        "error list: line 27: ../x leaves the folder of the list; paths are relative to it, without ..: train.tsv",
        "error truncated: damaged image (truncated); copy or export it again: torn.png",
        "error duplicate: listed 2 times (line 9 of train, line 12 of test): cat4.png",
        "error duplicate: listed 2 times (line 5 of train, line 22 of train) with different class labels (cat, dog): \
         cat2.png",
        "error duplicate: identical files in train and test: cat3.png leak.png",
        "error unknown-class: the test part has classes that training does not have: [bird]: ",
        "warning duplicate: listed 2 times (line 3 of train, line 21 of train): cat1.png",
    ] {
        assert_eq!(found.iter().filter(|other| *other == line).count(), 1, "{line}\n{found:#?}");
    }
    for (file, kind) in [("notes.txt", FindingKind::NotAnImage), ("gone.png", FindingKind::Unreadable)] {
        let is = |finding: &&Finding| finding.kind == kind && finding.files == [folder.path().join(file)];
        assert_eq!(check.findings.iter().filter(is).count(), 1, "{file}\n{found:#?}");
    }
    assert_eq!((check.images, check.readable), (34, 31));
}

#[test]
fn good_lists_have_no_findings() {
    let folder = Scratch::new();
    let mut list = "# path, class\n\n".to_owned();
    for seed in 0..20 {
        folder.file(&format!("{seed}.png"), &png(seed));
        list += &format!("{seed}.png\t{}\n", seed / 10);
    }
    let list = Spec::List(folder.file("all.tsv", list.as_bytes()));
    let check = super::check(&list, &CheckOptions::default(), &Count::default()).unwrap();
    assert_eq!((check.findings, check.parts), (vec![], vec![("all", 20)]));
    for missing in [Spec::List(folder.path().join("none.tsv")), Spec::Digits] {
        let error = super::check(&missing, &CheckOptions::default(), &Count::default()).unwrap_err();
        assert!(error.is_input(), "{error}");
    }
}

#[test]
fn records_of_cifar_are_compared() {
    let folder = Scratch::new();
    let record = |seed: usize| {
        let pixels = image(seed, 32, 32);
        [&[seed as u8 % 10][..], pixels.pixels(), pixels.pixels(), pixels.pixels()].concat()
    };
    folder
        .file("batches.meta.txt", (0..10).map(|class| format!("c{class}\n")).collect::<String>().as_bytes());
    for batch in 0..5 {
        let records: Vec<u8> = (0..20).flat_map(|index| record(20 * batch + index)).collect();
        folder.file(&format!("data_batch_{}.bin", batch + 1), &records);
    }
    folder.file("test_batch.bin", &[record(131), record(25)].concat());
    let spec = Spec::Cifar(crate::CifarKind::Cifar10, Some(folder.path().to_owned()));
    let options = CheckOptions { near: 0, ..CheckOptions::default() };
    let check = super::check(&spec, &options, &Count::default()).unwrap();
    let found = lines(&folder, &check);
    let line = "error duplicate: the same pixels in train and test: data_batch_2.bin:5 test_batch.bin:1";
    assert!(found.iter().any(|other| other == line), "{found:#?}");
    assert_eq!((check.readable, check.parts), (102, vec![("train", 100), ("test", 2)]));
    folder.file("data_batch_3.bin", &[0; 100]);
    let check = super::check(&spec, &options, &Count::default()).unwrap();
    assert_eq!(check.findings[0].kind, FindingKind::Corrupt);
    assert!(check.findings[0].message.contains("data_batch_3.bin"), "{}", check.findings[0].message);
}
