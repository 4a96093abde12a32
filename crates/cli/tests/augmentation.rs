//! Images that are decoded whenever they are needed, and their augmentation.

use striate_vision::{Image, decode, encode_png};

mod common;
use common::Folder;

/// Image files of two classes, each of its own size.
fn stripes(name: &str) -> Folder {
    let folder = Folder::new(name);
    for seed in 0..24 {
        let (width, height, class) = (40 + seed, 48, seed % 2);
        let level = |at: usize| {
            let (x, y) = (at / 3 % width, at / 3 / width);
            (if class == 0 { x } else { y } * (20 + seed) % 256) as u8
        };
        let image = Image::new(width, height, 3, (0..width * height * 3).map(level).collect()).unwrap();
        folder.write(&format!("set/{}/{seed}.png", ["across", "down"][class]), encode_png(&image).unwrap());
    }
    folder
}

const TRANSFORMS: &str =
    r#"data.transforms=[{name="RandomResizedCrop", size=32}, {name="TrivialAugmentWide"}]"#;

fn digest(folder: &Folder, out: &str, more: &[&str]) -> String {
    let train = ["train", "lenet5", "--data", "set", "--epochs", "2", "--out", out];
    folder.json(&[&train, more].concat())["weights_sha256"].as_str().unwrap().to_owned()
}

#[test]
fn neither_cache_nor_threads_change_the_weights() {
    let folder = stripes("augmentation-cache");
    let held = digest(&folder, "held", &["--threads", "1"]);
    assert_eq!(digest(&folder, "decoded", &["--threads", "2", "--cache", "0"]), held);
    let output = folder.run(&["eval", "held/last.safetensors", "--data", "set", "--cache", "0", "--json"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && text.contains("more than the cache of 0 MiB"), "{text}");
}

#[test]
fn augmented_run_has_the_same_weights_on_any_number_of_threads_and_after_a_stop() {
    let folder = stripes("augmentation-resume");
    let plain = digest(&folder, "plain", &[]);
    let whole = digest(&folder, "whole", &["--set", TRANSFORMS, "--threads", "2"]);
    assert_ne!(plain, whole);
    let part = digest(&folder, "part", &["--set", TRANSFORMS, "--threads", "1", "--steps", "3"]);
    assert_ne!(part, whole);
    let resumed = folder.json(&["train", "--resume", "part", "--threads", "1", "--cache", "7"]);
    assert_eq!(resumed["weights_sha256"], whole.as_str());
    let best = |run: &str| std::fs::read(folder.path(&format!("{run}/best.safetensors"))).unwrap();
    assert!(best("part") == best("whole"), "the best epoch is another one after a stop");
}

#[test]
fn augmented_images_are_drawn() {
    let folder = stripes("augmentation-show");
    let show = ["data", "show", "lenet5", "--data", "set", "--picture", "samples.png", "--set"];
    let result = folder.json(&[&show[..], &[TRANSFORMS]].concat());
    assert_eq!(result["augmentation"], "2 transforms");
    let augmented = std::fs::read(folder.path("samples.png")).unwrap();
    let picture = decode(&augmented).unwrap();
    assert!(picture.width() > 600 && picture.height() > 2 * 72);
    folder.json(&[&show[..], &["data.augment=none"]].concat());
    assert_ne!(std::fs::read(folder.path("samples.png")).unwrap(), augmented);
    let whole = std::fs::read(folder.path("set/down/1.png")).unwrap();
    folder.write("set/down/torn.png", &whole[..60]);
    let output = folder.run(&[&show[..], &["data.augment=none"]].concat());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && text.contains("unreadable, not shown"), "{text}");
    let line = folder.refusal(&[&show[..], &["data.augment=small_images"]].concat());
    assert!(line.contains("did you mean small-images?"), "{line}");
}

/// A drawn sheet has a caption under each image, and the report states the shares of the classes.
#[test]
fn mixed_images_are_drawn_with_their_labels() {
    let folder = stripes("augmentation-mixed");
    let show = ["data", "show", "lenet5", "--data", "set", "--picture", "samples.png"];
    let drawn = |more: &[&str]| {
        let result = folder.json(&[&show[..], more].concat());
        (result, decode(&std::fs::read(folder.path("samples.png")).unwrap()).unwrap())
    };
    let (plain, sheet) = drawn(&[]);
    assert_eq!([&plain["mixup"], &plain["cutmix"]], [0.0, 0.0]);
    for field in ["mixup", "cutmix"] {
        let (result, mixed) = drawn(&["--set", &format!("data.{field}=0.5")]);
        assert_eq!(result[field], 0.5);
        assert!(mixed.height() > sheet.height() && mixed.width() == sheet.width(), "{field}");
    }
    let output = folder.run(&[&show[..], &["--set", "data.mixup=0.5"]].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("augmentation shift, mixup 0.5; 22 training images, 2 classes"), "{text}");
    let train = ["train", "lenet5", "--data", "set", "--epochs", "1", "--out", "run"];
    folder.json(&[&train[..], &["--set", "data.cutmix=1.0"]].concat());
    let page = std::fs::read_to_string(folder.path("run/report.html")).unwrap();
    let captions: Vec<&str> = page.split("<div class=\"mixed\">").skip(1).collect();
    assert!(!captions.is_empty() && page.contains("The recipe mixes images"));
    for caption in captions {
        let words = caption.split_once("<small>").unwrap().1.split_once("</small>").unwrap().0;
        let shares = words.split(" + ").map(|part| part.split_once(' ').unwrap().1.parse::<f64>().unwrap());
        assert!((shares.sum::<f64>() - 1.0).abs() < 0.011, "{words}");
    }
}

#[test]
fn photographs_are_augmented_unless_a_flag_says_otherwise() {
    let folder = stripes("augmentation-photographs");
    let show = ["data", "show", "--data", "set", "--picture", "samples.png"];
    for (more, expected) in [
        (&["resnet18"][..], "photographs"),
        (&["lenet5"], "shift"),
        (&["resnet18", "--set", "data.augment=none"], "none"),
    ] {
        assert_eq!(folder.json(&[&show[..], more].concat())["augmentation"], expected, "{more:?}");
    }
}
