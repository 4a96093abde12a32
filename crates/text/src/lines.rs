//! The lines of text files, each of which is a text.

use std::ops::Range;

use striate_tensor::{Error, Result};

/// The mark of UTF-8 that some programs write first.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Where a line lies in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// Its bytes, without the end of the line.
    pub range: Range<usize>,
}

/// Returns the lines of a file that are not blank.
pub fn lines(file: &[u8]) -> impl Iterator<Item = Line> {
    let mut start = 0;
    let ranges = file.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let begin = start + if start == 0 && line.starts_with(MARK) { MARK.len() } else { 0 };
        start += line.len();
        let ending = if line.ends_with(b"\r\n") { 2 } else { usize::from(line.ends_with(b"\n")) };
        begin..start - ending
    });
    let lines = (1..).zip(ranges).map(|(number, range)| Line { number, range });
    lines.filter(|line| !file[line.range.clone()].trim_ascii().is_empty())
}

/// Returns a line as text.
///
/// # Errors
/// If it is not UTF-8.
pub fn decode(line: &[u8]) -> Result<&str> {
    std::str::from_utf8(line).map_err(|e| {
        let place = e.valid_up_to() + 1;
        Error::input(format!("is not UTF-8 (byte {place} of the line); convert the file to UTF-8"))
    })
}

/// Returns the text and the label of a line `text<TAB>label`; a text may contain tabs.
///
/// # Errors
/// If the line has no tab, or its text or label is empty.
pub fn labeled(line: &str) -> Result<(&str, &str)> {
    let (text, label) = line
        .rsplit_once('\t')
        .ok_or_else(|| Error::input("has no tab; each line is a text, a tab and its label"))?;
    match (text.trim().is_empty(), label.trim()) {
        (true, _) => Err(Error::input("the text before the tab is empty")),
        (_, "") => Err(Error::input("the label after the last tab is empty")),
        (_, label) => Ok((text, label)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str) -> Vec<(usize, &str)> {
        lines(file.as_bytes()).map(|line| (line.number, &file[line.range])).collect()
    }

    #[test]
    fn blank_lines_and_line_ends_are_left_out() {
        assert_eq!(found("\u{feff}one\r\n\n \t\r\ntwo\nthree"), [(1, "one"), (4, "two"), (5, "three")]);
        assert_eq!(found("\n\u{feff}a\r"), [(2, "\u{feff}a\r")]);
        assert_eq!(found(""), []);
        assert_eq!(found("\u{feff}"), []);
    }

    #[test]
    fn the_last_tab_separates_text_and_label() {
        assert_eq!(labeled("a\tb c\t x ").unwrap(), ("a\tb c", "x"));
        for (line, reason) in [("a b", "no tab"), ("a\t ", "label after"), (" \tx", "text before")] {
            assert!(labeled(line).unwrap_err().to_string().contains(reason));
        }
        assert!(decode(b"ab\xff").unwrap_err().to_string().contains("byte 3 of the line"));
    }
}
