//! One JSON object on stdout.

use std::io::Write;

use serde_json::{Value, json};
use striate_engine::{PlanReport, StepReport};
use striate_predict::Tally;
use striate_tensor::{Error, Result, Shape};

/// Prints `value` as the only thing on stdout.
pub fn print(value: &Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}").map_err(|e| Error::failed(format!("cannot write to stdout: {e}")))
}

/// The measures of a tally.
pub fn tally(tally: &Tally, classes: &[String]) -> Value {
    let per_class: Vec<Value> = classes
        .iter()
        .zip(tally.per_class())
        .map(|(class, error)| json!({ "class": class, "top1_error": error }))
        .collect();
    json!({
        "n": tally.n(),
        "top1_error": tally.top1_error(),
        "top5_error": tally.top5_error(),
        "loss": tally.loss(),
        "per_class": per_class,
        "confusion": tally.confusion(),
    })
}

/// A plan for `batch` images, step by step; steps that run once have no time.
pub fn plan(plan: &PlanReport, batch: usize) -> Value {
    let step = |step: &StepReport| {
        json!({
            "name": step.name,
            "op": step.op,
            "algorithm": step.algorithm,
            "output": step.output,
            "once": step.once,
            "flops": step.flops,
            "bytes": step.bytes,
            "seconds": step.seconds,
        })
    };
    json!({
        "name": plan.name,
        "device": plan.device,
        "batch": batch,
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "peak_bytes": plan.peak_bytes,
        "work_bytes": plan.work_bytes,
    })
}

/// A shape without its batch.
pub fn without_batch(shape: &Shape) -> Value {
    json!(shape.get(1..).unwrap_or_default())
}
