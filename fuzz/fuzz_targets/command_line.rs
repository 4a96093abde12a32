//! Whole command lines on a file with an arbitrary name and content: everything that prints.
//!
//! The input is the kind of file, a file name up to the first newline, and the file's content.

#![no_main]

mod program;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use program::{check, scratch, succeed};

/// The endings by which files are told apart, with the command lines that read such a file. `FILE` stands for its path.
const KINDS: &[(&str, &[&[&str]])] = &[
    ("toml", &[&["inspect", "FILE"], &["inspect", "FILE", "--layers"], &["inspect", "FILE", "--json"]]),
    ("toml", &[&["train", "--recipe", "FILE", "--data", "npy:missing"]]),
    ("safetensors", &[&["inspect", "FILE"], &["inspect", "FILE", "--json"], &["verify", "FILE"]]),
    ("safetensors", &[&["convert", "FILE", "OUT.pth"], &["convert", "FILE", "OUT.onnx", "--json"]]),
    ("pth", &[&["inspect", "FILE"], &["convert", "FILE", "OUT.safetensors"]]),
    (
        "onnx",
        &[&["inspect", "FILE"], &["inspect", "FILE", "--json"], &["convert", "FILE", "OUT.safetensors"]],
    ),
    ("caffemodel", &[&["inspect", "FILE"], &["convert", "FILE", "OUT.safetensors"]]),
    ("npy", &[&["run", "lenet5", "--input", "FILE", "--output", "OUT.npy"]]),
    ("png", &[&["predict", "MODEL", "FILE"], &["predict", "MODEL", "FILE", "--csv", "OUT.csv", "--json"]]),
];

/// Longest file name, in bytes.
const LONGEST_NAME: usize = 120;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let (extension, commands) = KINDS[usize::from(*kind) % KINDS.len()];
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let (name, content) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let folder = folder();
    let file = folder.join(file_name(name, extension));
    if fs::write(&file, content).is_err() {
        return;
    }
    for command in commands {
        let arguments = command.iter().map(|word| match *word {
            "FILE" => file.clone().into(),
            "MODEL" => folder.join("run/last.safetensors").into(),
            word => OsString::from(word),
        });
        check(arguments.collect());
    }
    let _ = fs::remove_file(file);
});

/// A folder of this process, with a small model in it.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = scratch("command-line");
        succeed(&["train", "--epochs", "1", "--out", "run"]);
        folder
    })
}

/// `name` without what no file name may hold.
fn file_name(name: &[u8], extension: &str) -> OsString {
    let kept: Vec<u8> =
        name.iter().copied().filter(|byte| !matches!(byte, 0 | b'/')).take(LONGEST_NAME).collect();
    let mut name = OsStr::from_bytes(&kept).to_owned();
    name.push(".");
    name.push(extension);
    name
}
