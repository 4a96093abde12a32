//! `striate train`

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;
use striate_data::{Dataset, Prepared, Spec};
use striate_engine::{Cpu, Training};
use striate_formats::Loaded;
use striate_graph::Network;
use striate_predict::Resolved;
use striate_tensor::{Error, Shape};
use striate_train::{Limits, Outcome, Recipe, RunPath, Trainer, read_metrics, shipped};
use striate_vision::{draw, encode_png};

use crate::arguments::Train;
use crate::clock::SystemClock;
use crate::output::{Watcher, write_file};
use crate::signals::{Signals, heed_file_sizes};
use crate::{json, weights};

pub fn run(args: Train) -> Result<()> {
    let cpu = Cpu::new(args.compute.threads)?;
    let limits = Limits { steps: args.steps, any_isa: args.any_isa };
    heed_file_sizes()?;
    let mut watcher = Watcher::new(Signals::heed()?);
    let trainer = match &args.resume {
        Some(folder) => {
            refuse_conflicts(&args)?;
            let load = |recipe: &Recipe| {
                striate_data::load(&Spec::parse(&recipe.data.spec)?, &striate_data::LoadOptions::default())
            };
            Trainer::resume(folder, args.epochs, load, cpu, limits, &mut watcher)?
        }
        None => {
            let mut recipe = recipe(&args)?;
            let Resolved { network, model, .. } = weights::resolve(&recipe.model.name)?;
            let network = network.channels_first();
            let mut dataset =
                striate_data::load(&Spec::parse(&recipe.data.spec)?, &striate_data::LoadOptions::default())?;
            if args.overfit_one_batch {
                one_batch(&mut recipe, &mut dataset, args.epochs);
            }
            let (weights, notes) = match &args.weights {
                Some(path) => {
                    let Loaded { weights, notes, .. } = weights::load(&network, path)?;
                    (Some(weights), notes)
                }
                None => (model.map(|model| model.weights), vec![]),
            };
            if args.dry_run {
                return dry_run(&recipe, network, &dataset, cpu, args.compute.json);
            }
            let out = match &args.out {
                Some(folder) => RunPath::Folder(folder.clone()),
                None => {
                    RunPath::Free { stem: format!("{}-{}", network.name, recipe.data.spec.replace('.', "_")) }
                }
            };
            let file = args.weights.clone().unwrap_or_else(|| PathBuf::from(&recipe.model.name));
            let weights = weights.map(|weights| (file.as_path(), weights));
            let trainer = Trainer::create(recipe, network, dataset, weights, cpu, &out, &mut watcher)?;
            weights::say_all(&file, &notes);
            trainer
        }
    };
    let outcome = trainer.run(limits, &mut watcher)?;
    watcher.finish();
    if watcher.was_stopped() && !outcome.finished {
        let (step, run) = (outcome.steps, outcome.run.display());
        return Err(Error::failed(format!(
            "stopped by a signal at step {step}; go on with: striate train --resume {run}"
        ))
        .into());
    }
    draw_curves(&outcome.run)?;
    if args.compute.json {
        return Ok(json::print(&as_json(&outcome, args.steps.is_some()))?);
    }
    tell(&outcome);
    Ok(())
}

/// Steps that a dry run measures.
const DRY_STEPS: u64 = 50;

/// The plan of a step with the time of each part, measured on the first batch; nothing is kept.
fn dry_run(recipe: &Recipe, mut network: Network, dataset: &Dataset, cpu: Cpu, as_json: bool) -> Result<()> {
    let count = recipe.train.batch.min(dataset.train.len());
    let first = dataset.train.select(&(0..count).collect::<Vec<_>>());
    let data = Prepared::new(&first, dataset.preprocessing.as_ref())?;
    network.image()?;
    network.set_input(data.shape());
    network.set_classes(dataset.classes.len())?;
    let [c, h, w] = data.shape();
    let shape = Shape::from([count, c, h, w]);
    let mut images = vec![0.0; count * c * h * w];
    for (index, image) in images.chunks_exact_mut(c * h * w).enumerate() {
        data.write(index, image);
    }
    let mut training = Training::new(network, recipe.spec()?, &shape, recipe.train.seed, cpu)?;
    let clock = SystemClock::new();
    let mut seconds = vec![0.0; training.report(&shape, None)?.steps.len()];
    for step in 0..2 * DRY_STEPS {
        if step == DRY_STEPS {
            seconds.fill(0.0);
        }
        training.accumulate(&shape, &images, data.labels(), step, Some((&clock, &mut seconds)))?;
        training.update(&shape, 0.0, Some((&clock, &mut seconds)));
    }
    seconds.iter_mut().for_each(|total| *total /= DRY_STEPS as f64);
    let plan = training.report(&shape, Some(&seconds))?;
    let step: f64 = seconds.iter().sum();
    let epoch = step * dataset.train.len().div_ceil(recipe.train.batch) as f64;
    if as_json {
        return Ok(json::print(&json!({
            "recipe": recipe,
            "plan": json::plan(&plan, count),
            "step_seconds": step,
            "images_per_second": count as f64 / step,
            "epoch_seconds": epoch,
            "seconds": epoch * recipe.train.epochs as f64,
        }))?);
    }
    println!("{plan}");
    println!(
        "a step of {count} images takes {:.2} ms ({:.0} images/s), an epoch about {:.1} s, {} epochs about {:.0} s",
        step * 1e3,
        count as f64 / step,
        epoch,
        recipe.train.epochs,
        epoch * recipe.train.epochs as f64
    );
    Ok(())
}

