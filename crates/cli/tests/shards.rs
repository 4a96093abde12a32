//! Lists and shards of image files: training gives the bits that it gives on the folder.

mod common;

use common::Folder;
use serde_json::{Value, json};
use striate_vision::{Image, encode_jpeg, encode_png};

/// Two classes of images of different sizes with edges, in two parts.
fn images(folder: &Folder) {
    for (part, each, first) in [("train", 15, 0), ("test", 4, 20)] {
        for (class, level) in [("dark", 40), ("bright", 180)] {
            for index in 0..each {
                let (width, height) = (40 + index, 44);
                let step = 7 + index + first;
                let pixels = (0..width * height * 3).map(|i| (level + i / step % 60) as u8).collect();
                let image = Image::new(width, height, 3, pixels).unwrap();
                let name = format!("set/{part}/{class}/{index:02}");
                match index % 2 {
                    0 => folder.write(&format!("{name}.png"), encode_png(&image).unwrap()),
                    _ => folder.write(&format!("{name}.jpg"), encode_jpeg(&image, 90).unwrap()),
                };
            }
        }
    }
}

const RECIPE: [&str; 8] =
    ["--epochs", "2", "--batch", "8", "--set", "data.augment=small-images", "--seed", "3"];

fn trained(folder: &Folder, data: &str, more: &[&str]) -> Value {
    folder.json(&[&["train", "resnet20", "--data", data], &RECIPE[..], more].concat())
}

#[test]
fn shards_and_lists_train_as_the_folder_does() {
    let folder = Folder::new("shards");
    images(&folder);
    let prepared = folder.json(&["data", "prepare", "set", "shards"]);
    assert_eq!(
        prepared["parts"],
        json!([{ "name": "train", "n": 30, "shards": 1 }, { "name": "test", "n": 8, "shards": 1 }])
    );
    let line = |part: &str, class: &str, file: &str| format!("{part}/{class}/{file}\t{class}\n");
    for (part, each) in [("train", 15), ("test", 4)] {
        let numbers = || (0..each).map(|i| format!("{i:02}.{}", if i % 2 == 0 { "png" } else { "jpg" }));
        let text: String = ["bright", "dark"]
            .into_iter()
            .flat_map(|class| numbers().map(move |file| line(part, class, &file)))
            .collect();
        folder.write(&format!("set/{part}.tsv"), text);
    }
    let expected = trained(&folder, "set", &["--out", "folder"]);
    let sets = [("list:set", "list", "0"), ("shards", "shards-0", "0"), ("shards", "shards-1", "64")];
    for (data, out, cache) in sets {
        let found = trained(&folder, data, &["--out", out, "--cache", cache, "--threads", "1"]);
        assert_eq!(found["weights_sha256"], expected["weights_sha256"], "{data}");
        assert_eq!(found["top1_error"], expected["top1_error"], "{data}");
    }
    // Stopped in the middle of the second epoch, then resumed.
    let stopped = trained(&folder, "shards", &["--out", "stopped", "--cache", "0", "--steps", "6"]);
    assert_ne!(stopped["weights_sha256"], expected["weights_sha256"]);
    let resumed = folder.json(&["train", "--resume", "stopped", "--cache", "0"]);
    assert_eq!(resumed["weights_sha256"], expected["weights_sha256"]);
    let part = folder.json(&["eval", "folder/last.safetensors", "--data", "shards"]);
    assert_eq!(part["n"], 8);
}

#[test]
fn shards_are_described_and_checked() {
    let folder = Folder::new("shards-check");
    images(&folder);
    folder.json(&["data", "prepare", "set", "shards", "--size", "32"]);
    let info = folder.json(&["data", "info", "shards"]);
    assert_eq!(info["classes"], json!(["bright", "dark"]));
    assert_eq!(folder.json(&["data", "check", "shards"])["readable"], 38);
    let shard = folder.path("shards/test-000000.tar");
    let mut bytes = std::fs::read(&shard).unwrap();
    // Within the first image.
    bytes[700] ^= 1;
    std::fs::write(&shard, bytes).unwrap();
    std::fs::remove_file(folder.path("shards/train-000000.idx")).unwrap();
    let output = folder.run(&["data", "check", "shards"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("test-000000.tar") && text.contains("differs from SHA256SUMS"), "{text}");
    assert!(text.contains("train-000000.idx") && text.contains("does not exist"), "{text}");
}

#[test]
fn unfit_calls_are_refused() {
    let folder = Folder::new("shards-refused");
    images(&folder);
    let prepare = |more: &[&str]| folder.refusal(&[&["data", "prepare"], more].concat());
    assert!(prepare(&["digits", "out"]).contains("not a set of image files"));
    assert!(prepare(&["set", "set/train/out"]).contains("is inside the data set"));
    folder.write("mine/notes.txt", "");
    assert!(prepare(&["set", "mine"]).contains("is not empty"));
    folder.write("set/train/dark/torn.png", "torn");
    assert!(prepare(&["set", "out"]).contains("1 of 39 images cannot be read"));
    let refused = folder.refusal(&["train", "--data", "out"]);
    assert!(refused.contains("UNFINISHED") || refused.contains("is incomplete"), "{refused}");
    let skipped = folder.json(&["data", "prepare", "set", "out", "--skip-unreadable"]);
    assert_eq!(skipped["unreadable"][0]["file"], "set/train/dark/torn.png");
}
