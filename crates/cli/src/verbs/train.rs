//! `striate train`

mod dry_run;
mod find_lr;
mod normalization;
mod report;
mod summary;

use std::path::{Path, PathBuf};

use anyhow::Result;
use striate_data::{Dataset, Medium, Spec};
use striate_formats::{Loaded, ModelFile, Weights};
use striate_graph::Network;
use striate_predict::{Resolved, resolve_with};
use striate_tensor::Error;
use striate_train::{Limits, Origin, RUNS, Recipe, RunPath, Session, Settings, Trainer, load_data};

use crate::arguments::Train;
use crate::device::{Chosen, Macs};
use crate::effect::{Input, refuse_given, refuse_without_image_files};
use crate::output::argument;
use crate::outputs::{self, Output, refuse_in_data};
use crate::progress::Watcher;
use crate::reading::Size;
use crate::signals::{Signals, catch_file_size_limit};
use crate::verbs::report::write_beside;
use crate::weights;

pub fn run(args: Train) -> Result<()> {
    if args.any_isa && args.resume.is_none() {
        return Err(Error::input("--any-isa applies only with --resume; omit it").into());
    }
    let chosen = Chosen::open(&args.compute, Macs::Many)?;
    let limits = Limits { steps: args.steps, any_isa: args.any_isa };
    catch_file_size_limit()?;
    let mut watcher = Watcher::new(Signals::install()?);
    let mut trainer = match &args.resume {
        Some(folder) => {
            let load =
                |recipe: &Recipe, network: &Network| load_data(recipe, network, true, args.cache.options());
            Trainer::resume(folder, args.epochs, load, chosen.device(), limits, &mut watcher)?
        }
        None => {
            let Start { settings, network, dataset, weights, file, notes } = Start::new(&args)?;
            let print_notes = || notes.iter().for_each(|(file, notes)| weights::print_notes(file, notes));
            let weights = weights.map(|weights| (file.as_path(), weights));
            let trainer = if args.find_lr {
                let session = Session::new(settings, network, dataset, weights, chosen.device())?;
                print_notes();
                return find_lr::run(session, watcher, args.picture.as_deref(), args.compute.json);
            } else if args.dry_run {
                let session = Session::new(settings, network, dataset, weights, chosen.device())?;
                print_notes();
                return dry_run::run(session, &chosen, args.compute.json);
            } else {
                let stem = || format!("{}-{}", network.name, data_name(&settings.recipe.data.spec));
                let out = args.out.clone().map_or_else(|| RunPath::Free { stem: stem() }, RunPath::Folder);
                Trainer::create(settings, network, dataset, weights, chosen.device(), &out)?
            };
            print_notes();
            trainer
        }
    };
    let summary = trainer.summary()?;
    eprint!("{}", summary::text(&summary));
    let outcome = trainer.run(limits, &mut watcher)?;
    watcher.finish();
    if watcher.was_stopped() && !outcome.finished {
        let (step, run) = (outcome.steps, argument(&outcome.run.to_string_lossy()));
        return Err(Error::failed(format!(
            "stopped by a signal at step {step}; continue with: striate train --resume {run}"
        ))
        .into());
    }
    report::draw_curves(&outcome.run)?;
    let options = args.cache.options();
    // One batch is not the data set, whose fingerprint and figures a report would state.
    let reports = outcome.finished && !args.no_report && !args.overfit_one_batch;
    let page = reports.then(|| write_beside(&outcome.run, &chosen, options)).flatten();
    report::print(&outcome, &summary, &args, page.as_deref())
}

/// The name of the data set `spec` for the name of a run; for a folder or a file, its last component.
fn data_name(spec: &str) -> String {
    let path = match Spec::parse(spec) {
        Ok(Spec::Folder(path) | Spec::Npy(path) | Spec::Idx(path) | Spec::List(path) | Spec::Audio(path)) => {
            Some(path)
        }
        Ok(Spec::Shards(text)) => match text.split_once('{') {
            Some((before, _)) => Some(PathBuf::from(before.trim_end_matches(['-', '_']))),
            None => Some(PathBuf::from(text)),
        },
        Ok(Spec::Cifar(kind, _)) => Some(PathBuf::from(kind.name())),
        _ => None,
    };
    let name = path.and_then(|path| {
        let whole = std::fs::canonicalize(&path).unwrap_or(path);
        whole.file_name().map(|name| name.to_string_lossy().into_owned())
    });
    name.unwrap_or_else(|| spec.to_owned()).replace('.', "_")
}

/// Everything that a new run needs.
struct Start {
    settings: Settings,
    network: Network,
    dataset: Dataset,
    weights: Option<Weights>,
    /// The file of the weights.
    file: PathBuf,
    /// What was chosen in reading files, by file.
    notes: Vec<(PathBuf, Vec<String>)>,
}

