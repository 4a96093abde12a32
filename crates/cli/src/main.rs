//! The program `striate`: verbs, words for people, JSON for programs. The only place that prints and
//! exits.

#![forbid(unsafe_code)]

mod adapt;
mod arguments;
mod clock;
mod json;
mod output;
mod signals;
mod verbs;
mod weights;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return output::usage(&error),
    };
    match signals::end_with_closed_pipes().map_err(Into::into).and_then(|()| verbs::run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::failure(&error),
    }
}
