//! `striate experiment`

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use striate_data::Spec;
use striate_experiments::{Event, Runner, Scale, Table, find};
use striate_tensor::Error;
use striate_tensor::text::{counted, printable_path};
use striate_train::{Observer, Progress, RUNS};
use striate_vision::{draw, encode_png};

use crate::arguments::Experiment;
use crate::device::{Chosen, Macs};
use crate::json;
use crate::outputs::{refuse_in_data, write_file};
use crate::progress::Watcher;
use crate::signals::{Signals, catch_file_size_limit};

pub fn run(args: Experiment) -> Result<()> {
    let definition = find(&args.name)?.definition()?;
    if args.compute.seed.is_some() {
        return Err(
            Error::input("--seed: an experiment trains with several seeds, from 0; use --seeds N").into()
        );
    }
    let scale = if args.full { Scale::Full } else { Scale::Small };
    let chosen = Chosen::open(&args.compute, Macs::Many)?;
    catch_file_size_limit()?;
    let suffix = if args.full { "-full" } else { "" };
    let default = || Path::new(RUNS).join("experiments").join(format!("{}{suffix}", args.name));
    let folder = args.out.clone().unwrap_or_else(default);
    for variant in &definition.variants {
        let recipe = definition.recipe(variant, 0, scale)?;
        refuse_in_data("--out", &folder, &Spec::parse(&recipe.data.spec)?)?;
    }
    let seeds = args.seeds.unwrap_or(definition.seeds);
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
    let table = runner.table()?;
    let text = markdown(&runner, &table)?;
    let as_json = as_json(&runner, &table);
    let path = |name: &str| runner.folder.join(name);
    write_file(&path("result.md"), text.as_bytes())?;
    write_file(&path("result.json"), (serde_json::to_string_pretty(&as_json)? + "\n").as_bytes())?;
    let curves =
        draw::curves(&format!("training loss: {}", runner.definition.title), "epoch", &runner.curves()?);
    write_file(&path("curves.png"), &encode_png(&curves)?)?;
    if args.compute.json {
        return Ok(json::print(&as_json)?);
    }
    print!("{text}");
    eprintln!("\nresult.md, result.json, curves.png and the runs are in {}", printable_path(&runner.folder));
    Ok(())
}

/// Says what is about to be done.
fn announce(runner: &Runner) -> Result<()> {
    let definition = &runner.definition;
    let claim = definition.claim.trim_end().trim_end_matches('.');
    eprintln!("{}\n  claim   {claim} ({})", definition.title, definition.source);
    let first = definition.recipe(&definition.variants[0], 0, runner.scale)?;
    let images = match first.data.share {
        1.0 => "all training images".to_owned(),
        share => format!("{:.0} % of the training images", share * 100.0),
    };
    eprintln!("  data    {}, {images}, {}", first.data.spec, counted(first.train.epochs as usize, "epoch"));
    let names: Vec<&str> = definition.variants.iter().map(|variant| variant.name.as_str()).collect();
    eprintln!("  runs    {} with {} each", names.join(", "), counted(runner.seeds as usize, "seed"));
    eprintln!("  folder  {}", printable_path(&runner.folder));
    Ok(())
}

/// Prints what happens, a line each.
fn report(event: Event) {
    match event {
        Event::Kept { variant, seed } => eprintln!("{variant}, seed {seed}: already done"),
        Event::Begins { variant, seed, index, count } => {
            eprintln!("{variant}, seed {seed}: run {} of {count}", index + 1);
        }
        Event::Done { figures, .. } => {
            let figure = |figure: &striate_experiments::Figure| {
                let value = figure.value.map_or("not reached".into(), |value| figure.unit.text(value));
                format!("{} {value}", figure.name)
            };
            let figures: Vec<String> = figures.figures.iter().map(figure).collect();
            eprintln!("  {}", figures.join(", "));
        }
    }
}

/// The result as a text in Markdown.
fn markdown(runner: &Runner, table: &Table) -> Result<String> {
    let definition = &runner.definition;
    let recipe = definition.recipe(&definition.variants[0], 0, runner.scale)?;
    let (share, epochs, spec) = (recipe.data.share, recipe.train.epochs, &recipe.data.spec);
    Ok(format!(
        "**{}.** {} ({}). Measured on {spec} with a share of {share} of the training images, {}, {}, on {}: mean and \
         standard deviation.\n\n{}",
        definition.title,
        definition.claim.trim_end().trim_end_matches('.'),
        definition.source,
        counted(epochs as usize, "epoch"),
        counted(runner.seeds as usize, "seed"),
        runner.device.arithmetic(),
        table.markdown()
    ))
}

fn as_json(runner: &Runner, table: &Table) -> Value {
    json!({
        "name": runner.definition.name,
        "title": runner.definition.title,
        "claim": runner.definition.claim,
        "source": runner.definition.source,
        "full": runner.scale == Scale::Full,
        "seeds": runner.seeds,
        "device": runner.device.arithmetic(),
        "folder": json::path(&runner.folder),
        "figures": table.figures,
        "variants": table.rows,
    })
}

/// Shows the progress of runs without the figures of their epochs.
struct Quiet(Watcher);

impl Observer for Quiet {
    fn step(&mut self, progress: &Progress) {
        self.0.step(progress);
    }

    fn stop(&mut self) -> bool {
        self.0.stop()
    }
}
