//! `striate experiment`

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use striate_data::Spec;
use striate_experiments::{Definition, Event, Figure, RECORD, Record, Runner, Scale, find};
use striate_tensor::Error;
use striate_tensor::text::{counted, printable_path};
use striate_train::{Observer, Progress, RUNS, Work};
use striate_vision::draw::{self, Series};
use striate_vision::encode_png;

use crate::arguments::Experiment;
use crate::device::{Chosen, Macs};
use crate::json;
use crate::output::duration;
use crate::outputs::{refuse_in_data, write_file};
use crate::progress::Watcher;
use crate::signals::{Signals, catch_file_size_limit};

pub fn run(args: Experiment) -> Result<()> {
    let definition = find(&args.name)?.definition()?;
    refuse_flags(&args, &definition)?;
    let scale = if args.full { Scale::Full } else { Scale::Small };
    let seeds = args.seeds.unwrap_or(definition.seeds);
    let suffix = if args.full { "-full" } else { "" };
    let default = || Path::new(RUNS).join("experiments").join(format!("{}{suffix}", args.name));
    let folder = args.out.clone().unwrap_or_else(default);
    // Missing folders are reported before anything is trained.
    for run in definition.runs(seeds).filter(|run| run.variant.training().is_some()) {
        let recipe = definition.recipe(run, scale)?;
        refuse_in_data("--out", &folder, &Spec::parse(&recipe.data.spec)?)?;
    }
    let chosen = Chosen::open(&args.compute, Macs::Many)?;
    catch_file_size_limit()?;
    let runner = Runner { definition, scale, seeds, folder, device: chosen.device() };
    runner.claim_folder()?;
    announce(&runner)?;
    let mut watcher = Quiet(Watcher::new(Signals::install()?));
    let is_complete = runner.run(&mut watcher, report)?;
    watcher.0.finish();
    if !is_complete {
        let what = "stopped by a signal; run the same command to resume";
        return Err(Error::failed(what).into());
    }
    let record = runner.record()?;
    let text = markdown(&runner, &record)?;
    let path = |name: &str| runner.folder.join(name);
    write_file(&path("result.md"), text.as_bytes())?;
    write_file(&path(RECORD), record.to_text().as_bytes())?;
    let pictures = write_curves(&runner, &record)?;
    if args.compute.json {
        return Ok(json::print(&as_json(&runner, &record))?);
    }
    print!("{text}");
    let files = ["result.md", RECORD].map(str::to_owned).into_iter().chain(pictures);
    let files: Vec<String> = files.collect();
    eprintln!("\n{} and the runs are in {}", files.join(", "), printable_path(&runner.folder));
    Ok(())
}

/// Refuses flags that have no effect on this experiment.
fn refuse_flags(args: &Experiment, definition: &Definition) -> Result<()> {
    let name = &args.name;
    let reasons = [
        (
            args.compute.seed.is_some(),
            "--seed: an experiment trains with several seeds, from 0; use --seeds N".to_owned(),
        ),
        (
            args.seeds.is_some() && !definition.trains(),
            format!("--seeds: {name} trains nothing, so that seeds have no effect; omit it"),
        ),
        (args.full && !definition.has_scales(), format!("--full: {name} has a single scale; omit it")),
    ];
    match reasons.into_iter().find(|(is_refused, _)| *is_refused) {
        Some((_, reason)) => Err(Error::input(reason).into()),
        None => Ok(()),
    }
}

/// Prints what is about to be done.
fn announce(runner: &Runner) -> Result<()> {
    let definition = &runner.definition;
    let claim = definition.claim.trim_end().trim_end_matches('.');
    eprintln!("{}\n  claim   {claim} ({})", definition.title, definition.source);
    eprintln!("  data    {}", conditions(runner)?);
    let names: Vec<&str> = definition.variants.iter().map(|variant| variant.name.as_str()).collect();
    let seeds = match definition.trains() {
        true => format!(" with {} each", counted(runner.seeds as usize, "seed")),
        false => String::new(),
    };
    eprintln!("  runs    {}{seeds}", names.join(", "));
    eprintln!("  folder  {}", printable_path(&runner.folder));
    Ok(())
}

