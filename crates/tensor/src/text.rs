//! Makes untrusted text safe to display: file names, names from files, messages from libraries.

use std::borrow::Cow;
use std::path::Path;

/// Returns whether `c` would control the terminal or reorder the text around it instead of being displayed:
/// control characters, line and paragraph separators, bidirectional embeddings, overrides and isolates.
pub fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns `text` as one line that is safe on a terminal: tabs and line breaks become spaces, everything
/// else that is unprintable ([`is_unprintable`]) becomes `\u{fffd}`.
///
/// ```
/// assert_eq!(striate_tensor::text::printable("a\n\u{1b}[2Jb"), "a \u{fffd}[2Jb");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| match c {
        '\t' | '\n' | '\r' => ' ',
        c if is_unprintable(c) => '\u{fffd}',
        c => c,
    };
    Cow::Owned(text.chars().map(shown).collect())
}

/// Returns `path` as [`printable`] text; bytes that are not UTF-8 become `\u{fffd}`.
pub fn printable_path(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

/// Returns `text` with at most `most` characters: the middle of longer text is replaced by `…`.
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    // Text has at most as many characters as bytes.
    let count = if text.len() <= most { 0 } else { text.chars().count() };
    if count <= most {
        return Cow::Borrowed(text);
    }
    let half = most / 2;
    let (first, last) = (text.chars().take(most - half - 1), text.chars().skip(count - half));
    Cow::Owned(first.chain(['…']).chain(last).collect())
}

/// The maximum width of a table cell in characters; files may hold names of any length.
pub const WIDEST_CELL: usize = 100;

/// Returns `text` as a cell of a table: [`printable`] and at most [`WIDEST_CELL`] characters long.
pub fn cell(text: &str) -> String {
    shortened(&printable(text), WIDEST_CELL).into_owned()
}

/// Returns `number` with commas between groups of three digits: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let comma = |i: usize| if i > 0 && (digits.len() - i).is_multiple_of(3) { "," } else { "" };
    digits.char_indices().map(|(i, digit)| format!("{}{digit}", comma(i))).collect()
}

/// Returns `count` with `noun`, a regular English noun in the singular: `1 class`, `1,000 classes`.
pub fn counted(count: usize, noun: &str) -> String {
    let plural = match count {
        1 => "",
        _ if noun.ends_with(['s', 'x']) => "es",
        _ => "s",
    };
    format!("{} {noun}{plural}", grouped(count as u64))
}

/// Returns `text` followed by spaces up to `width` characters. Unlike a width in a format string, which
/// panics above 65,535, any width is allowed.
pub fn pad(text: &str, width: usize) -> String {
    text.to_owned() + &filler(text, width)
}

/// Returns `text` preceded by spaces up to `width` characters, like [`pad`].
pub fn pad_left(text: &str, width: usize) -> String {
    filler(text, width) + text
}

fn filler(text: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(text.chars().count()))
}

/// Serde's description of a list of a fixed length, without the length.
const ARRAY: &str = "an array of length ";

/// Returns the word and the list of a message such as "unknown variant `a`, expected one of `b`, `c`".
fn unknown_variant(message: &str) -> Option<(&str, String)> {
    let (word, known) = message.strip_prefix("unknown variant `")?.split_once("`, expected ")?;
    Some((word, known.trim_start_matches("one of ").replace('`', "").replace(" or ", ", ")))
}

/// Whether serde's `expected` is a table.
fn is_table(expected: &str) -> bool {
    expected.starts_with("struct ") || expected.contains("tagged enum ")
}

