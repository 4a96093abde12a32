//! Usage errors, on one line each: what is wrong, and what to do.

use std::ffi::OsString;
use std::io::Write;
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};
use std::process::ExitCode;

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use striate_tensor::text::printable;

use crate::arguments::command;
use crate::output::failure;

/// Flags that exclude others, with the reason.
const EXCLUSIVE: [(&str, &str); 3] = [
    (
        "--resume",
        "which takes the run's own recipe; only --epochs, --steps, --cache, --threads, --device and --precision may differ",
    ),
    ("--text", "which only prints the network"),
    ("--dry-run", "which writes nothing"),
];

/// Prints the usage error of the command line `arguments` on one line, or the requested help, and returns
/// the exit code.
pub fn report(error: &Error, arguments: &[OsString]) -> ExitCode {
    let missing = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if missing || matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let printed = error.print().and_then(|()| std::io::stdout().flush());
        return match printed {
            Err(e) if !missing && e.kind() != std::io::ErrorKind::BrokenPipe => {
                failure(&striate_tensor::Error::failed(format!("cannot write to stdout: {e}")).into())
            }
            _ => ExitCode::from(if missing { 2 } else { 0 }),
        };
    }
    eprintln!("error: {}", printable(&line(error, arguments)));
    ExitCode::from(2)
}

/// Formats the error on one line.
fn line(error: &Error, arguments: &[OsString]) -> String {
    let one = |kind| texts(error, kind).into_iter().next().unwrap_or_default();
    let (flag, value) = (name(&one(ContextKind::InvalidArg)), one(ContextKind::InvalidValue));
    let help = format!("see {} --help", called(arguments));
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let wrong = one(ContextKind::InvalidSubcommand);
            if wrong.starts_with('-') {
                return format!("unexpected flag {wrong}; see striate --help");
            }
            format!("unknown command {wrong}; {}", near(error, ContextKind::SuggestedSubcommand, &help))
        }
        ErrorKind::UnknownArgument if flag.starts_with('-') => {
            format!("unknown flag {flag}; {}", near(error, ContextKind::SuggestedArg, &help))
        }
        ErrorKind::UnknownArgument => format!("unexpected argument {flag}; {help}"),
        ErrorKind::InvalidValue if value.is_empty() => format!("{flag}: a value is required; {help}"),
        ErrorKind::InvalidValue => {
            let valid = format!("use {}", texts(error, ContextKind::ValidValue).join(", "));
            format!("{flag}: unknown value {value}; {}", near(error, ContextKind::SuggestedValue, &valid))
        }
        ErrorKind::ValueValidation => {
            let wrong = wrong_value(error);
            let place = format!("{flag} {value}: {wrong}");
            // Errors of this crate's parsers state what to do.
            if wrong.starts_with("expected ") || wrong.starts_with("must ") {
                place
            } else {
                format!("{place}; {help}")
            }
        }
        ErrorKind::ArgumentConflict => conflict(&flag, &texts(error, ContextKind::PriorArg)),
        ErrorKind::MissingRequiredArgument => {
            let missing = texts(error, ContextKind::InvalidArg);
            let missing: Vec<&str> = missing.iter().map(|text| text.trim()).collect();
            format!("{} missing; {help}", is_or_are(&missing.join(", "), missing.len()))
        }
        ErrorKind::InvalidUtf8 => {
            let wrong: Vec<_> = arguments.iter().filter(|argument| argument.to_str().is_none()).collect();
            let named: Vec<_> = wrong.iter().map(|argument| argument.to_string_lossy()).collect();
            format!("{} not UTF-8; rename the file", is_or_are(&named.join(", "), wrong.len()))
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            format!("{}; {help}", first.trim_start_matches("error: "))
        }
    }
}

/// Returns what is wrong with the value of a flag.
fn wrong_value(error: &Error) -> String {
    let cause = std::error::Error::source(error);
    let integer = cause.and_then(|cause| cause.downcast_ref::<ParseIntError>()).map(ParseIntError::kind);
    match (integer, cause) {
        // Whole numbers without a parser of this crate are of type u64 or, equally wide, usize.
        (Some(IntErrorKind::PosOverflow), _) => format!("must be at most {}", u64::MAX),
        (None, Some(cause)) if cause.is::<ParseFloatError>() => "must be a number".to_owned(),
        (None, Some(cause)) => cause.to_string(),
        _ => "must be a whole number, 0 or more".to_owned(),
    }
}

/// Returns the error about flags that exclude each other.
fn conflict(flag: &str, others: &[String]) -> String {
    let others: Vec<String> = others.iter().map(|other| name(other)).collect();
    let reason = EXCLUSIVE.iter().find_map(|(exclusive, reason)| match flag == *exclusive {
        true => others.first().map(|other| (other.as_str(), *exclusive, *reason)),
        false => others.iter().any(|other| other == exclusive).then_some((flag, *exclusive, *reason)),
    });
    match reason {
        Some((flag, exclusive, reason)) => format!("{flag} cannot be used with {exclusive}, {reason}"),
        None if others.iter().any(|other| other == flag) => format!("{flag} is given twice; give it once"),
        None => format!("{flag} cannot be used with {}; omit one of them", others.join(", ")),
    }
}

/// Returns the suggestion in `error`, or else `otherwise`.
fn near(error: &Error, kind: ContextKind, otherwise: &str) -> String {
    // The best one is last.
    match texts(error, kind).last() {
        Some(near) => format!("did you mean {near}?"),
        None => otherwise.to_owned(),
    }
}

fn is_or_are(what: &str, count: usize) -> String {
    format!("{what} {}", if count == 1 { "is" } else { "are" })
}

/// Returns the flag's name without its value, or the positional argument's name without brackets.
fn name(argument: &str) -> String {
    let argument = argument.trim();
    match argument.starts_with('-') {
        true => argument.split([' ', '=']).next().unwrap_or_default().to_owned(),
        false => argument.trim_matches(['[', ']', '<', '>', '.']).to_owned(),
    }
}

/// Returns the command that was called, such as `striate train`.
fn called(arguments: &[OsString]) -> String {
    let mut command = command();
    let mut name = command.get_name().to_owned();
    for word in arguments.iter().skip(1) {
        let Some(below) = command.find_subcommand(word) else { break };
        name += &format!(" {}", below.get_name());
        command = below.clone();
    }
    name
}

/// Returns the texts in `error` of this `kind`.
fn texts(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => vec![],
    }
}
