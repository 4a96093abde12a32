//! Text out of a file, fit for the one line of an error.

/// `text` on one line, at most 200 characters of it.
pub(crate) fn shown(text: &str) -> String {
    let line = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = text.chars().take(200).map(line).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