impl Start {
    fn new(args: &Train) -> Result<Start> {
        let given = args.recipe.as_deref().map(Settings::named).transpose()?;
        let flags = flags(args);
        refuse_repeated(&flags)?;
        let asked = asked(given.as_ref(), &flags)?;
        let (name, spec) = (&asked.model.name, &asked.data.spec);
        refuse_unused(args, name, spec)?;
        if let Some(picture) = &args.picture {
            outputs::check([Output::picture("--picture", picture)], &inputs(args, name))?;
            refuse_in_data("--picture", picture, &Spec::parse(spec)?)?;
        }
        if !args.dry_run && !args.find_lr {
            let out = args.out.as_deref().unwrap_or(Path::new(RUNS));
            refuse_in_data("--out", out, &Spec::parse(spec)?)?;
        }
        let resolved = resolve_with(name, &args.reading.options())?;
        let network = resolved.network.clone().channels_first();
        let pretrained = args.weights.is_some() || resolved.model.is_some();
        let settings = match given {
            Some(given) => given,
            None => Settings::chosen(name, spec, &network, pretrained)?,
        };
        let mut settings = with_flags(settings, &flags)?.with_model_for_data();
        settings.refuse_pixels(name)?;
        refuse_model_of_features(name, &resolved)?;
        let has_features = settings.recipe.data.features.is_some();
        let given = [("--weights", has_features && args.weights.is_some())];
        refuse_given(&given, "does not apply: the images become features (data.features), not pixels")?;
        refuse_steps(args, &settings.recipe)?;
        if let Some(encoding) = resolved.model.as_ref().and_then(|model| model.encoding.as_ref()) {
            let (spec, medium) = (&settings.recipe.data.spec, Medium::of_encoding(Some(encoding)));
            if Medium::of(spec) != medium {
                let (taken, form) = (medium.name(), medium.form());
                let what = format!("{name}: takes {taken}s, but {spec} has none; use --data {form}");
                return Err(Error::input(what).into());
            }
            settings.encode_as(encoding);
        }
        let mut dataset = load_data(&settings.recipe, &network, pretrained, args.cache.options())?;
        let loaded =
            args.weights.as_deref().map(|path| weights::load(&network, path, &args.reading.options()));
        let loaded = loaded.transpose()?;
        let left_open = normalization::choose(
            &mut settings,
            &network,
            &dataset,
            (name, &resolved),
            loaded.as_ref(),
            args.preprocessing.as_deref(),
        )?;
        if args.overfit_one_batch {
            one_batch(&mut settings, &mut dataset)?;
        }
        let own = PathBuf::from(&settings.recipe.model.name);
        let file = args.weights.clone().unwrap_or_else(|| own.clone());
        let mut notes = vec![(own, resolved.notes)];
        let weights = match loaded {
            Some(Loaded { weights, notes: chosen, .. }) => {
                notes.push((file.clone(), chosen));
                Some(weights)
            }
            None => resolved.model.map(|model| model.weights),
        };
        notes.push((file.clone(), left_open));
        Ok(Start { settings, network, dataset, weights, file, notes })
    }
}

/// Refuses to train a model further whose input is features of images.
fn refuse_model_of_features(name: &str, resolved: &Resolved) -> striate_tensor::Result<()> {
    let form = resolved.model.as_ref().and_then(ModelFile::image_preprocessing);
    match form.is_some_and(|form| form.features.is_some()) {
        true => Err(Error::input(format!(
            "{name}: takes hand-made features of images and cannot be trained further; train its network, {}, anew",
            resolved.network.name
        ))),
        false => Ok(()),
    }
}

/// Refuses flags that are about steps of gradient descent if the recipe has none.
fn refuse_steps(args: &Train, recipe: &Recipe) -> striate_tensor::Result<()> {
    let flags = [
        ("--steps", args.steps.is_some()),
        ("--find-lr", args.find_lr),
        ("--overfit-one-batch", args.overfit_one_batch),
    ];
    let Some(method) = recipe.replacement() else { return Ok(()) };
    refuse_given(&flags, &format!("does not apply: {} are not trained in steps", method.name()))
}

/// The files that are read.
fn inputs<'a>(args: &'a Train, model: &'a str) -> Vec<&'a Path> {
    let files = [args.weights.as_deref(), args.recipe.as_deref().map(Path::new), Some(Path::new(model))];
    files.into_iter().flatten().collect()
}

/// Refuses flags for kinds of files that are not read.
fn refuse_unused(args: &Train, model: &str, spec: &str) -> striate_tensor::Result<()> {
    let skips = ("--skip-unreadable", args.skip_unreadable);
    let flags = [skips, ("--max-pixels", args.max_pixels.is_some()), args.cache.flag()];
    refuse_without_image_files(&flags, spec)?;
    let weights = args.weights.iter().map(|path| Input::file(path, true));
    let inputs: Vec<Input> = weights.chain([Input::network(model)]).collect();
    args.reading.refuse_unused(&inputs)
}

