//! `striate compare`

mod picture;

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use striate_data::Spec;
use striate_tensor::text::{printable, printable_path};
use striate_train::{RunFacts, recipe_differences};

use crate::arguments::Compare;
use crate::json;
use crate::output::table;
use crate::outputs::{Output, check, refuse_in_data, write_file};

/// The sign of a figure that a run does not have.
const NONE: &str = "–";
const ERROR: &str = "val_top1_error";

pub fn run(args: Compare) -> Result<()> {
    let inputs: Vec<&Path> = args.runs.iter().map(AsRef::as_ref).collect();
    check(args.picture.iter().map(|path| Output::picture("--picture", path)), &inputs)?;
    let runs: Vec<RunFacts> =
        args.runs.iter().map(|run| RunFacts::read(run)).collect::<striate_tensor::Result<_>>()?;
    if let Some(path) = &args.picture {
        // Data that is gone cannot be written to.
        let specs = runs.iter().filter_map(|run| Spec::parse(&run.recipe.data.spec).ok());
        specs.into_iter().try_for_each(|spec| refuse_in_data("--picture", path, &spec))?;
        write_file(path, &picture::curves(&runs)?)?;
    }
    match args.json {
        true => json::print(&as_json(&runs))?,
        false => print(&runs),
    }
    Ok(())
}

fn print(runs: &[RunFacts]) {
    let head = [
        "run",
        "network",
        "data",
        "epochs",
        "best error",
        "last error",
        "test error",
        "loss",
        "images/s",
        "time",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(runs.iter().map(row));
    print!("{}", table(&rows));
    let differences = recipe_differences(runs);
    if !differences.is_empty() {
        println!("\nrecipes differ in:");
        let mut rows = vec![vec!["field".to_owned()]];
        rows[0].extend(runs.iter().map(name));
        for (field, values) in differences {
            let values = values.into_iter().map(|value| value.unwrap_or_else(|| NONE.to_owned()));
            rows.push([field].into_iter().chain(values).collect());
        }
        print!("{}", table(&rows));
    }
    let incomplete: Vec<&RunFacts> = runs.iter().filter(|run| !run.is_complete()).collect();
    for run in &incomplete {
        let (path, done, all) = (printable_path(&run.path), run.epochs(), run.recipe.train.epochs);
        println!("{path}: incomplete, {done} of {all} epochs; train --resume {path} continues it");
    }
}

/// The figures of a run as text.
fn row(run: &RunFacts) -> Vec<String> {
    let number = |value: Option<f64>, form: fn(f64) -> String| value.map_or(NONE.to_owned(), form);
    let percent = |share: f64| format!("{:.2} %", share * 100.0);
    let epochs = match run.is_complete() {
        true => run.epochs().to_string(),
        false => format!("{} of {}", run.epochs(), run.recipe.train.epochs),
    };
    vec![
        name(run),
        run.network.clone(),
        printable(&run.recipe.data.spec).into_owned(),
        epochs,
        number(run.best(ERROR), percent),
        number(run.last(ERROR), percent),
        number(run.test.as_ref().map(|test| test.top1_error), percent),
        number(run.last("val_loss").or(run.last("train_loss")), |loss| format!("{loss:.4}")),
        number(run.last("images_per_second"), |rate| format!("{rate:.0}")),
        number(run.seconds(), time),
    ]
}

/// Hours, minutes and seconds.
fn time(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

fn name(run: &RunFacts) -> String {
    printable_path(&run.path)
}

fn as_json(runs: &[RunFacts]) -> Value {
    let one = |run: &RunFacts| {
        json!({
            "run": json::path(&run.path),
            "network": run.network,
            "data": run.recipe.data.spec,
            "epochs": run.epochs(),
            "planned_epochs": run.recipe.train.epochs,
            "complete": run.is_complete(),
            "best_top1_error": run.best(ERROR),
            "last_top1_error": run.last(ERROR),
            "test_top1_error": run.test.as_ref().map(|test| test.top1_error),
            "test_images": run.test.as_ref().map(|test| test.n),
            "val_loss": run.last("val_loss"),
            "train_loss": run.last("train_loss"),
            "images_per_second": run.last("images_per_second"),
            "seconds": run.seconds(),
        })
    };
    let differences = recipe_differences(runs);
    let differences = differences.iter().map(|(field, values)| json!({ "field": field, "values": values }));
    json!({
        "runs": runs.iter().map(one).collect::<Vec<_>>(),
        "recipe_differences": differences.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_have_the_two_largest_units() {
        for (seconds, expected) in [(1.62, "1.6 s"), (61.0, "1 min 1 s"), (7_320.0, "2 h 2 min")] {
            assert_eq!(time(seconds), expected);
        }
    }
}
