//! The one JSON object on stdout, and its parts that several verbs share.

use std::path::Path;

use serde_json::{Value, json};
use striate_engine::{PlanReport, StepReport, TimeShares};
use striate_predict::{Bin, Tally};
use striate_tensor::text::is_unprintable;
use striate_tensor::{Result, Shape};

use crate::print;

/// Prints `value`, which should be the only thing on stdout.
pub fn print(value: &Value) -> Result<()> {
    print::text(&(escaped(&value.to_string()) + "\n"));
    Ok(())
}

/// Escapes characters that JSON permits but that would control a terminal. They only occur inside strings,
/// where an escape means the same character.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match is_unprintable(c) {
            true => text += &format!("\\u{:04x}", u32::from(c)),
            false => text.push(c),
        }
    }
    text
}

/// Returns a path as JSON text. JSON is Unicode: bytes of a path that are not UTF-8 become `\u{fffd}`.
pub fn path(path: &Path) -> Value {
    json!(path.to_string_lossy())
}

/// Returns the figures of a tally.
pub fn tally(tally: &Tally, classes: &[String]) -> Value {
    let per_class = classes.iter().zip(tally.per_class()).zip(tally.class_figures());
    let per_class: Vec<Value> = per_class
        .map(|((class, error), figures)| {
            json!({
                "class": class,
                "images": figures.images,
                "top1_error": error,
                "precision": figures.precision,
                "recall": figures.recall,
                "f1": figures.f1,
            })
        })
        .collect();
    let bin = |bin: &Bin| {
        let mean = (bin.images > 0).then(|| bin.confidence / bin.images as f64);
        json!({ "images": bin.images, "confidence": mean, "right": bin.right })
    };
    let reliability: Option<Vec<Value>> = tally.bins().map(|bins| bins.iter().map(bin).collect());
    json!({
        "n": tally.n(),
        "top1_error": tally.top1_error(),
        "top1_interval": tally.top1_interval(),
        "top5_error": tally.top5_error(),
        "loss": tally.loss(),
        "macro_f1": tally.macro_f1(),
        "calibration_error": tally.calibration_error(),
        "reliability": reliability,
        "per_class": per_class,
        "confusion": tally.confusion(),
    })
}

/// Returns a plan for `batch` images, step by step, with percentages of `peak` GFLOP/s if it is known; steps that run
/// only once have no time.
pub fn plan(plan: &PlanReport, batch: usize, peak: Option<f64>) -> Value {
    let step = |step: &StepReport| {
        json!({
            "name": step.name,
            "op": step.op,
            "algorithm": step.algorithm,
            "output": step.output,
            "format": step.format,
            "once": step.once,
            "flops": step.flops,
            "bytes": step.bytes,
            "seconds": step.seconds,
            "gflops": step.gflops(),
            "percent_of_peak": step.gflops().zip(peak).map(|(gflops, peak)| gflops / peak * 100.0),
        })
    };
    let total = plan.time_shares().map(TimeShares::total);
    let shares = plan.time_shares().zip(total).map(|(TimeShares { convolution, moves, rest }, total)| {
        let share = |seconds: f64| seconds / total.max(f64::MIN_POSITIVE);
        json!({ "convolution": share(convolution), "moves": share(moves), "rest": share(rest) })
    });
    json!({
        "name": plan.name,
        "training": plan.trains,
        "device": plan.device,
        "batch": batch,
        "peak_gflops": peak,
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "seconds": total,
        "shares": shares,
        "peak_bytes": plan.peak_bytes,
        "work_bytes": plan.work_bytes,
    })
}

/// Returns a shape without its batch.
pub fn without_batch(shape: &Shape) -> Value {
    json!(shape.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_json_has_no_terminal_controls_and_the_same_value() {
        let value = json!({ "file": "a\u{1b}[2J\u{7f}\u{9b}\u{202e}\n\"ä" });
        let text = escaped(&value.to_string());
        assert!(!text.contains(is_unprintable), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
