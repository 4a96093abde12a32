//! Output other than results: errors, progress, tables; and files that verbs write.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use striate_data::{DownloadProgress, Skipped, Survey};
use striate_predict::Tally;
use striate_tensor::Error;
use striate_tensor::file::{write_atomically, write_stream};
pub use striate_tensor::text::grouped;
use striate_tensor::text::{cell, pad, pad_left, printable, printable_path};
use striate_train::{Observer, Progress};

use crate::print;
use crate::signals::{Signals, catch_file_size_limit};

/// Formats extents for display: `3×224×224`.
pub fn sides(extents: &[usize]) -> String {
    extents.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
}

/// Writes a file completely or not at all; a device or pipe receives the bytes directly.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    catch_file_size_limit()?;
    if path == Path::new("/dev/stdout") {
        // This is a link to the target of stdout, which may be a file that must not be replaced.
        print::bytes(bytes);
        return Ok(());
    }
    match write_stream(path, bytes)? {
        true => Ok(()),
        false => write_atomically(path, bytes),
    }
}

/// Prints an error on one line and returns the exit code: 2 if the input is at fault, 1 if the job failed.
pub fn failure(error: &anyhow::Error) -> ExitCode {
    let own = error.downcast_ref::<Error>();
    let is_input = own.is_some_and(Error::is_input);
    own.map(Error::notes).unwrap_or_default().iter().for_each(|note| eprintln!("{note}"));
    eprintln!("error: {}", printable(&format!("{error:#}")));
    ExitCode::from(if is_input { 2 } else { 1 })
}

/// Shows a training run on stderr, and stops it when a signal arrives.
pub struct Watcher {
    bar: ProgressBar,
    signals: Signals,
}

impl Watcher {
    /// Returns a watcher that `signals` stop; a second signal ends the program immediately, without a checkpoint.
    pub fn new(signals: Signals) -> Watcher {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{prefix} {bar:30} {percent:>3} %  {msg}  {eta} left");
        bar.set_style(style.expect("the template is well formed").progress_chars("━╸─"));
        Watcher { bar, signals }
    }

    /// Returns whether a signal has requested a stop.
    pub fn was_stopped(&self) -> bool {
        self.signals.ask_to_stop()
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Watcher {
    fn step(&mut self, p: &Progress) {
        if self.bar.is_hidden() {
            return;
        }
        if self.bar.length() != Some(p.steps) {
            self.bar.set_length(p.steps);
            self.bar.reset_eta();
        }
        self.bar.set_prefix(format!("epoch {:>3}/{}", (p.epoch + 1).min(p.epochs), p.epochs));
        self.bar.set_message(format!("{:>8.0} images/s  loss {:.4}", p.images_per_second, p.loss));
        self.bar.set_position(p.step);
    }

    fn stop(&mut self) -> bool {
        self.was_stopped()
    }

    fn note(&mut self, text: &str) {
        let text = printable(text);
        if self.bar.is_hidden() { eprintln!("{text}") } else { self.bar.println(text) }
    }
}

/// Returns a progress bar on stderr for a job of `length` items.
pub fn job_bar(length: usize, what: &str) -> ProgressBar {
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new(length as u64) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len}  {per_sec}  {eta} left");
    bar.set_style(style.expect("the template is well formed").progress_chars("━╸─"));
    bar.set_prefix(what.to_owned());
    bar
}

/// Shows a download on stderr: bytes, rate and time left, and on a terminal also which mirrors failed.
#[derive(Clone)]
pub struct DownloadBar(ProgressBar);

impl DownloadBar {
    pub fn new() -> DownloadBar {
        let is_seen = std::io::stderr().is_terminal();
        let bar = if is_seen { ProgressBar::no_length() } else { ProgressBar::hidden() };
        bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is well formed"));
        bar.set_message("contacting the mirrors");
        DownloadBar(bar)
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl DownloadProgress for DownloadBar {
    fn begin(&mut self, name: &str, have: u64, total: Option<u64>) {
        let template = match total {
            Some(_) => "{prefix} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
            None => "{prefix} {spinner} {bytes}  {bytes_per_sec}",
        };
        let style = ProgressStyle::with_template(template).expect("the template is well formed");
        // The rate counts only the data of this call.
        self.0.reset();
        self.0.set_position(have);
        match total {
            Some(total) => self.0.set_length(total),
            None => self.0.unset_length(),
        }
        self.0.reset_eta();
        self.0.set_prefix(name.to_owned());
        self.0.set_style(style.progress_chars("━╸─"));
    }

    fn received(&mut self, have: u64) {
        self.0.set_position(have);
    }

    fn note(&mut self, text: &str) {
        // Without a terminal, the mirrors are named only in the error, if any.
        self.0.println(printable(text));
    }
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

/// Returns the findings of loading a data set, one line each: notes, skipped files, and unreadable images, whose lines
/// start with `unreadable`.
pub fn survey_lines(survey: &Survey, unreadable: &str) -> Vec<String> {
    let notes = survey.notes.iter().map(|note| printable(note).into_owned());
    let left = survey.skipped.iter().map(|Skipped { kind, count, first }| {
        format!("skipped: {count} × {}, first {}", printable(kind), printable_path(first))
    });
    let images = survey
        .unreadable
        .iter()
        .map(|(path, reason)| format!("{unreadable}: {}: {}", printable_path(path), printable(reason)));
    notes.chain(left).chain(images).collect()
}

#[cfg(test)]
mod tests {
    use striate_tensor::text::WIDEST_CELL;

    use super::*;

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
