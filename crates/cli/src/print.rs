//! The `print!`, `println!`, `eprint!` and `eprintln!` of this crate, which shadow those of the standard library. The
//! latter panic if the output is full or closed, and pass everything to the terminal; these do neither.
//!
//! A failure to write to stdout is remembered until [`finish`], so that a full disk behind `> table.txt`
//! does not stop a training run. Characters that would control a terminal never reach one, wherever the
//! text is from; a caller that shows text in a table or list also uses [`striate_tensor::text::printable`],
//! because line breaks are left in place here.

use std::fmt::Arguments;
use std::io::{self, Write};
use std::sync::Mutex;

use striate_tensor::text::is_unprintable;
use striate_tensor::{Error, Result};

/// The first error of stdout in this command line.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line on stdout.
macro_rules! println {
    () => { $crate::print::line(format_args!("")) };
    ($($argument:tt)*) => { $crate::print::line(format_args!($($argument)*)) };
}

/// Prints text on stdout.
macro_rules! print {
    ($($argument:tt)*) => { $crate::print::text(&format_args!($($argument)*).to_string()) };
}

/// Prints a line on stderr.
macro_rules! eprintln {
    ($($argument:tt)*) => { $crate::print::error_line(format_args!($($argument)*)) };
}

/// Prints text on stderr.
macro_rules! eprint {
    ($($argument:tt)*) => { $crate::print::error_text(&format_args!($($argument)*).to_string()) };
}

pub(crate) fn line(arguments: Arguments<'_>) {
    text(&format!("{arguments}\n"));
}

pub(crate) fn text(text: &str) {
    bytes(shown(text).as_bytes());
}

/// Writes bytes to stdout unchanged.
pub(crate) fn bytes(bytes: &[u8]) {
    let mut failure = FAILURE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if failure.is_none() {
        *failure = io::stdout().write_all(bytes).err();
    }
}

pub(crate) fn error_line(arguments: Arguments<'_>) {
    error_text(&format!("{arguments}\n"));
}

pub(crate) fn error_text(text: &str) {
    // An error that cannot be shown here can go nowhere else; the exit code still reports it.
    let _ = io::stderr().write_all(shown(text).as_bytes());
}

/// Returns `text` without the characters that control a terminal; line breaks stay.
fn shown(text: &str) -> String {
    text.replace(|c| c != '\n' && is_unprintable(c), "\u{fffd}")
}

/// Ends the output of a command line.
///
/// # Errors
/// If something could not be written to stdout. A pipe closed by its reader is not an error.
pub(crate) fn finish() -> Result<()> {
    let failure = FAILURE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
    let failure = failure.or_else(|| io::stdout().flush().err());
    match failure.filter(|e| e.kind() != io::ErrorKind::BrokenPipe) {
        Some(e) => Err(Error::failed(format!("cannot write to stdout: {e}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn line_breaks_stay_and_terminal_controls_are_removed() {
        assert_eq!(shown("a  b\nc\u{1b}[2J\u{9b}\u{202e}\n"), "a  b\nc\u{fffd}[2J\u{fffd}\u{fffd}\n");
    }
}
