//! `data check` and the contact sheet of `data info`.

use striate_vision::{Image, decode, encode_png};

mod common;
use common::Folder;

/// A picture of its own for every seed.
fn png(seed: usize) -> Vec<u8> {
    let level = |at: usize| {
        let (x, y) = ((at % 48) as f64 / 48.0, (at / 48) as f64 / 40.0);
        let (a, b) = ((seed * 7 % 11) as f64, (seed * 5 % 13) as f64);
        (127.0 + 60.0 * (x * (3.0 + a) + b).sin() + 60.0 * (y * (3.0 + b) + x * a).cos()) as u8
    };
    encode_png(&Image::new(48, 40, 1, (0..48 * 40).map(level).collect()).unwrap()).unwrap()
}

/// Ten images of two classes each, without problems.
fn pets(name: &str) -> Folder {
    let folder = Folder::new(name);
    for seed in 0..10 {
        folder.write(&format!("set/train/cat/{seed}.png"), png(seed));
        folder.write(&format!("set/train/dog/{seed}.png"), png(20 + seed));
    }
    folder
}

#[test]
fn good_folder_ends_with_zero() {
    let folder = pets("check-good");
    let output = folder.run(&["data", "check", "set"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(text, "set: 20 images in 2 classes among 20 files: 0 errors, 0 warnings, 0 notes\n");
    assert!(output.stderr.is_empty());
}

#[test]
fn errors_end_with_one_and_name_file_and_reason() {
    let folder = pets("check-errors");
    folder.write("set/train/dog/torn.png", &png(40)[..300]);
    folder.write("set/train/dog/leaked.png", png(41));
    folder.write("set/test/cat/leaked.png", png(41));
    folder.write("set/test/dog/a.png", png(42));
    folder.write("set/train/dog/photo.jpg", png(43));
    (0..14).for_each(|i| drop(folder.write(&format!("set/train/cat/empty{i:02}.png"), "")));
    let before = std::fs::read_dir(folder.path("set/train/cat")).unwrap().count();
    let output = folder.run(&["data", "check", "set"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "error: empty files: 14",
        "  set/train/cat/empty00.png: the file is empty; copy or export the image again",
        "  … and 4 more; --all or --json lists them",
        "error: truncated images: 1",
        "  set/train/dog/torn.png: damaged image (truncated); copy or export it again",
        "error: duplicates: 1",
        "  identical files in train and test with different class labels (cat, dog): set/test/cat/leaked.png, \
         set/train/dog/leaked.png",
        "warning: wrong endings: 1",
        "  set/train/dog/photo.jpg: has the content of a PNG image, but is called .jpg",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is missing in:\n{text}");
    }
    let last = "set: 39 images (15 unreadable) in 2 classes among 39 files: 16 errors, 1 warning, 0 notes";
    assert_eq!(text.lines().last(), Some(last));
    let all = folder.run(&["data", "check", "set", "--all"]);
    assert!(String::from_utf8(all.stdout).unwrap().contains("set/train/cat/empty13.png"));
    assert_eq!(std::fs::read_dir(folder.path("set/train/cat")).unwrap().count(), before);

    let output = folder.run(&["data", "check", "set", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (json["errors"].as_u64(), json["warnings"].as_u64(), json["readable"].as_u64()),
        (Some(16), Some(1), Some(24))
    );
    let findings = json["findings"].as_array().unwrap();
    let copies = findings.iter().find(|finding| finding["kind"] == "duplicate").unwrap();
    assert_eq!(copies["across_parts"], true);
    assert_eq!(copies["across_classes"], true);
    assert_eq!(copies["files"].as_array().unwrap().len(), 2);
    assert_eq!(json["parts"][1], serde_json::json!({ "name": "test", "n": 2 }));
}

#[test]
fn lists_end_with_one_if_they_have_errors() {
    let folder = pets("check-lists");
    let list = |extra: &str| {
        let line = |seed: usize| format!("train/cat/{seed}.png\tcat\ntrain/dog/{seed}.png\tdog\n");
        folder.write("set/all.tsv", (0..10).map(line).collect::<String>() + extra);
        folder.run(&["data", "check", "list:set/all.tsv", "--json"])
    };
    assert_eq!(list("").status.code(), Some(0));
    let output = list("train/cat/0.png\tdog\ntrain/cow/0.png\tdog\n");
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = json["findings"].as_array().unwrap();
    let kinds: Vec<&str> = findings.iter().map(|finding| finding["kind"].as_str().unwrap()).collect();
    assert_eq!((kinds, json["readable"].as_u64()), (vec!["unreadable", "duplicate"], Some(20)));
    assert_eq!(findings[1]["across_classes"], true);
    let text = String::from_utf8(folder.run(&["data", "check", "list:set/all.tsv"]).stdout).unwrap();
    let expected =
        "  set/train/cat/0.png: listed 2 times (line 1, line 21) with different class labels (cat, dog)";
    assert!(text.lines().any(|line| line == expected), "{text}");
    assert!(text.lines().last().unwrap().starts_with("list:set/all.tsv: 21 images (1 unreadable)"), "{text}");
}

#[test]
fn wrong_use_is_refused_on_one_line() {
    let folder = pets("check-refused");
    folder.write("notes/a.txt", "a note");
    folder.write("all.tsv", "set/train/cat/0.png\tcat\n");
    folder.write("names", "# images\nset/train/cat/0.png\tcat\n");
    for (arguments, expected) in [
        (&["data", "check", "nowhere"][..], "nowhere: neither a built-in data set nor a folder"),
        (&["data", "check", "notes"], "notes: has no images"),
        (&["data", "check", "all.tsv"], "all.tsv: looks like a list of images; use list:all.tsv"),
        (&["train", "--data", "all.tsv"], "all.tsv: looks like a list of images; use list:all.tsv"),
        (&["train", "--data", "names"], "names: looks like a list of images; use list:names"),
        (&["data", "check", "list:none.tsv"], "none.tsv"),
        (&["data", "check", "cifar10:notes"], "batch"),
        (&["data", "check", "digits"], "digits: cannot be checked"),
        (&["data", "check"], "<DATA>"),
        (&["data", "check", "set", "--near", "13"], "--near"),
        (&["data", "check", "set", "--max-pixels", "0"], "--max-pixels"),
        (&["data", "check", "set", "--json", "--all"], "--all"),
    ] {
        let line = folder.refusal(arguments);
        assert!(line.contains(expected), "{arguments:?}: {line}");
    }
}

#[test]
fn contact_sheet_has_a_row_for_each_class() {
    let folder = pets("check-sheet");
    let height = |classes: &str| {
        let output = folder.run(&["data", "info", classes, "--picture", "sheet.png"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let sheet = decode(&std::fs::read(folder.path("sheet.png")).unwrap()).unwrap();
        assert_eq!(sheet.width(), 1068);
        sheet.height()
    };
    let (two, ten) = (height("set"), height("digits"));
    assert_eq!(ten - two, 8 * 80);
    (0..60).for_each(|class| drop(folder.write(&format!("many/class{class}/a.png"), png(class))));
    assert_eq!(height("many") - ten, 30 * 80);
}