/// The flags that set fields of the recipe, each with its assignment.
fn flags(args: &Train) -> Vec<(&'static str, String)> {
    let mut flags = Vec::new();
    flags.extend(args.model.as_deref().map(|model| ("MODEL", format!("model.name={}", toml_string(model)))));
    flags.extend(args.data.as_deref().map(|data| ("--data", format!("data.spec={}", toml_string(data)))));
    flags.extend(args.set.iter().map(|assignment| ("--set", assignment.clone())));
    flags.extend(args.size.map(|Size([h, w])| ("--size", format!("data.size=[{h},{w}]"))));
    flags.extend(args.skip_unreadable.then(|| ("--skip-unreadable", "data.unreadable=skip".to_owned())));
    flags.extend(args.max_pixels.map(|pixels| ("--max-pixels", format!("data.max_pixels={pixels}"))));
    flags.extend(args.epochs.map(|epochs| ("--epochs", format!("train.epochs={epochs}"))));
    flags.extend(args.batch.map(|batch| ("--batch", format!("train.batch={batch}"))));
    flags.extend(args.compute.seed.map(|seed| ("--seed", format!("train.seed={seed}"))));
    flags.extend(args.lr.map(|lr| ("--lr", format!("optim.lr={}", float(lr)))));
    flags
}

/// Refuses two flags for one field of the recipe, of which one would have no effect.
fn refuse_repeated(flags: &[(&str, String)]) -> striate_tensor::Result<()> {
    let field = |assignment: &str| assignment.split('=').next().unwrap_or_default().trim().to_owned();
    for (index, (flag, assignment)) in flags.iter().enumerate() {
        let field_set = field(assignment);
        if let Some((other, _)) = flags[..index].iter().find(|(_, before)| field(before) == field_set) {
            let by = if other == flag { format!("{flag} twice") } else { format!("both {other} and {flag}") };
            return Err(Error::input(format!("{field_set} is set by {by}; set it once")));
        }
    }
    Ok(())
}

/// Formats text as TOML.
fn toml_string(text: &str) -> String {
    serde_json::to_string(text).expect("text has a JSON form, which TOML shares")
}

/// Formats a number as TOML, which spells infinities and NaN differently.
fn float(number: f32) -> String {
    if number.is_nan() { "nan".into() } else { format!("{number:?}") }
}

/// The recipe as far as it names network and data: `given`, or else the default one, with the flags. Those for features
/// and methods without gradient descent may be for a recipe that depends on the network, and are left out.
pub(super) fn asked(given: Option<&Settings>, flags: &[(&str, String)]) -> Result<Recipe> {
    let is_kept = |(_, assignment): &&(&str, String)| {
        let field = assignment.trim_start();
        given.is_some()
            || !["data.features.", "svm.", "self_organization."].iter().any(|own| field.starts_with(own))
    };
    let flags: Vec<_> = flags.iter().filter(is_kept).cloned().collect();
    let start = given.cloned().unwrap_or_else(|| Recipe::default().into());
    Ok(with_flags(start, &flags)?.with_model_for_data().recipe)
}

/// Changes fields of the recipe by assignments, each given by a flag; errors name the flag.
pub(super) fn with_flags(mut settings: Settings, flags: &[(&str, String)]) -> Result<Settings> {
    for (flag, assignment) in flags {
        settings.set(flag, assignment)?;
    }
    Ok(settings)
}

/// Number of epochs after which a network that can learn at all has overfitted one batch.
const OVERFIT_EPOCHS: u64 = 200;

/// Reduces the data to one batch, for training and evaluation, at a constant learning rate.
fn one_batch(settings: &mut Settings, dataset: &mut Dataset) -> Result<()> {
    for field in [
        "data.holdout",
        "data.augment",
        "data.transforms",
        "data.mixup",
        "data.cutmix",
        "schedule.name",
        "schedule.warmup",
        "train.ema",
        "train.patience",
    ] {
        if let Origin::Flag(flag) = settings.origin(field) {
            let what = format!("{flag}: --overfit-one-batch sets {field} itself; omit one of them");
            return Err(Error::input(what).into());
        }
    }
    let count = settings.recipe.train.batch.min(dataset.train.len());
    dataset.train = dataset.train.select(&(0..count).collect::<Vec<_>>());
    dataset.validation = None;
    dataset.test = None;
    let epochs = match settings.origin("train.epochs") {
        Origin::Flag(_) => settings.recipe.train.epochs,
        _ => OVERFIT_EPOCHS,
    };
    for assignment in [
        "data.holdout=0.0",
        "data.augment=none",
        "data.transforms=[]",
        "data.mixup=0.0",
        "data.cutmix=0.0",
        "train.ema=0.0",
        "train.patience=0",
        "schedule.name=constant",
        "schedule.warmup=0.0",
        &format!("train.batch={count}"),
        &format!("train.epochs={epochs}"),
    ] {
        settings.set("--overfit-one-batch", assignment)?;
    }
    Ok(())
}
