//! The final output of a training run: curves, figures, next commands.

use std::path::Path;

use anyhow::Result;
use serde_json::json;
use striate_data::Medium;
use striate_predict::Tally;
use striate_tensor::text::printable_path;
use striate_train::{Outcome, Summary, read_metrics};
use striate_vision::{draw, encode_png};

use crate::arguments::Train;
use crate::json;
use crate::output::{argument, errors};
use crate::outputs::write_file;
use crate::progress::waiting;

/// The picture of a run's curves.
const CURVES: &str = "curves.png";

/// Draws [`CURVES`] in the run folder: loss and error over the epochs.
pub fn draw_curves(run: &Path) -> Result<()> {
    let columns = read_metrics(run)?;
    let pick = |name: &str, label: &str| {
        let column = columns.iter().find(|(other, _)| other == name);
        column.map(|(_, points)| (label.to_owned(), points.clone()))
    };
    let series = [
        pick("train_loss", "training loss"),
        pick("val_loss", "validation loss"),
        pick("val_top1_error", "validation error"),
    ];
    let series: Vec<_> = series.into_iter().flatten().filter(|(_, points)| points.len() > 1).collect();
    if series.is_empty() {
        return Ok(());
    }
    let path = run.join(CURVES);
    let picture = encode_png(&draw::curves("loss and error", "epoch", &series))?;
    Ok(write_file(&path, &picture)?)
}

/// Prints the outcome; `page` is the report.
pub fn print(outcome: &Outcome, summary: &Summary, args: &Train, page: Option<&Path>) -> Result<()> {
    if !args.compute.json {
        print_text(outcome, &summary.data.spec, page);
        return Ok(());
    }
    let tally = outcome.tally.as_ref();
    let mut value = json!({
        "epochs": outcome.epochs,
        "steps": outcome.steps,
        "finished": outcome.finished,
        "seconds": outcome.seconds,
        "images_per_second": outcome.images_per_second,
        "waiting": outcome.waiting,
        "train_loss": outcome.train_loss,
        "part": outcome.part,
        "val_loss": tally.map(Tally::loss),
        "top1_error": tally.map(Tally::top1_error),
        "top5_error": tally.map(Tally::top5_error),
        "model": json::path(&outcome.model),
        "run": json::path(&outcome.run),
        "report": page.map(json::path),
        "weights_sha256": outcome.weights_sha256,
        "summary": summary,
    });
    if args.steps.is_some() {
        value["losses"] = json!(outcome.losses);
    }
    Ok(json::print(&value)?)
}

fn print_text(outcome: &Outcome, spec: &str, page: Option<&Path>) {
    let model = argument(&outcome.model.to_string_lossy());
    let (what, example) = match Medium::of(spec) {
        Medium::Image => ("images", "IMAGE.png --picture predictions.png"),
        Medium::Sound => ("sounds", "SOUND.wav"),
        Medium::Text => ("texts", "--text \"…\""),
    };
    let effort = match outcome.images_per_second > 0.0 {
        true => {
            let (seconds, rate) = (outcome.seconds, outcome.images_per_second);
            format!(", after {seconds:.1} s at {rate:.0} {what}/s{}", waiting(outcome.waiting))
        }
        false => "; no steps were left".into(),
    };
    match (&outcome.tally, outcome.part) {
        (Some(tally), Some(part)) => {
            println!("{part} {} on {} {what}{effort}", errors(tally), tally.n())
        }
        _ => {
            let loss = outcome
                .train_loss
                .map_or("nothing trained on yet".into(), |loss| format!("training loss {loss:.4}"));
            match outcome.finished {
                true => println!("{loss}{effort}; error not measured: no {what} were held out"),
                false => println!("stopped at step {}, {loss}", outcome.steps),
            }
        }
    }
    let run = printable_path(&outcome.run);
    let curves = if outcome.run.join(CURVES).is_file() { " curves," } else { "" };
    println!("run folder {run}: model, recipe, metrics,{curves} checkpoints");
    page.iter().for_each(|page| println!("report {}: open it in a browser", printable_path(page)));
    if outcome.finished {
        println!("try next:   striate predict {model} {example}");
        println!("            striate inspect {model} --plan");
        match spec {
            "digits" => println!("            striate train --data mnist   (first: striate data get mnist)"),
            _ => println!("            striate eval {model} --data {}", argument(spec)),
        }
    } else {
        println!("continue with: striate train --resume {}", argument(&outcome.run.to_string_lossy()));
    }
}
