//! Whole command lines on a file with an arbitrary name and content: everything that prints.
//!
//! The input is `kind`, a file name up to the first newline, and the file's content. A finding is, besides a panic
//! and a hang, an exit code other than 0 and 2, a control character or bidirectional override on stdout or stderr,
//! an error of more than one line, or, with `--json`, anything on stdout but one JSON object.

#![no_main]

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::{env, fs, process};

use gag::BufferRedirect;
use libfuzzer_sys::fuzz_target;

/// The endings by which files are told apart, with the command lines that read such a file. `FILE` is its path and
/// `OUT` a path in the same folder.
const KINDS: &[(&str, &[&[&str]])] = &[
    ("toml", &[&["inspect", "FILE"], &["inspect", "FILE", "--layers"], &["inspect", "FILE", "--json"]]),
    ("toml", &[&["train", "--recipe", "FILE", "--data", "npy:missing"]]),
    ("safetensors", &[&["inspect", "FILE"], &["inspect", "FILE", "--json"], &["verify", "FILE"]]),
    ("safetensors", &[&["convert", "FILE", "OUT.pth"], &["convert", "FILE", "OUT.onnx", "--json"]]),
    ("pth", &[&["inspect", "FILE"], &["convert", "FILE", "OUT.safetensors"]]),
    ("onnx", &[&["inspect", "FILE"], &["inspect", "FILE", "--json"], &["convert", "FILE", "OUT.safetensors"]]),
    ("caffemodel", &[&["inspect", "FILE"], &["convert", "FILE", "OUT.safetensors"]]),
    ("npy", &[&["run", "lenet5", "--input", "FILE", "--output", "OUT.npy"]]),
    ("png", &[&["predict", "MODEL", "FILE"], &["predict", "MODEL", "FILE", "--csv", "OUT.csv", "--json"]]),
];

/// Longest file name, in bytes.
const LONGEST_NAME: usize = 120;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let (extension, commands) = KINDS[usize::from(*kind) % KINDS.len()];
    let at = rest.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (name, content) = rest.split_at(at);
    let folder = folder();
    let file = folder.join(file_name(name, extension));
    if fs::write(&file, content).is_err() {
        return;
    }
    for command in commands {
        check(command, &file, folder);
    }
    let _ = fs::remove_file(file);
});

/// A folder of this process, with a small model in it.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = env::temp_dir().join(format!("striate-fuzz-{}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the temporary folder can be written");
        env::set_current_dir(&folder).expect("the folder exists");
        let arguments = ["striate", "train", "--epochs", "1", "--out", "run"].map(OsString::from);
        assert_eq!(striate_cli::run(arguments), ExitCode::SUCCESS);
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

/// Runs `command` and checks all that it prints.
fn check(command: &[&str], file: &Path, folder: &Path) {
    let mut arguments = vec![OsString::from("striate")];
    arguments.extend(command.iter().map(|word| match *word {
        "FILE" => file.into(),
        "MODEL" => folder.join("run/last.safetensors").into(),
        word if word.starts_with("OUT") => folder.join(word).into(),
        word => word.into(),
    }));
    let [mut stdout, mut stderr] = [BufferRedirect::stdout(), BufferRedirect::stderr()]
        .map(|redirect| redirect.expect("the streams are redirected once at a time"));
    let code = striate_cli::run(arguments);
    let (mut printed, mut reported) = (String::new(), String::new());
    stdout.read_to_string(&mut printed).expect("stdout is UTF-8");
    stderr.read_to_string(&mut reported).expect("stderr is UTF-8");
    drop((stdout, stderr));
    for text in [&printed, &reported] {
        let odd = text.chars().find(|c| (c.is_control() && *c != '\n') || is_override(*c));
        assert!(odd.is_none(), "{command:?} prints {odd:?}: {text:?}");
    }
    let errors = reported.lines().filter(|line| line.starts_with("error: ")).count();
    match code == ExitCode::SUCCESS {
        true if command.contains(&"--json") => {
            let value: serde_json::Value = serde_json::from_str(&printed).expect("stdout is one JSON object");
            assert!(value.is_object(), "{printed}");
        }
        true => {}
        false => {
            assert!(code == ExitCode::from(2), "{command:?} ends with {code:?}: {reported}");
            assert!(errors == 1 && reported.ends_with('\n'), "{command:?}: {reported:?}");
            assert!(printed.is_empty(), "{command:?} fails, but prints {printed:?}");
        }
    }
}

/// Whether `c` changes the direction of the text around it.
fn is_override(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
}
