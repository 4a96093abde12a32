//! Text out of a file, fit for the one line of an error; and lines that several readers say.

use std::collections::BTreeSet;

/// `text` on one line, at most 200 characters of it.
pub(crate) fn shown(text: &str) -> String {
    let line = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = text.chars().take(200).map(line).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// What a person is told of tensors that were not stored as float32, by the names of their types.
pub(crate) fn became_float32(types: &BTreeSet<&str>) -> Option<String> {
    let list: Vec<&str> = types.iter().copied().collect();
    (!list.is_empty()).then(|| format!("numbers of type {} become float32", list.join(", ")))
}
