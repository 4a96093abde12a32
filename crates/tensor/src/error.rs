//! The error type of the whole workspace, and the search for the nearest valid word to suggest.

use std::fmt::Display;
use std::io;
use std::path::Path;

use crate::text::{printable, shortened};

/// An error, classified by who must act on it.
///
/// Every message is one line: what went wrong, where, and what to do about it. Messages quote names from
/// files, so the constructors enforce this: control characters become spaces, and the middle of a message
/// longer than 2000 characters is replaced by an ellipsis.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The user's input is wrong (a flag, a name, the contents of a file): exit code 2.
    #[error("{0}")]
    Input(String),
    /// Like [`Error::Input`], with one line for each of many problems, such as each unreadable file.
    #[error("{message}")]
    Inputs {
        /// The message, as in the other variants.
        message: String,
        /// Lines to print before the message.
        notes: Vec<String>,
    },
    /// The input was valid but the job failed (disk full, training diverged): exit code 1.
    #[error("{0}")]
    Failed(String),
}

/// A result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Creates an error for bad usage or bad input: exit code 2.
    pub fn input(message: impl Into<String>) -> Self {
        Error::Input(line(message.into()))
    }

    /// Creates an error for a job that could not be completed: exit code 1.
    pub fn failed(message: impl Into<String>) -> Self {
        Error::Failed(line(message.into()))
    }

    /// Creates an error for a file or folder that could not be opened or read.
    pub fn read(path: &Path, cause: io::Error) -> Self {
        Error::input(format!("cannot read {}: {}", path.display(), reason(&cause)))
    }

    /// Creates an error for a file that could not be written.
    pub fn write(path: &Path, cause: &io::Error) -> Self {
        Error::failed(format!("cannot write {}: {}", path.display(), reason(cause)))
    }

    /// Whether the user's input is wrong.
    pub fn is_input(&self) -> bool {
        matches!(self, Error::Input(_) | Error::Inputs { .. })
    }

    /// Returns an input error with the same message and these notes, each reduced to one line like a message.
    #[must_use]
    pub fn with_notes(self, notes: impl IntoIterator<Item = String>) -> Self {
        Error::Inputs { message: self.to_string(), notes: notes.into_iter().map(line).collect() }
    }

    /// Returns the lines to print before the message; most errors have none.
    pub fn notes(&self) -> &[String] {
        match self {
            Error::Inputs { notes, .. } => notes,
            Error::Input(_) | Error::Failed(_) => &[],
        }
    }

    /// Returns the same error with `place: ` in front of its message.
    #[must_use]
    pub fn at(self, place: impl Display) -> Self {
        match self {
            Error::Input(message) => Error::input(format!("{place}: {message}")),
            Error::Inputs { message, notes } => {
                Error::Inputs { message: line(format!("{place}: {message}")), notes }
            }
            Error::Failed(message) => Error::failed(format!("{place}: {message}")),
        }
    }

    /// Returns the same error with `; advice` appended to its message; after a question, without the
    /// semicolon.
    #[must_use]
    pub fn advising(self, advice: impl Display) -> Self {
        let advised = |message: String| {
            let separator = if message.ends_with('?') { " " } else { "; " };
            message + separator + &advice.to_string()
        };
        match self {
            Error::Input(message) => Error::input(advised(message)),
            Error::Inputs { message, notes } => Error::Inputs { message: line(advised(message)), notes },
            Error::Failed(message) => Error::failed(advised(message)),
        }
    }
}

/// Describes what the operating system reports, and what to do about it.
fn reason(cause: &io::Error) -> String {
    let text = cause.to_string();
    let is_from_system = cause.get_ref().is_none() || text.contains("(os error ");
    match cause.kind() {
        _ if !is_from_system => text,
        io::ErrorKind::NotFound => "no such file or folder; check the path".into(),
        io::ErrorKind::PermissionDenied => "permission denied; change its permissions".into(),
        io::ErrorKind::NotADirectory => "part of its path is not a folder; choose another path".into(),
        io::ErrorKind::IsADirectory => "it is a folder; choose another name".into(),
        io::ErrorKind::AlreadyExists => "something with this name exists; choose another name".into(),
        _ => text,
    }
}

/// The maximum length of a message in characters.
const LONGEST: usize = 2000;

/// Returns `message` as one line that is safe to print on a terminal.
fn line(message: String) -> String {
    shortened(&printable(&message), LONGEST).into_owned()
}

/// Returns the candidate nearest to `word` by edit distance, if it is close enough to be a likely typo. Words of one or
/// two characters are close to any other of that length, so they have none.
///
/// ```
/// assert_eq!(striate_tensor::nearest("lenet", ["lenet5", "alexnet"]), Some("lenet5"));
/// assert_eq!(striate_tensor::nearest("zebra", ["lenet5", "alexnet"]), None);
/// assert_eq!(striate_tensor::nearest("v", ["w"]), None);
/// ```
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    let limit = (length / 3).max(2);
    // The distance is at least the difference in length. Words longer than any name get no suggestion, which
    // bounds the work.
    let is_near = |other: usize| other.abs_diff(length) <= limit && other.max(length) <= LONGEST_WORD;
    candidates
        .into_iter()
        .filter(|candidate| length > 2 && is_near(candidate.chars().count()))
        .map(|candidate| (edit_distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Longer words, in characters, get no suggestion.
const LONGEST_WORD: usize = 128;

/// Computes the Levenshtein distance in characters, one row of the table at a time.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_single_lines_of_bounded_length() {
        let error = Error::input("a name\n\u{1b}[2J\u{9b}").at("fi\rle");
        assert_eq!(error.to_string(), "fi le: a name \u{fffd}[2J\u{fffd}");
        let long = Error::failed("é".repeat(5000) + "!").to_string();
        assert_eq!(long.chars().count(), 2000);
        assert!(long.starts_with("éé") && long.contains("é…é") && long.ends_with("é!"));
        let just = "x".repeat(2000);
        assert_eq!(Error::input(just.clone()).to_string(), just);
    }

    #[test]
    fn very_long_words_get_no_suggestion() {
        let long = "a".repeat(1 << 20);
        assert_eq!(nearest(&long, [long.as_str()]), None);
    }
}
