//! The crafted files of `striate-hostile` on the command line: one line with the same message on stderr, exit code 2,
//! nothing on stdout, no panic. Also, checkpoints with correct checksums but wrong content.

mod common;

use common::{Folder, refused, text};
use striate_formats::{Checkpoint, Checkpoints};
use striate_hostile::cases;

/// A target, the name of the crafted file, and the command lines that must refuse it.
type Attack = (&'static str, &'static str, &'static [&'static [&'static str]]);

const ATTACKS: [Attack; 7] = [
    (
        "safetensors",
        "f.safetensors",
        &[&["convert", "f.safetensors", "out.pth"], &["train", "lenet5", "--weights", "f.safetensors"]],
    ),
    ("pth", "f.pth", &[&["convert", "f.pth", "out.safetensors"], &["train", "--weights", "f.pth"]]),
    ("caffemodel", "f.caffemodel", &[&["convert", "f.caffemodel", "out.safetensors"]]),
    ("onnx", "f.onnx", &[&["inspect", "f.onnx"], &["convert", "f.onnx", "out.pth"]]),
    (
        "network",
        "f.toml",
        &[&["inspect", "f.toml"], &["run", "f.toml", "--input", "x.npy", "--output", "y.npy"]],
    ),
    (
        "model",
        "f.safetensors",
        &[&["verify", "f.safetensors"], &["eval", "f.safetensors", "--data", "digits"]],
    ),
    ("recipe", "f.toml", &[&["train", "--recipe", "f.toml"]]),
];

#[test]
fn crafted_files_are_refused_on_the_command_line() {
    let folder = Folder::new("crafted");
    striate_tensor::npy::write::<f32>(&folder.path("x.npy"), &[1, 1, 8, 8].into(), &[0.5; 64]).unwrap();
    for (target, name, commands) in ATTACKS {
        for case in cases(target) {
            let Some(words) = case.refusal else { continue };
            folder.write(name, &case.bytes);
            // Readers of binary formats word the error for an empty file differently.
            let is_empty = case.bytes.is_empty() && !name.ends_with(".toml");
            let words = if is_empty { "is empty; write or download it again" } else { words };
            for command in commands {
                let line = refused(&folder.run(command), &format!("{target}, {}, {command:?}", case.name));
                assert!(line.contains(words), "{target}, {}, {command:?}: {line}", case.name);
                assert!(
                    line.contains(name),
                    "{target}, {}, {command:?}: {line} does not name the file",
                    case.name
                );
                assert!(!line.trim_end().contains(char::is_control), "{target}, {}: {line:?}", case.name);
            }
        }
    }
}

#[test]
fn crafted_idx_files_are_refused_on_the_command_line() {
    let folder = Folder::new("crafted-idx");
    let data = folder.path("data");
    let images = "data/mnist/train-images-idx3-ubyte";
    for name in ["train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] {
        folder.write(&format!("data/mnist/{name}"), []);
    }
    for case in cases("idx") {
        let Some(words) = case.refusal else { continue };
        folder.write(images, &case.bytes);
        let output = folder.run_with(&["train", "--data", "mnist"], &[("STRIATE_DATA", text(&data))]);
        let line = refused(&output, &case.name);
        assert!(line.contains(words) && line.contains("train-images"), "{}: {line}", case.name);
    }
}

/// A name, a change to a checkpoint, and part of the message that refuses it.
type Change = (&'static str, fn(&mut Checkpoint), &'static str);

const CHANGES: [Change; 14] = [
    ("another seed", |c| c.position.seed = 7, "with seed 7"),
    ("another step", |c| c.position.step = 3, "does not belong to this run: step 3"),
    ("no batch", |c| c.position.batch = 0, "does not belong to this run"),
    ("a batch after the epoch", |c| (c.position.batch, c.position.step) = (9999, 9999), "batch 9999"),
    ("the last possible batch", |c| c.position.batch = u64::MAX, "batch 18446744073709551615"),
    ("an epoch that overflows", |c| c.position.epoch = u64::MAX, "epoch 18446744073709551615"),
    ("only tensors", |c| c.extra = serde_json::Value::Null, "has changed since the run began"),
    ("other data", |c| c.extra["fingerprint"] = "0".into(), "has changed since the run began"),
    ("another recipe", |c| c.extra["recipe"] = 3.into(), "the recipe has changed"),
    ("invalid figures", |c| c.extra["sums"] = "none".into(), "figures are unreadable"),
    ("too many images", |c| c.extra["sums"]["epoch_images"] = u64::MAX.into(), "does not belong to this run"),
    ("no tensors", |c| c.state.clear(), "the checkpoint lacks "),
    (
        "a tensor too many",
        |c| drop(c.state.insert("x".into(), ([1].into(), vec![0.0]))),
        "x is not a variable",
    ),
    (
        "a tensor of another shape",
        |c| c.state.values_mut().for_each(|(shape, values)| *shape = [values.len(), 1, 1, 1, 1].into()),
        "; expected ",
    ),
];

#[test]
fn checkpoints_with_wrong_content_are_refused() {
    let folder = Folder::new("crafted-checkpoints");
    folder.json(&["train", "--out", "run", "--steps", "2"]);
    let checkpoints = Checkpoints::new(&folder.path("run"), 1);
    let good = checkpoints.latest().unwrap().unwrap();
    let all = folder.path("run/checkpoints");
    for (name, change, words) in CHANGES {
        std::fs::remove_dir_all(&all).unwrap();
        let mut bad = good.clone();
        change(&mut bad);
        checkpoints.save(&bad).unwrap();
        let line = refused(&folder.run(&["train", "--resume", "run", "--steps", "4"]), name);
        assert!(line.contains(words), "{name}: {line}");
    }
    std::fs::remove_dir_all(&all).unwrap();
    checkpoints.save(&good).unwrap();
    assert_eq!(folder.json(&["train", "--resume", "run", "--steps", "4"])["steps"], 4);
}
