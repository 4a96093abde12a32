//! Progress on stderr: training runs, jobs, downloads.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use striate_data::{DownloadProgress, Watch};
use striate_tensor::text::printable;
use striate_train::{Observer, Progress, Work};

use crate::signals::Signals;

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
        self.signals.stop_requested()
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The rate is shown with the share of time spent waiting for images if it is at least this.
const NOTABLE_WAITING: f64 = 0.1;

/// What follows a rate if training waits for images much of the time.
pub fn waiting(share: f64) -> String {
    let percent = share * 100.0;
    if share < NOTABLE_WAITING {
        String::new()
    } else {
        format!(" ({percent:.0} % of the time waiting for images)")
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
        let rate = p.images_per_second;
        self.bar.set_message(format!("{rate:>8.0} images/s{}  loss {:.4}", waiting(p.waiting), p.loss));
        self.bar.set_position(p.step);
    }

    fn work(&mut self, work: &Work) {
        if self.bar.is_hidden() {
            return;
        }
        if self.bar.prefix() != work.name {
            self.bar.set_prefix(work.name);
            self.bar.set_length(work.all as u64);
            self.bar.set_position(0);
            self.bar.reset_eta();
        }
        self.bar.set_message(work.details.clone());
        self.bar.set_position(work.done as u64);
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

/// Shows on stderr how many images have been read, if that takes long.
pub fn reading_bar() -> Watch {
    let bar = job_bar(0, "reading images");
    let start = Instant::now();
    Watch::new(move |done, all| {
        if start.elapsed() >= QUICK {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        }
        if done >= all {
            bar.finish_and_clear();
        }
    })
}

/// Jobs that take less time show no bar.
const QUICK: Duration = Duration::from_millis(500);

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
