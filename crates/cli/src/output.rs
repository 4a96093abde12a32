//! Errors, tables and phrases that several verbs print.

use std::fmt;
use std::process::ExitCode;

use striate_data::Survey;
use striate_predict::Tally;
use striate_tensor::Error;
pub use striate_tensor::text::grouped;
use striate_tensor::text::{cell, pad, pad_left, printable};

/// Formats a time with as many parts as matter: `0.4 s`, `41 s`, `12 min`, `1 h 20 min`.
pub fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match seconds {
        ..9.95 => format!("{seconds:.1} s"),
        ..99.5 => format!("{seconds:.0} s"),
        _ if minutes < 100 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// Formats extents for display: `3×224×224`.
pub fn sides(extents: &[usize]) -> String {
    extents.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
}

/// The error of a command whose output already says what is wrong: only the exit code is left.
#[derive(Debug)]
pub struct Reported;

impl fmt::Display for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("errors were found")
    }
}

impl std::error::Error for Reported {}

/// Prints an error on one line and returns the exit code: 2 if the input is at fault, 1 if the job failed.
pub fn failure(error: &anyhow::Error) -> ExitCode {
    if error.is::<Reported>() {
        return ExitCode::from(1);
    }
    let own = error.downcast_ref::<Error>();
    let is_input = own.is_some_and(Error::is_input);
    own.map(Error::notes).unwrap_or_default().iter().for_each(|note| eprintln!("{note}"));
    eprintln!("error: {}", printable(&format!("{error:#}")));
    ExitCode::from(if is_input { 2 } else { 1 })
}

/// Returns columns of text, the first left-aligned, the others right-aligned; the first row is the header.
pub fn table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|text| cell(text)).collect()).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| match column {
                0 => pad(cell, *width),
                _ => pad_left(cell, *width),
            })
            .collect();
        text += &format!("  {}\n", cells.join("  ").trim_end());
    }
    text
}

/// Formats the errors in `tally`; the top-5 error only for more than five classes, since it is otherwise zero.
pub fn errors(tally: &Tally) -> String {
    let top1 = format!("error {:.2} %", tally.top1_error() * 100.0);
    match tally.classes() {
        ..=5 => top1,
        _ => format!("{top1} (top 5: {:.2} %)", tally.top5_error() * 100.0),
    }
}

/// Returns `text` as an argument of a command for the user to copy: quoted if a shell would change it.
pub fn argument(text: &str) -> String {
    let text = printable(text);
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:,=+@%\u{fffd}".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.into_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// Formats the ranges of height and width of image files.
pub fn image_sizes([[low, narrow], [high, wide]]: &[[usize; 2]; 2]) -> String {
    let range = |side: &str, from: &usize, to: &usize| match from == to {
        true => format!("{side} {from}"),
        false => format!("{side}s {from} to {to}"),
    };
    format!("image files: {}, {}", range("height", low, high), range("width", narrow, wide))
}

/// Formats `count` skipped files of this `kind`, of which `first` is one.
pub fn skipped(kind: &str, count: usize, first: &str) -> String {
    format!("skipped: {count} × {}, first {}", printable(kind), printable(first))
}

/// Returns the findings of loading a data set, one line each: notes, skipped files, and unreadable images, whose lines
/// start with `unreadable`.
pub fn survey_lines(survey: &Survey, unreadable: &str) -> Vec<String> {
    let notes = survey.notes.iter().map(|note| printable(note).into_owned());
    let skipped =
        survey.skipped.iter().map(|entry| skipped(&entry.kind, entry.count, &entry.first.to_string_lossy()));
    let images = survey.unreadable.iter().map(|(file, reason)| {
        format!("{unreadable}: {}: {}", printable(&file.to_string()), printable(reason))
    });
    notes.chain(skipped).chain(images).collect()
}

#[cfg(test)]
mod tests {
    use striate_tensor::text::WIDEST_CELL;

    use super::*;

    #[test]
    fn times_have_the_parts_that_matter() {
        for (seconds, expected) in [
            (0.44, "0.4 s"),
            (41.2, "41 s"),
            (99.4, "99 s"),
            (100.0, "2 min"),
            (5_940.0, "99 min"),
            (6_000.0, "1 h 40 min"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn arguments_are_quoted_if_a_shell_would_change_them() {
        for (text, expected) in [
            ("runs/lenet5-digits-1/last.safetensors", "runs/lenet5-digits-1/last.safetensors"),
            ("my photos", "'my photos'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
            ("", "''"),
        ] {
            assert_eq!(argument(text), expected);
        }
    }

    #[test]
    fn heights_and_widths_of_image_files_are_separate_ranges() {
        assert_eq!(image_sizes(&[[60, 62], [86, 90]]), "image files: heights 60 to 86, widths 62 to 90");
        assert_eq!(image_sizes(&[[8, 9], [8, 20]]), "image files: height 8, widths 9 to 20");
    }

    #[test]
    fn table_shows_names_of_any_length_on_one_line() {
        let long = "x".repeat(100_000);
        let rows =
            [["name", "n"], [&long, "1"], ["a\nb\u{1b}[2J", "22"]].map(|row| row.map(String::from).to_vec());
        let text = table(&rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.chars().count() == 2 + WIDEST_CELL + 2 + 2), "{text}");
        assert!(lines[1].contains("x…x") && lines[2].contains("a b\u{fffd}[2J"));
    }
}
