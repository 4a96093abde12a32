//! The program `striate`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use striate_tensor::HugePages;

#[global_allocator]
static ALLOCATOR: HugePages = HugePages;

fn main() -> ExitCode {
    striate_cli::main()
}
