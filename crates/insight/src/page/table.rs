//! Tables.

use super::{escaped, scrolling};

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column<'a> {
    /// The heading.
    pub title: &'a str,
    /// Whether it contains numbers, which are aligned at the right.
    pub is_number: bool,
}

impl<'a> Column<'a> {
    /// A column of text.
    pub const fn text(title: &'a str) -> Column<'a> {
        Column { title, is_number: false }
    }

    /// A column of numbers.
    pub const fn number(title: &'a str) -> Column<'a> {
        Column { title, is_number: true }
    }
}

/// Returns a table whose cells are text; the first cell of a row names it. `class` is that of the CSS.
pub fn table(
    class: &str,
    caption: &str,
    columns: &[Column<'_>],
    rows: impl Iterator<Item = Vec<String>>,
) -> String {
    let kind = |column: &Column<'_>| if column.is_number { " class=\"number\"" } else { "" };
    let head: String = columns
        .iter()
        .map(|column| format!("<th scope=\"col\"{}>{}</th>", kind(column), escaped(column.title)))
        .collect();
    let cell = |(index, (column, text)): (usize, (&Column<'_>, &String))| match index {
        0 => format!("<th scope=\"row\">{}</th>", escaped(text)),
        _ => format!("<td{}>{}</td>", kind(column), escaped(text)),
    };
    let row = |row: Vec<String>| {
        let cells: String = columns.iter().zip(&row).enumerate().map(cell).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = rows.map(row).collect();
    let caption_text = escaped(caption);
    scrolling(
        caption,
        &format!(
            "<table class=\"{class}\">\n<caption>{caption_text}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>"
        ),
    )
}
