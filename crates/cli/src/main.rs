//! The program `striate`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    striate_cli::main()
}