/// Epochs in which a network that can learn at all knows one batch by heart.
const BY_HEART: u64 = 200;

/// Leaves one batch, which is trained and measured on, at a constant rate.
fn one_batch(recipe: &mut Recipe, dataset: &mut Dataset, epochs: Option<u64>) {
    let count = recipe.train.batch.min(dataset.train.len());
    dataset.train = dataset.train.select(&(0..count).collect::<Vec<_>>());
    dataset.validation = None;
    dataset.test = None;
    recipe.data.holdout = 0.0;
    recipe.data.augment = "none".into();
    recipe.schedule.name = "constant".into();
    recipe.train.epochs = epochs.unwrap_or(BY_HEART);
}

/// The recipe that the command line asks for: shipped or given, then changed field by field.
fn recipe(args: &Train) -> Result<Recipe> {
    let mut recipe = match &args.recipe {
        Some(name) if name.ends_with(".toml") => Recipe::load(Path::new(name))?,
        Some(name) => shipped(name)?,
        None => default_recipe(args)?,
    };
    if let Some(model) = &args.model {
        recipe.model.name = model.clone();
    }
    if let Some(data) = &args.data {
        recipe.data.spec = data.clone();
    }
    for assignment in &args.set {
        recipe = recipe.with(assignment)?;
    }
    recipe.train.epochs = args.epochs.unwrap_or(recipe.train.epochs);
    recipe.train.batch = args.batch.unwrap_or(recipe.train.batch);
    recipe.train.seed = args.compute.seed.unwrap_or(recipe.train.seed);
    recipe.optim.lr = args.lr.unwrap_or(recipe.optim.lr);
    recipe.check()?;
    Ok(recipe)
}

/// The shipped recipe for this network and data, if there is one; else the one for the network on the
/// built-in digits, or the defaults.
fn default_recipe(args: &Train) -> Result<Recipe> {
    let model = args.model.as_deref().unwrap_or("lenet5");
    let data = args.data.as_deref().unwrap_or("digits");
    let name = format!("{model}-{data}");
    match striate_train::SHIPPED.iter().any(|recipe| recipe.name == name) {
        true => Ok(shipped(&name)?),
        false => Ok(Recipe::default()),
    }
}

/// A resumed run has its recipe; flags that would change it are refused.
fn refuse_conflicts(args: &Train) -> Result<()> {
    let given = [
        ("MODEL", args.model.is_some()),
        ("--data", args.data.is_some()),
        ("--recipe", args.recipe.is_some()),
        ("--set", !args.set.is_empty()),
        ("--weights", args.weights.is_some()),
        ("--out", args.out.is_some()),
        ("--batch", args.batch.is_some()),
        ("--lr", args.lr.is_some()),
        ("--seed", args.compute.seed.is_some()),
        ("--dry-run", args.dry_run),
        ("--overfit-one-batch", args.overfit_one_batch),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Error::input(format!(
            "{flag} cannot be used with --resume, which takes the run's own recipe; only --epochs, --steps and --threads may differ"
        ))
        .into()),
        None => Ok(()),
    }
}

/// `curves.png` in the run's folder: loss and error over the epochs.
fn draw_curves(run: &Path) -> Result<()> {
    let columns = read_metrics(run)?;
    let pick = |name: &str, label: &str| {
        let column = columns.iter().find(|(other, _)| other == name);
        column.map(|(_, points)| (label.to_owned(), points.clone()))
    };
    let series = [
        pick("train_loss", "training loss"),
        pick("val_loss", "held-out loss"),
        pick("val_top1_error", "held-out error"),
    ];
    let series: Vec<_> = series.into_iter().flatten().filter(|(_, points)| points.len() > 1).collect();
    if series.is_empty() {
        return Ok(());
    }
    let path = run.join("curves.png");
    let picture = encode_png(&draw::curves("loss and error", "epoch", &series))?;
    Ok(write_file(&path, &picture)?)
}

fn as_json(outcome: &Outcome, steps_given: bool) -> serde_json::Value {
    let tally = outcome.tally.as_ref();
    let mut value = json!({
        "epochs": outcome.epochs,
        "steps": outcome.steps,
        "finished": outcome.finished,
        "seconds": outcome.seconds,
        "images_per_second": outcome.images_per_second,
        "train_loss": outcome.train_loss,
        "val_loss": tally.map(striate_predict::Tally::loss),
        "top1_error": tally.map(striate_predict::Tally::top1_error),
        "top5_error": tally.map(striate_predict::Tally::top5_error),
        "model": outcome.model,
        "run": outcome.run,
        "weights_sha256": outcome.weights_sha256,
    });
    if steps_given {
        value["losses"] = json!(outcome.losses);
    }
    value
}

fn tell(outcome: &Outcome) {
    let model = outcome.model.display();
    if let Some(tally) = &outcome.tally {
        println!(
            "{} error {:.2} % (top 5: {:.2} %) on {} images, after {:.1} s at {:.0} images/s",
            outcome.part,
            tally.top1_error() * 100.0,
            tally.top5_error() * 100.0,
            tally.n(),
            outcome.seconds,
            outcome.images_per_second,
        );
    } else {
        println!("stands at step {}, loss {:.4}", outcome.steps, outcome.train_loss);
    }
    let run = outcome.run.display();
    println!("run folder {run}: model, recipe, metrics, curves.png, checkpoints");
    if outcome.finished {
        println!("try next:   striate predict {model} PICTURE.png --picture guesses.png");
        println!("            striate inspect {model} --plan");
        println!("            striate train --data mnist   (first: striate data get mnist)");
    } else {
        println!("go on with: striate train --resume {run}");
    }
}
