//! What a person sees besides results: errors, progress, tables.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::error::ErrorKind;
use indicatif::{ProgressBar, ProgressStyle};
use striate_tensor::Error;
use striate_train::{Observer, Progress};

/// A usage error in one line, or the help that was asked for.
pub fn usage(error: &clap::Error) -> ExitCode {
    let asked = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if asked {
        // A closed pipe is no failure of the program.
        let _ = error.print();
        let missing = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        return ExitCode::from(if missing { 2 } else { 0 });
    }
    let text = error.to_string();
    let mut words: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        words.push(line);
    }
    eprintln!("{}; see --help", words.join(" "));
    ExitCode::from(2)
}

/// An error in one line; 2 if the input is at fault, 1 if the job failed.
pub fn failure(error: &anyhow::Error) -> ExitCode {
    let is_input = error.downcast_ref::<Error>().is_some_and(Error::is_input);
    eprintln!("error: {}", format!("{error:#}").replace('\n', " "));
    ExitCode::from(if is_input { 2 } else { 1 })
}

/// Shows a training run on stderr, and stops it at a signal.
pub struct Watcher {
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
}

impl Watcher {
    pub fn new() -> Watcher {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{prefix} {bar:30} {percent:>3} %  {msg}  {eta} left");
        bar.set_style(style.expect("the template is well formed").progress_chars("━╸─"));
        Watcher { bar, stop: Arc::default() }
    }

    /// Lets Ctrl-C and SIGTERM end the run after its step, with a checkpoint; a second one ends at once.
    /// A limit on file sizes becomes an error of the write instead of a silent death.
    pub fn heed_signals(&self) -> std::io::Result<()> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, 1, self.stop.clone())?;
            signal_hook::flag::register(signal, self.stop.clone())?;
        }
        #[cfg(unix)]
        signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default())?;
        Ok(())
    }

    /// Whether a signal asked to stop.
    pub fn was_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
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
        if self.bar.is_hidden() { eprintln!("{text}") } else { self.bar.println(text) }
    }
}

/// A bar on stderr for a job of `length` parts.
pub fn job_bar(length: usize, what: &str) -> ProgressBar {
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new(length as u64) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len}  {per_sec}  {eta} left");
    bar.set_style(style.expect("the template is well formed").progress_chars("━╸─"));
    bar.set_prefix(what.to_owned());
    bar
}

/// Columns of text, the first aligned left, the others right; the first row is the head.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| match column {
                0 => format!("{cell:width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        text += &format!("  {}\n", cells.join("  ").trim_end());
    }
    text
}

/// A count with thin groups of three: 61706 becomes 61,706.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
