//! A run refuses data that has changed since it began, and says what differs.

mod common;

use common::Folder;
use striate_vision::{Image, encode_png};

fn png(value: u8) -> Vec<u8> {
    encode_png(&Image::filled(32, 32, [value, value / 2, 9])).unwrap()
}

/// A run of two steps on eight images of two classes in each part.
fn run(name: &str) -> Folder {
    let folder = Folder::new(name);
    for (part, first) in [("train", 0), ("val", 100)] {
        for index in 0..4 {
            folder.write(&format!("pets/{part}/cat/{index}.png"), png(first + index));
            folder.write(&format!("pets/{part}/dog/{index}.png"), png(first + 50 + index));
        }
    }
    folder.json(&["train", "lenet5", "--data", "pets", "--batch", "2", "--steps", "2", "--out", "run"]);
    folder
}

#[test]
fn resume_names_what_has_changed() {
    let folder = run("changed-data");
    let rename = |from: &str, to: &str| std::fs::rename(folder.path(from), folder.path(to)).unwrap();
    let refused = |expected: &str| {
        let line = folder.refusal(&["train", "--resume", "run"]);
        let whole = format!(
            "the data set pets has changed since the run began: {expected}; restore it, or start a new run"
        );
        assert!(line.trim_end().ends_with(&whole), "{line}\n{whole}");
    };
    rename("pets/train/cat/2.png", "2.png");
    refused("training has 7 images, 8 before; pets/train/cat/2.png is gone");
    rename("2.png", "pets/val/cat/moved.png");
    refused(
        "training has 7 images, 8 before; validation has 9 images, 8 before; pets/train/cat/2.png is now \
         pets/val/cat/moved.png",
    );
    rename("pets/val/cat/moved.png", "pets/train/cat/2.png");
    folder.write("pets/val/dog/new.png", png(250));
    refused("validation has 9 images, 8 before; pets/val/dog/new.png is new");
    std::fs::remove_file(folder.path("pets/val/dog/new.png")).unwrap();
    folder.write("pets/train/dog/3.png", png(251));
    refused("pets/train/dog/3.png has different content");
    folder.write("pets/train/dog/3.png", png(53));
    for part in ["train", "val"] {
        rename(&format!("pets/{part}/dog"), &format!("pets/{part}/hound"));
    }
    refused("the class dog is now called hound");
    for part in ["train", "val"] {
        rename(&format!("pets/{part}/hound"), &format!("pets/{part}/dog"));
    }
    folder.json(&["train", "--resume", "run", "--epochs", "1"]);
}

/// Runs of earlier versions, and data whose record is damaged or of another run.
#[test]
fn runs_without_a_record_of_their_data_are_resumed() {
    let folder = run("unrecorded-data");
    let of_another = r#"{"fingerprint":"0","classes":[],"parts":[]}"#;
    for record in [None, Some("{}"), Some(of_another)] {
        std::fs::remove_file(folder.path("run/data.json")).unwrap();
        record.into_iter().for_each(|text| drop(folder.write("run/data.json", text)));
        folder.write("pets/train/cat/new.png", png(250));
        let line = folder.refusal(&["train", "--resume", "run"]);
        assert!(
            line.trim_end().ends_with(
                "the data set pets has changed since the run began; restore it, or start a new run"
            ),
            "{line}"
        );
        std::fs::remove_file(folder.path("pets/train/cat/new.png")).unwrap();
        folder.json(&["train", "--resume", "run", "--steps", "3"]);
        folder.write("run/data.json", "{}");
    }
}
