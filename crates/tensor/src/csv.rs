//! Comma-separated values that a spreadsheet displays and never evaluates.

use crate::text::printable;

/// A cell of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Untrusted text, always quoted.
    Text(String),
    /// A number or one of the program's own words, written unquoted.
    Plain(String),
    /// An empty cell.
    Empty,
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Cell::Text(text) => quoted(text),
            Cell::Plain(text) => text.clone(),
            Cell::Empty => String::new(),
        }
    }
}

/// Returns `text` as a quoted cell. Control characters are replaced; text that a spreadsheet would
/// take for a formula (it begins with `=`, `+`, `-`, `@`, a tab or a carriage return) is prefixed with an
/// apostrophe, which makes it plain text.
fn quoted(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let mark = if is_formula { "'" } else { "" };
    format!("\"{mark}{}\"", printable(text).replace('"', "\"\""))
}

/// Returns the cells as one line, including the line break.
pub fn row(cells: &[Cell]) -> String {
    let cells: Vec<String> = cells.iter().map(Cell::text).collect();
    cells.join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_and_never_a_formula() {
        for (text, expected) in [
            ("a, \"b\"", r#""a, ""b""""#),
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"' =1\""),
            ("\r=1", "\"' =1\""),
            ("a=1\n\u{1b}[2J", "\"a=1 \u{fffd}[2J\""),
        ] {
            assert_eq!(row(&[Cell::Text(text.into())]), expected.to_owned() + "\n");
        }
    }

    #[test]
    fn plain_cells_are_not_quoted() {
        let cells = [Cell::Plain("-1.5".into()), Cell::Empty, Cell::Text("x".into())];
        assert_eq!(row(&cells), "-1.5,,\"x\"\n");
    }
}
