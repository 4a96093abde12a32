//! Trains the machines on separate threads, while the calling one passes their progress to an observer.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Instant;

use striate_ancestors::svm::{LinearSvm, Outcome, Progress, Settings};
use striate_tensor::text::{counted, grouped};
use striate_tensor::{Error, Result};

use crate::progress::{Observer, Work};
use crate::without_descent::features::Features;

/// Units of progress of a class.
const UNITS: usize = 1000;

/// Trains machines for `classes` classes on up to `threads` threads; `None` if `observer` stops it.
pub(super) fn trained(
    features: &Features,
    classes: usize,
    settings: &Settings,
    threads: usize,
    observer: &mut dyn Observer,
) -> Result<Option<LinearSvm>> {
    let (rows, labels, start) = (features.rows()?, &features.labels, Instant::now());
    let stops = AtomicBool::new(false);
    let stops = &stops;
    let machines = std::thread::scope(|scope| {
        let (sender, passes) = channel();
        let worker = scope.spawn(move || {
            let report = |pass: &Progress| {
                // The receiver lives as long as there are passes.
                let _ = sender.send(*pass);
                if stops.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            LinearSvm::train(rows, labels, classes, settings, threads, &report)
        });
        let mut approaches = vec![Approach::default(); classes];
        for pass in passes {
            approaches[pass.class].add(&pass);
            let done = approaches.iter().map(|own| own.units(settings.tolerance)).sum();
            let details = format!("class {} of {classes}, pass {}", pass.class + 1, pass.passes);
            observer.work(&Work { name: "support vectors", done, all: classes * UNITS, details });
            if observer.stop() {
                stops.store(true, Ordering::Relaxed);
            }
        }
        worker.join().map_err(|_| Error::failed("the training of support vector machines panicked"))
    })??;
    if stops.load(Ordering::Relaxed) {
        return Ok(None);
    }
    notes(&machines.outcomes, settings, start).iter().for_each(|note| observer.note(note));
    Ok(Some(machines))
}

/// How far a class has approached its solution.
#[derive(Clone, Default)]
struct Approach {
    /// The violation of the first pass, and the smallest one so far.
    violations: Option<[f64; 2]>,
}

impl Approach {
    fn add(&mut self, pass: &Progress) {
        let [first, least] = self.violations.unwrap_or([pass.violation; 2]);
        self.violations = Some([first, least.min(pass.violation)]);
    }

    /// The progress, of [`UNITS`]: violations fall about exponentially.
    fn units(&self, tolerance: f64) -> usize {
        let Some([first, least]) = self.violations else { return 0 };
        if least <= tolerance {
            return UNITS;
        }
        ((first / least).ln() / (first / tolerance).ln() * UNITS as f64) as usize
    }
}

/// What is reported at the end.
fn notes(outcomes: &[Outcome], settings: &Settings, start: Instant) -> Vec<String> {
    let passes: usize = outcomes.iter().map(|outcome| outcome.passes).sum();
    let vectors = outcomes.iter().map(|outcome| outcome.support_vectors);
    let [least, most] =
        [vectors.clone().min(), vectors.max()].map(|count| grouped(count.unwrap_or(0) as u64));
    let machines = counted(outcomes.len(), "support vector machine");
    let seconds = start.elapsed().as_secs_f64();
    let mut notes = vec![format!(
        "{machines}: {} passes, {least} to {most} support vectors, in {seconds:.1} s",
        grouped(passes as u64)
    )];
    let unfinished = outcomes.iter().filter(|outcome| !outcome.is_converged).count();
    if unfinished > 0 {
        notes.push(format!(
            "{unfinished} of them did not reach the tolerance {} in {} passes; raise svm.passes or lower svm.c",
            settings.tolerance, settings.passes
        ));
    }
    notes
}
