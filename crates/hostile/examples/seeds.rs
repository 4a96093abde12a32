//! Writes the small crafted files as first inputs of the fuzzer: `seeds FOLDER`, a folder in it for each target.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::{env, fs, io};

use striate_hostile::{TARGETS, cases};

/// Larger files slow the fuzzer down and teach it little.
const LARGEST: usize = 4096;

fn main() -> io::Result<()> {
    let Some(folder) = env::args_os().nth(1) else {
        return Err(io::Error::other("name the folder that the seeds go to"));
    };
    for target in TARGETS {
        let folder = PathBuf::from(&folder).join(target.name);
        fs::create_dir_all(&folder)?;
        let small = cases(target.name).into_iter().filter(|case| case.bytes.len() <= LARGEST);
        for (number, case) in small.enumerate() {
            fs::write(folder.join(format!("seed-{number}")), case.bytes)?;
        }
    }
    Ok(())
}
