//! Formats text from files for messages, and notes that several readers share.

use std::collections::BTreeSet;

use striate_tensor::text::is_unprintable;

/// Returns `text` on one line, its first 200 characters.
pub(crate) fn shown(text: &str) -> String {
    let line = |c: char| if is_unprintable(c) { ' ' } else { c };
    let mut short: String = text.chars().take(200).map(line).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Returns the note on tensors that were not stored as float32, listing their types.
pub(crate) fn became_float32(types: &BTreeSet<&str>) -> Option<String> {
    let list: Vec<&str> = types.iter().copied().collect();
    (!list.is_empty()).then(|| format!("converted {} to float32", list.join(", ")))
}
