//! Run folders that someone else may have changed: one of the files is replaced, then the run is resumed.
//!
//! The input is the file to replace and its content, or the content of a checkpoint with valid checksums.

#![no_main]

mod program;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{fs, str};

use libfuzzer_sys::fuzz_target;
use program::{check, scratch, succeed};
use striate_formats::{Checkpoint, Checkpoints};
use striate_graph::{Network, statistics};
use striate_tensor::{Shape, npy};

/// The files of a run, and what stands for the fields of a checkpoint.
const FILES: [&str; 6] =
    ["recipe.toml", "network.toml", "metrics.csv", "manifest.json", "state.safetensors", ""];
/// Networks above this many multiply-adds take longer than a fuzzer has.
const SMALL: u64 = 1 << 22;

/// A run after two steps.
struct Run {
    folder: PathBuf,
    checkpoint: Checkpoint,
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, content)) = bytes.split_first() else { return };
    let file = FILES[usize::from(*kind) % FILES.len()];
    if file == "network.toml" && !is_small(content) {
        return;
    }
    let Run { folder, checkpoint } = original();
    let _ = fs::remove_dir_all("copy");
    copy(folder, Path::new("copy"));
    match file {
        "" => change_checkpoint(checkpoint, content),
        "manifest.json" | "state.safetensors" => {
            for step in fs::read_dir("copy/checkpoints").expect("the run has checkpoints") {
                replace(&step.expect("the folder can be listed").path().join(file), content);
            }
        }
        _ => replace(&Path::new("copy").join(file), content),
    }
    check(["train", "--resume", "copy", "--steps", "3", "--json"].map(Into::into).into());
});

/// The run that every input changes a copy of.
fn original() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let folder = scratch("run-folder").join("run");
        write_data(Path::new("data"));
        succeed(&["train", "lenet5", "--data", "npy:data", "--out", "run", "--steps", "2", "--batch", "4"]);
        let checkpoint = Checkpoints::new(&folder, 2).latest();
        let checkpoint = checkpoint.expect("the checkpoint is whole").expect("the run has one");
        Run { folder, checkpoint }
    })
}

/// Writes a small data set of twelve images and three classes.
fn write_data(folder: &Path) {
    let (images, labels): (Vec<f32>, Vec<i64>) =
        ((0..12 * 32 * 32).map(|at| (at % 7) as f32).collect(), (0..12).map(|at| at % 3).collect());
    fs::create_dir_all(folder).expect("the folder can be written");
    npy::write(&folder.join("images.npy"), &Shape::from([12, 1, 32, 32]), &images)
        .expect("images are written");
    npy::write(&folder.join("labels.npy"), &Shape::from([12]), &labels).expect("labels are written");
}

/// Writes a checkpoint whose checksums are right and whose other fields come from `content`.
fn change_checkpoint(checkpoint: &Checkpoint, content: &[u8]) {
    let mut changed = checkpoint.clone();
    let (numbers, text) = content.split_at(content.len().min(4));
    let number = |index: usize| numbers.get(index).map_or(0, |byte| u64::from(*byte));
    changed.position.epoch = number(0);
    changed.position.batch = number(1);
    changed.position.step = number(2) << (number(3) % 56);
    if let Ok(extra) = serde_json::from_slice(text) {
        changed.extra = extra;
    }
    let _ = fs::remove_dir_all("copy/checkpoints");
    Checkpoints::new(Path::new("copy"), 2).save(&changed).expect("the folder can be written");
}

/// Whether `text` is a network that can be trained for a step in a moment, or none at all.
fn is_small(text: &[u8]) -> bool {
    let network = str::from_utf8(text).ok().and_then(|text| Network::from_text(text).ok());
    let Some(graph) = network.and_then(|network| network.graph(1).ok()) else { return true };
    statistics(&graph).cost.macs < SMALL
}

fn replace(file: &Path, content: &[u8]) {
    fs::write(file, content).expect("the folder can be written");
}

/// Copies a folder of files and folders.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder can be written");
    for entry in fs::read_dir(from).expect("the folder can be listed") {
        let path = entry.expect("the folder can be listed").path();
        let to = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, to).expect("the file can be copied");
        }
    }
}
