//! Checks the syntax of TOML before it is parsed.
//!
//! The TOML library continues after an error, and each part of a dotted key becomes a table of more than a kilobyte,
//! even an empty part. Without this check, a file of dots would take over 1,000 times its size in memory.

use striate_tensor::{Error, Result};
use toml_parser::parser::{EventReceiver, RecursionGuard, parse_document};
use toml_parser::{ErrorSink, ParseError, Source, Span};

/// Limit on the dots in the keys of a text.
const MAX_DOTS: usize = 1024;
/// Limit on the depth of nested lists and tables; that of the TOML library.
const MAX_DEPTH: u32 = 80;

/// Checks that `text` is TOML with few dotted keys.
///
/// # Errors
/// If it is not; the message starts with the line of the first error.
pub fn check_toml(text: &str) -> Result<()> {
    let tokens = Source::new(text).lex().into_vec();
    let mut dots = Dots::default();
    let mut error = None::<ParseError>;
    parse_document(&tokens, &mut RecursionGuard::new(&mut dots, MAX_DEPTH), &mut error);
    let at = |start: usize| {
        let before = &text.as_bytes()[..start.min(text.len())];
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    };
    if let Some(start) = dots.excess {
        let what = format!("more than {MAX_DOTS} dots in keys; write tables instead");
        return Err(Error::input(format!("line {}: {what}", at(start))));
    }
    match error {
        None => Ok(()),
        Some(error) => {
            let start = error.unexpected().or(error.context()).map_or(0, |span| span.start());
            Err(Error::input(format!("line {}: {}", at(start), error.description())))
        }
    }
}

/// Counts the dots in keys.
#[derive(Default)]
struct Dots {
    count: usize,
    /// Position of the first one above the limit.
    excess: Option<usize>,
}

impl EventReceiver for Dots {
    fn key_sep(&mut self, span: Span, _error: &mut dyn ErrorSink) {
        self.count += 1;
        if self.count == MAX_DOTS + 1 {
            self.excess = Some(span.start());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_error_is_reported_with_its_line() {
        for (text, expected) in [
            ("a = 1\nb = [1, 2", "line 2: "),
            ("\n\nc", "line 3: "),
            ("[a\nb = 1", "line 1: "),
            (&format!("a = 1\nb{} = 1", ".a".repeat(MAX_DOTS + 1)), "line 2: more than 1024 dots in keys"),
            (&format!("a = {}", "[".repeat(100_000)), "line 1: "),
        ] {
            let error = check_toml(text).unwrap_err();
            assert!(error.is_input() && error.to_string().starts_with(expected), "{error}");
        }
        check_toml("a.b = 1.5\n[c]\nd = 'x.y.z'\n").unwrap();
    }
}
