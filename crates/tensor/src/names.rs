//! The rules for class names, so that every model file that is written can be read back and displayed.

use crate::text::is_unprintable;
use crate::{Error, Result};

/// The maximum length of a class name in bytes.
pub const MAX_CLASS_NAME: usize = 1000;
/// The maximum total size of a model's class names in bytes, as stored in the metadata of a model file.
pub const MAX_CLASS_NAMES: usize = 64 << 20;

/// Refuses class names that a model file could not store: those with characters that cannot be displayed,
/// such as control characters and bidirectional overrides, those longer than [`MAX_CLASS_NAME`], and those
/// that exceed [`MAX_CLASS_NAMES`] together.
///
/// # Errors
/// If one of `names` is refused; the message names it.
pub fn check_class_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut total = 0usize;
    for (class, name) in names.into_iter().enumerate() {
        if let Some(c) = name.chars().find(|c| is_unprintable(*c)) {
            let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
            return Err(Error::input(format!(
                "the name of class {class}, \"{shown}\", has the character U+{:04X}, which cannot be shown; rename it",
                u32::from(c)
            )));
        }
        if name.len() > MAX_CLASS_NAME {
            let start: String = name.chars().take(40).collect();
            return Err(Error::input(format!(
                "the name of class {class}, \"{start}…\", has {} bytes; shorten it to at most {MAX_CLASS_NAME}",
                name.len()
            )));
        }
        total += stored_bytes(name);
    }
    if total > MAX_CLASS_NAMES {
        return Err(Error::input(format!(
            "the class names take {total} bytes in a model file; shorten them to at most {MAX_CLASS_NAMES} in total"
        )));
    }
    Ok(())
}

/// Bytes of a name as an element of a JSON list that is itself a JSON string.
fn stored_bytes(name: &str) -> usize {
    name.bytes().map(|byte| if matches!(byte, b'"' | b'\\') { 4 } else { 1 }).sum::<usize>() + 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_model_file_cannot_store_are_refused() {
        let long = "é".repeat(501);
        for (name, why) in [
            ("cat\u{1b}[2J", "class 1, \"cat\\u{1b}[2J\", has the character U+001B"),
            ("cat\u{202e}god", "U+202E"),
            ("a\nb", "U+000A"),
            (long.as_str(), "has 1002 bytes"),
        ] {
            let error = check_class_names(["dog", name]).unwrap_err();
            assert!(error.is_input() && error.to_string().contains(why), "{error}");
        }
        check_class_names(["", "T-shirt/top", "éclair", &long[2..]]).unwrap();
        let many = vec!["\"".repeat(1000); 20_000];
        let error = check_class_names(many.iter().map(String::as_str)).unwrap_err().to_string();
        assert!(error.contains("take 80100000 bytes"), "{error}");
    }
}
