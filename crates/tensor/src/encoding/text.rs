//! The encoding of texts: an alphabet and a length.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::{counted, printable};
use crate::{Error, Result};

/// Largest number of characters of an alphabet: the place of a character fits into a byte, beside 0 for none.
pub const MOST_CHARACTERS: usize = 255;
/// Largest length of a text in characters; more is taken for a mistake.
const LONGEST: usize = 1 << 16;

/// How a text becomes the input of a network: each character, in lower case, is a column with a one in the plane of its
/// place in the alphabet, or without one (Zhang, Zhao and LeCun, NIPS 2015, section 2.2). The columns are in reverse
/// order, and zero after the beginning of the text. Of a text with more characters, the first `length` are used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextEncoding {
    /// The characters that have a plane, in the order of the planes.
    pub alphabet: String,
    /// Number of columns.
    pub length: usize,
}

impl TextEncoding {
    /// Checks that the encoding can be applied.
    ///
    /// # Errors
    /// If a number is out of range, or the alphabet has a character twice or in upper case.
    pub fn check(&self) -> Result<()> {
        let invalid = |what: String| Err(Error::input(format!("encoding of texts: {what}")));
        let count = self.planes();
        if !(1..=MOST_CHARACTERS).contains(&count) {
            let count = counted(count, "character");
            return invalid(format!("the alphabet has {count}; it needs 1 to {MOST_CHARACTERS}"));
        }
        let mut seen = HashSet::new();
        for character in self.alphabet.chars() {
            let shown = character.escape_default();
            if !character.to_lowercase().eq([character]) {
                return invalid(format!(
                    "the alphabet has {shown}, but texts are read in lower case; use its lower case"
                ));
            }
            if !seen.insert(character) {
                return invalid(format!("the alphabet has {shown} twice; remove one"));
            }
        }
        if !(1..=LONGEST).contains(&self.length) {
            return invalid(format!("the length must be from 1 to {LONGEST} characters"));
        }
        Ok(())
    }

    /// Returns the shape `[C, H, W]` of every result: `[alphabet, 1, length]`.
    pub fn output_shape(&self) -> [usize; 3] {
        [self.planes(), 1, self.length]
    }

    /// Number of characters of the alphabet.
    fn planes(&self) -> usize {
        self.alphabet.chars().count()
    }
}

/// One line: order, length, alphabet.
impl fmt::Display for TextEncoding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "the first {} in lower case and reverse order, as planes of {}: {}",
            counted(self.length, "character"),
            counted(self.planes(), "character"),
            printable(&self.alphabet)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(alphabet: &str, length: usize) -> TextEncoding {
        TextEncoding { alphabet: alphabet.into(), length }
    }

    #[test]
    fn bad_alphabets_and_lengths_are_refused() {
        encoding("abcß\nς", 10).check().unwrap();
        let long: String = ('\u{4e00}'..).take(256).collect();
        for (alphabet, length, reason) in [
            ("", 10, "0 characters"),
            (&long, 10, "256 characters"),
            ("abA", 10, "in lower case"),
            ("aba", 10, "a twice"),
            ("ab", 0, "length"),
            ("ab", usize::MAX, "length"),
        ] {
            let error = encoding(alphabet, length).check().unwrap_err();
            assert!(error.is_input() && error.to_string().contains(reason), "{error}");
        }
        let wide: String = ('\u{4e00}'..).take(255).collect();
        encoding(&wide, 1 << 16).check().unwrap();
    }

    #[test]
    fn shape_and_words_follow_alphabet_and_length() {
        let encoding = encoding("абв", 64);
        assert_eq!(encoding.output_shape(), [3, 1, 64]);
        let words = "the first 64 characters in lower case and reverse order, as planes of 3 characters: абв";
        assert_eq!(encoding.to_string(), words);
    }
}
