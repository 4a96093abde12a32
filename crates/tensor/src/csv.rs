//! Comma-separated values that a spreadsheet shows and never runs.

use crate::text::printable;

/// A cell of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Text from outside, always quoted.
    Text(String),
    /// A figure or a fixed word of the program's, as it is.
    Plain(String),
    /// Nothing.
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

/// Returns `text` as a quoted cell. Control characters are replaced; what a spreadsheet would take for a
/// formula (it begins with `=`, `+`, `-`, `@`, a tab or a carriage return) gets an apostrophe before it,
/// which makes it text.
fn quoted(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let mark = if is_formula { "'" } else { "" };
    format!("\"{mark}{}\"", printable(text).replace('"', "\"\""))
}

/// Returns the cells as a line, its line break included.
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
    fn figures_stay_figures() {
        let cells = [Cell::Plain("-1.5".into()), Cell::Empty, Cell::Text("x".into())];
        assert_eq!(row(&cells), "-1.5,,\"x\"\n");
    }
}