/// Rewords a message of serde about the value of the field `name`, for a reader who does not know Rust.
///
/// ```
/// use striate_tensor::text::reword;
///
/// let line = reword("invalid value: integer `-4`, expected usize", "groups");
/// assert_eq!(line, "groups must not be negative, but is -4");
/// ```
pub fn reword(message: &str, name: &str) -> String {
    // Errors of JSON end with their position.
    if let Some((message, position)) = message.rsplit_once(" at line ") {
        return format!("{} (line {position})", reword(message, name));
    }
    if let Some((word, known)) = unknown_variant(message) {
        return format!("unknown {} {word}; choose from {known}", name.strip_prefix("a ").unwrap_or(name));
    }
    if let Some((length, expected)) =
        message.strip_prefix("invalid length ").and_then(|m| m.split_once(", expected "))
    {
        return match expected.strip_prefix(ARRAY) {
            Some(expected) => format!("{name} must be a list of {expected} values, but has {length}"),
            None if is_table(expected) => format!("{name} must be a table, but is a list"),
            None => message.to_owned(),
        };
    }
    let found = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    let Some((found, expected)) = found.and_then(|found| found.split_once(", expected ")) else {
        let is_about_value = message.starts_with("must ") || message.starts_with("has ");
        return if is_about_value { format!("{name} {message}") } else { message.to_owned() };
    };
    let value = match found {
        "sequence" => "a list",
        "map" => "a table",
        _ if found.starts_with("string ") => &found["string ".len()..],
        // A number or a word between backquotes.
        _ => found.split('`').nth(1).unwrap_or(found),
    };
    let is_unsigned = matches!(expected, "usize" | "u64" | "u32" | "u16" | "u8");
    let wanted = match expected {
        _ if is_unsigned && found.starts_with("integer `-") => "not be negative",
        "u8" => "be a whole number from 0 to 255",
        "isize" | "i64" | "i32" | "i16" | "i8" => "be a whole number",
        _ if is_unsigned => "be a whole number",
        "f32" | "f64" => "be a number",
        "a boolean" => "be true or false",
        "a string" => "be a string",
        "a sequence" => "be a list",
        _ if is_table(expected) => "be a table",
        "any valid TOML value" => return format!("{name} is too large: {value}"),
        _ if expected.starts_with(ARRAY) => {
            return format!("{name} must be a list of {} values, but is {value}", &expected[ARRAY.len()..]);
        }
        other => return format!("{name} must be {other}, but is {value}"),
    };
    format!("{name} must {wanted}, but is {value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_control_characters_are_replaced() {
        for (text, expected) in [
            ("plain ä 日本 🙂\u{200d}", "plain ä 日本 🙂\u{200d}"),
            ("a\tb\r\nc", "a b  c"),
            ("\u{1b}]0;title\u{7}", "\u{fffd}]0;title\u{fffd}"),
            ("\u{7f}\u{9b}31m", "\u{fffd}\u{fffd}31m"),
            ("photo\u{202e}gnp.exe\u{2066}", "photo\u{fffd}gnp.exe\u{fffd}"),
            ("one\u{2028}two", "one\u{fffd}two"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }

    #[cfg(unix)]
    #[test]
    fn non_utf_8_path_is_shown_with_replacements() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"a\xff\x1b.png"));
        assert_eq!(printable_path(path), "a\u{fffd}\u{fffd}.png");
    }

    #[test]
    fn messages_of_serde_are_reworded() {
        for (message, name, expected) in [
            ("invalid type: string \"x\", expected f32", "lr", "lr must be a number, but is \"x\""),
            (
                "invalid type: map, expected a string at line 2 column 9",
                "name",
                "name must be a string, but is a table (line 2 column 9)",
            ),
            ("invalid type: integer `3`, expected struct Part", "part", "part must be a table, but is 3"),
            (
                "invalid length 1, expected an array of length 2",
                "size",
                "size must be a list of 2 values, but has 1",
            ),
            (
                "invalid type: integer `3`, expected an array of length 2",
                "size",
                "size must be a list of 2 values, but is 3",
            ),
            ("unknown variant `c`, expected one of `a`, `b`", "init", "unknown init c; choose from a, b"),
            (
                "unknown variant `c`, expected `a` or `b` at line 4 column 1",
                "a value",
                "unknown value c; choose from a, b (line 4 column 1)",
            ),
            (
                "invalid length 0, expected struct Form with 4 elements",
                "a value",
                "a value must be a table, but is a list",
            ),
            (
                "invalid type: integer `3`, expected internally tagged enum Step",
                "steps",
                "steps must be a table, but is 3",
            ),
            (
                "invalid type: integer `99999999999999999999` as i128, expected any valid TOML value",
                "a value",
                "a value is too large: 99999999999999999999",
            ),
            ("must be odd", "side", "side must be odd"),
            ("missing field `a`", "a value", "missing field `a`"),
        ] {
            assert_eq!(reword(message, name), expected);
        }
    }

    #[test]
    fn counts_agree_with_their_nouns() {
        let counts = [counted(0, "file"), counted(1, "class"), counted(1000, "class"), counted(2, "value")];
        assert_eq!(counts, ["0 files", "1 class", "1,000 classes", "2 values"]);
        assert_eq!([0, 999, 61_706, 1_000_000].map(grouped), ["0", "999", "61,706", "1,000,000"]);
    }

    #[test]
    fn padding_is_not_limited_in_width() {
        assert_eq!((pad("ä", 3), pad_left("ä", 3)), ("ä  ".into(), "  ä".into()));
        assert_eq!((pad("long", 2), pad_left("long", 2)), ("long".into(), "long".into()));
        assert_eq!(pad("a", 100_000).len(), 100_000);
    }
}
