//! Image folders on the command line: what `data info` lists and what `train` refuses.

use serde_json::json;
use striate_tensor::npy;
use striate_vision::{Image, encode_png};

mod common;
use common::Folder;

fn png(shade: u8) -> Vec<u8> {
    encode_png(&Image::filled(9, 8, [shade, 10, 200])).unwrap()
}

/// `Train` and `Test` of two classes in an enclosing folder, with typical files of archives and systems.
fn animals(name: &str) -> Folder {
    let folder = Folder::new(name);
    for (i, path) in ["Train/cat/a", "Train/cat/b", "Train/dog/c", "Test/dog/d"].iter().enumerate() {
        folder.write(&format!("set/animals/{path}.png"), png(i as u8 * 50));
    }
    folder.write("set/__MACOSX/animals/._Train", "");
    folder.write("set/animals/Train/cat/Thumbs.db", "");
    folder.write("set/animals/Train/cat/notes.txt", "a note");
    folder
}

#[test]
fn data_info_reports_parts_and_skipped_files() {
    let folder = animals("folders-info");
    folder.write("set/animals/Train/dog/torn.jpg", [0xff, 0xd8, 0xff, 0xe0]);
    let info = folder.json(&["data", "info", "set"]);
    assert_eq!(info["classes"], json!(["cat", "dog"]));
    let parts = info["parts"].as_array().unwrap();
    let counts: Vec<_> = parts.iter().map(|part| (part["name"].as_str(), part["counts"].clone())).collect();
    assert_eq!(counts, [(Some("train"), json!([2, 1])), (Some("test"), json!([0, 1]))]);
    let survey = &info["survey"];
    assert_eq!(survey["sizes"], json!([[8, 9], [8, 9]]));
    let aside = survey["skipped"].as_array().unwrap();
    let kinds: Vec<_> = aside.iter().map(|aside| (aside["kind"].as_str(), aside["count"].as_u64())).collect();
    assert_eq!(kinds, [(Some("system"), Some(1)), (Some("txt"), Some(1))]);
    assert_eq!(survey["unreadable"][0]["file"], "set/animals/Train/dog/torn.jpg");
    let text = String::from_utf8(folder.run(&["data", "info", "set"]).stdout).unwrap();
    for line in [
        "entered set/animals, the only folder in set",
        "the test part has no images of 1 of 2 classes: [cat]",
        "skipped: 1 × txt, first set/animals/Train/cat/notes.txt",
        "unreadable: set/animals/Train/dog/torn.jpg: damaged image",
        "`train` and `eval` refuse unreadable files, or skip them with --skip-unreadable; their --max-pixels",
    ] {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
}

#[test]
fn train_names_all_unreadable_images_and_does_not_start() {
    let folder = animals("folders-unreadable");
    folder.write("set/animals/Train/dog/torn.jpg", [0xff, 0xd8, 0xff, 0xe0]);
    folder.write("set/animals/Test/dog/raw.png", b"8BPS\0\x01");
    let output = folder.run(&["train", "--data", "set", "--out", "run"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let [torn, raw, error] = lines[lines.len() - 3..] else { panic!("three lines: {text}") };
    assert!(torn.starts_with("set/animals/Train/dog/torn.jpg: damaged image"), "{text}");
    assert!(raw.starts_with("set/animals/Test/dog/raw.png: Photoshop images are not supported"), "{text}");
    assert!(error.starts_with("error: 2 of 6 images cannot be read, first"), "{text}");
    assert!(!folder.path("run").exists());
}

#[test]
fn class_names_that_cannot_be_read_back_are_refused_before_the_first_step() {
    let folder = Folder::new("folders-names");
    folder.write("set/cat/a.png", png(0));
    folder.write("set/dog\u{202e}gpj/a.png", png(9));
    let line = folder.refusal(&["train", "--data", "set", "--out", "run"]);
    assert!(line.contains("has the character U+202E, which cannot be shown; rename it"), "{line}");
    assert!(!folder.path("run").exists());
}

#[test]
fn folders_of_parts_are_never_classes() {
    let folder = Folder::new("folders-parts");
    for path in ["A/cat/a.png", "A/dog/a.png", "B/cat/a.png", "B/dog/a.png"] {
        folder.write(&format!("set/{path}"), png(7));
    }
    let line = folder.refusal(&["train", "--data", "set"]);
    assert!(line.contains("[A, B] look like parts, not classes"), "{line}");
    assert!(line.contains("rename them to train, val and test"), "{line}");
}

#[test]
fn data_info_accepts_a_set_without_training_part() {
    let folder = Folder::new("folders-test-only");
    folder.write("set/test/cat/a.png", png(0));
    folder.write("set/test/dog/old/b.png", png(9));
    let output = folder.run(&["data", "info", "set", "--picture", "sheet.png"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "set: 2 classes, read here as images of 3×8×9; `train` resizes them to the network's size",
        "image files: height 8, width 9",
        "no training part, only test; `eval` accepts this, `train` does not",
        "images also come from a subfolder of the class folders, first test/dog/old",
        "test part: mean ",
    ] {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
    assert!(folder.path("sheet.png").is_file());
    let info = folder.json(&["data", "info", "set"]);
    assert_eq!(info["parts"], json!([{ "name": "test", "n": 2, "shape": [3, 8, 9], "counts": [1, 1] }]));
    let line = folder.refusal(&["train", "--data", "set"]);
    assert!(
        line.contains("set: has a test part (test) but no training part; add the folder train"),
        "{line}"
    );
    let digits = String::from_utf8(folder.run(&["data", "info", "digits"]).stdout).unwrap();
    assert!(digits.starts_with("digits: 10 classes, images of 1×8×8\n"), "{digits}");
}

#[test]
fn images_in_subfolders_of_classes_are_reported_before_training() {
    let folder = Folder::new("folders-nested");
    for path in ["a/apple/1", "a/apple/2", "a/pear/1", "b/apple/1", "b/plum/1", "b/plum/2"] {
        folder.write(&format!("ov/{path}.png"), png(7));
    }
    let note = "images come from 4 subfolders of the class folders, first a/apple";
    let run = folder.json(&["train", "lenet5", "--data", "ov", "--epochs", "1", "--out", "run"]);
    assert_eq!(run["summary"]["data"]["notes"][0], note);
    let info = folder.json(&["data", "info", "ov"]);
    assert_eq!(info["survey"]["notes"], json!([note]));
}

#[test]
fn parts_within_class_folders_are_refused_with_advice() {
    let folder = Folder::new("folders-inner-parts");
    for path in ["train/x/1", "test/x/1"] {
        ["a", "b"].iter().for_each(|set| drop(folder.write(&format!("sets/{set}/{path}.png"), png(7))));
    }
    let expected = "sets: there are parts ([test, train]) in [a, b]; if these are data sets, choose one, such as sets/a; if \
                    they are classes, move the parts above them, such as test/a";
    for arguments in [&["train", "--data", "sets"], &["data", "info", "sets"][..]] {
        let line = folder.refusal(arguments);
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn predict_names_a_subfolder_with_images() {
    let folder = Folder::new("folders-predict");
    folder.json(&["train", "--epochs", "1", "--out", "run"]);
    folder.write("all/empty/notes.txt", "a note");
    folder.write("all/inner/a.png", png(0));
    std::fs::create_dir_all(folder.path("none/inner")).unwrap();
    let line = folder.refusal(&["predict", "run/last.safetensors", "all"]);
    let expected =
        "all: its images are in subfolders, which are not searched; pass each of them, such as all/inner";
    assert!(line.contains(expected), "{line}");
    let line = folder.refusal(&["predict", "run/last.safetensors", "none"]);
    assert!(line.contains("none: no images in this folder"), "{line}");
}

#[test]
fn data_info_counts_the_classes_that_it_does_not_list() {
    let folder = Folder::new("folders-many");
    for (count, expected) in
        [(40, None), (41, Some("… and 1 more class")), (43, Some("… and 3 more classes"))]
    {
        let labels: Vec<i64> = (0..count).collect();
        let extents = [labels.len(), 1, 1, 1];
        std::fs::create_dir_all(folder.path("arrays")).unwrap();
        let path = |name: &str| folder.path("arrays").join(name);
        npy::write(&path("images.npy"), &extents.into(), &vec![0.5f32; labels.len()]).unwrap();
        npy::write(&path("labels.npy"), &[labels.len()].into(), &labels).unwrap();
        let text = String::from_utf8(folder.run(&["data", "info", "npy:arrays"]).stdout).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let more = lines.iter().find(|line| line.starts_with('…')).copied();
        assert_eq!(more, expected, "{text}");
        let all = lines.iter().find(|line| line.starts_with("all ")).unwrap();
        assert!(all.ends_with(&format!(" {count}")), "{text}");
    }
}