/// What the variants run on: each data set with the shares and epochs of its recipes.
fn conditions(runner: &Runner) -> Result<String> {
    let Runner { definition, scale, .. } = runner;
    let mut lines: Vec<String> = Vec::new();
    for data in &definition.data {
        let (mut shares, mut epochs, mut spec) = (Vec::new(), Vec::new(), None);
        let runs = definition.runs(1).filter(|run| run.data.name == data.name);
        for run in runs.filter(|run| run.variant.training().is_some()) {
            let recipe = definition.recipe(run, *scale)?;
            shares.push(recipe.data.share);
            epochs.extend(recipe.svm.is_none().then_some(recipe.train.epochs));
            spec.get_or_insert(recipe.data.spec);
        }
        let name = data.name.clone().or(spec).unwrap_or_default();
        let smallest = shares.iter().copied().fold(1.0, f64::min);
        let share = match smallest {
            1.0 => String::new(),
            share => format!(", {:.0} % of the training images", share * 100.0),
        };
        let epochs = match (epochs.iter().min(), epochs.iter().max()) {
            (Some(least), Some(most)) if least == most => {
                format!(", {}", counted(*most as usize, "epoch"))
            }
            (Some(least), Some(most)) => format!(", {least} to {most} epochs"),
            _ => String::new(),
        };
        lines.push(format!("{name}{share}{epochs}"));
    }
    Ok(lines.join("; "))
}

/// Prints what happens, a line each.
fn report(event: Event) {
    match event {
        Event::Kept { run } => eprintln!("{run}: already done"),
        Event::Begins { run, index, count, seconds_left } => {
            let left =
                seconds_left.map_or(String::new(), |seconds| format!(", about {} left", duration(seconds)));
            eprintln!("{run}: run {} of {count}{left}", index + 1);
        }
        Event::Done { figures, seconds, .. } => {
            let figure = |figure: &Figure| {
                let value = figure.value.map_or("not reached".into(), |value| figure.unit.text(value));
                format!("{} {value}", figure.name)
            };
            let figures: Vec<String> = figures.figures.iter().map(figure).collect();
            eprintln!("  {} ({})", figures.join(", "), duration(seconds));
        }
    }
}

/// The result as a text in Markdown.
fn markdown(runner: &Runner, record: &Record) -> Result<String> {
    let definition = &runner.definition;
    let seeds = match definition.trains() {
        true => format!("{}, ", counted(runner.seeds as usize, "seed")),
        false => String::new(),
    };
    let spread = if runner.seeds > 1 { ": mean and standard deviation" } else { "" };
    Ok(format!(
        "**{}.** {} ({}). Measured on {}, {seeds}on {}{spread}.\n\n{}",
        definition.title,
        definition.claim.trim_end().trim_end_matches('.'),
        definition.source,
        conditions(runner)?,
        record.device,
        record.table.markdown()
    ))
}

/// Writes a picture of the curves on each data set, and returns the names of the files.
fn write_curves(runner: &Runner, record: &Record) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for set in record.table.data() {
        let curves = record.curves.iter().filter(|curve| curve.data.as_deref() == set);
        let series: Vec<Series> = curves.map(|curve| (curve.variant.clone(), curve.points.clone())).collect();
        if series.is_empty() {
            continue;
        }
        let (name, on) = match set {
            Some(set) => (format!("curves-{set}.png"), format!(" on {set}")),
            None => ("curves.png".to_owned(), String::new()),
        };
        let title = format!("training loss{on}: {}", runner.definition.title);
        write_file(&runner.folder.join(&name), &encode_png(&draw::curves(&title, "epoch", &series))?)?;
        names.push(name);
    }
    Ok(names)
}

fn as_json(runner: &Runner, record: &Record) -> Value {
    json!({
        "title": runner.definition.title,
        "claim": runner.definition.claim,
        "source": runner.definition.source,
        "folder": json::path(&runner.folder),
        "record": record,
    })
}

/// Shows the progress of runs without the figures of their epochs.
struct Quiet(Watcher);

impl Observer for Quiet {
    fn step(&mut self, progress: &Progress) {
        self.0.step(progress);
    }

    fn work(&mut self, work: &Work) {
        self.0.work(work);
    }

    fn stop(&mut self) -> bool {
        self.0.stop()
    }
}
