//! Writes the small crafted files as seeds for the fuzzer: `seeds FOLDER`, with a subfolder for each target. The
//! targets that run command lines get the same files, preceded by the bytes that select their kind.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::{env, fs, io};

use striate_hostile::{TARGETS, cases};

/// Largest size of a seed; larger files slow the fuzzer down and add little.
const MAX_SEED: usize = 4096;

/// Targets that run command lines; the first bytes of an input, which name the kind of file and, for command lines, the
/// file; and the target whose files follow.
const COMMANDS: [(&str, &[u8], &str); 12] = [
    ("command_line", b"\x00a\n", "network"),
    ("command_line", b"\x01a\n", "recipe"),
    ("command_line", b"\x02a\n", "model"),
    ("command_line", b"\x03a\n", "safetensors"),
    ("command_line", b"\x04a\n", "pth"),
    ("command_line", b"\x05a\n", "onnx"),
    ("command_line", b"\x06a\n", "caffemodel"),
    ("command_line", b"\x07a\n", "npy"),
    ("command_line", b"\x08a\n", "image"),
    ("run_folder", b"\x00", "recipe"),
    ("run_folder", b"\x01", "network"),
    ("run_folder", b"\x04", "safetensors"),
];

fn main() -> io::Result<()> {
    let Some(folder) = env::args_os().nth(1) else {
        return Err(io::Error::other("usage: seeds FOLDER"));
    };
    let readers = TARGETS.iter().map(|target| (target.name, &b""[..], target.name));
    for (target, start, files) in readers.chain(COMMANDS) {
        let folder = PathBuf::from(&folder).join(target);
        fs::create_dir_all(&folder)?;
        let small = cases(files).into_iter().filter(|case| case.bytes.len() <= MAX_SEED);
        for (number, case) in small.enumerate() {
            fs::write(folder.join(format!("{files}-{number}")), [start, &case.bytes].concat())?;
        }
    }
    Ok(())
}
