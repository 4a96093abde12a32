//! The error type of the whole workspace, and the hint that names the nearest valid word.

use std::fmt::Display;
use std::path::Path;

/// What went wrong, split by whose turn it is to act.
///
/// Every message is one line: what, where, and what to do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The user's input is at fault (a flag, a name, a file's content): exit code 2.
    #[error("{0}")]
    Input(String),
    /// The job failed though the input was good (disk full, numbers diverged): exit code 1.
    #[error("{0}")]
    Failed(String),
}

/// A result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Bad usage or bad input: exit code 2.
    pub fn input(message: impl Into<String>) -> Self {
        Error::Input(message.into())
    }

    /// A job that could not be finished: exit code 1.
    pub fn failed(message: impl Into<String>) -> Self {
        Error::Failed(message.into())
    }

    /// A file that could not be opened or read.
    pub fn read(path: &Path, cause: impl Display) -> Self {
        Error::Input(format!("cannot read {}: {cause}", path.display()))
    }

    /// A file that could not be written.
    pub fn write(path: &Path, cause: impl Display) -> Self {
        Error::Failed(format!("cannot write {}: {cause}", path.display()))
    }

    /// Whether the user's input is at fault.
    pub fn is_input(&self) -> bool {
        matches!(self, Error::Input(_))
    }

    /// The same error with `place: ` put before its message.
    #[must_use]
    pub fn at(self, place: impl Display) -> Self {
        match self {
            Error::Input(message) => Error::Input(format!("{place}: {message}")),
            Error::Failed(message) => Error::Failed(format!("{place}: {message}")),
        }
    }
}

/// The candidate nearest to `word` by edit distance, if it is near enough to be what was meant.
///
/// ```
/// assert_eq!(striate_tensor::nearest("lenet", ["lenet5", "alexnet"]), Some("lenet5"));
/// assert_eq!(striate_tensor::nearest("zebra", ["lenet5", "alexnet"]), None);
/// ```
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (edit_distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance in characters, one row of the table at a time.
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
