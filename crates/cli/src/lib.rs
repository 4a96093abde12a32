//! The command line of Striate: its verbs, with output for people and JSON for programs. Only this crate prints and
//! exits. It is a library as well as a program, so that fuzzing can run whole command lines in one process.

#![forbid(unsafe_code)]

#[macro_use]
mod print;

mod adapt;
mod arguments;
mod clock;
mod device;
mod effect;
mod json;
mod measured;
mod output;
mod outputs;
mod progress;
mod reading;
mod sample;
mod signals;
mod usage;
mod verbs;
mod weights;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::FromArgMatches;

use crate::arguments::Arguments;

/// Sets up the process as a program, then runs its command line.
pub fn main() -> ExitCode {
    match signals::end_with_closed_pipes() {
        Ok(()) => run(std::env::args_os()),
        Err(error) => output::failure(&error.into()),
    }
}

/// Runs the command line `arguments`, the first of which is the program's name. Returns 0 on success, 1 if the job
/// failed, 2 if the usage or the input is at fault. Errors are printed as one line to stderr.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut command = arguments::command();
    let parsed = command.try_get_matches_from_mut(&arguments);
    match parsed.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => {
            let done = verbs::run(arguments);
            let printed = print::finish();
            match done.and_then(|()| Ok(printed?)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => output::failure(&error),
            }
        }
        Err(error) => usage::report(&error, &arguments),
    }
}
