//! Writes the small crafted files as seeds for the fuzzer: `seeds FOLDER`, with a subfolder for each target.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::{env, fs, io};

use striate_hostile::{TARGETS, cases};

/// Largest size of a seed; larger files slow the fuzzer down and add little.
const MAX_SEED: usize = 4096;

fn main() -> io::Result<()> {
    let Some(folder) = env::args_os().nth(1) else {
        return Err(io::Error::other("usage: seeds FOLDER"));
    };
    for target in TARGETS {
        let folder = PathBuf::from(&folder).join(target.name);
        fs::create_dir_all(&folder)?;
        let small = cases(target.name).into_iter().filter(|case| case.bytes.len() <= MAX_SEED);
        for (number, case) in small.enumerate() {
            fs::write(folder.join(format!("seed-{number}")), case.bytes)?;
        }
    }
    Ok(())
}
