//! `striate eval`

mod guesses;
mod models;
mod text;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};
use striate_data::{Evaluation, LoadOptions, Medium, Prepared, Spec, Unreadable};
use striate_engine::Device;
use striate_graph::Loss;
use striate_predict::{Classifier, Ensemble, Protocol, Tally};
use striate_tensor::Error;
use striate_tensor::text::{counted, printable, printable_path};
use striate_train::{Scored, averaged_loss, evaluate_each, evaluate_ensemble};

use self::guesses::Guesses;
use self::models::{Opened, open};
use crate::arguments::Eval;
use crate::device::{Chosen, Macs};
use crate::effect::{Input, refuse_given, refuse_without_image_files};
use crate::measured::{self, remaining_form};
use crate::output::{errors, survey_lines};
use crate::outputs::{Output, check, refuse_in_data, write_file};
use crate::progress::job_bar;
use crate::{json, weights};

/// An evaluation and what it was done with.
struct Evaluated<'a> {
    args: &'a Eval,
    classes: Vec<String>,
    tally: Tally,
    loaded: Evaluation,
    is_independent: bool,
    /// For each model, the number of views of an image and their scales.
    views: Vec<(usize, Vec<usize>)>,
}

pub fn run(args: Eval) -> Result<()> {
    let spec = Spec::parse(&args.data)?;
    refuse_flags(&args, &spec)?;
    check_output(&args, &spec)?;
    let opened: Vec<Opened> = args.models.iter().map(|path| open(path, &args)).collect::<Result<_>>()?;
    let device = Chosen::open(&args.compute, Macs::Many)?.device();
    let is_plain = args.models.len() == 1 && args.protocol == Protocol::Center && !args.mirror;
    let (done, table) = match is_plain {
        true => evaluate_one(&args, &spec, opened, device)?,
        false => evaluate_views(&args, &spec, opened, device)?,
    };
    if let Some(path) = &args.csv {
        write_file(path, table.as_bytes())?;
    }
    match args.compute.json {
        true => json::print(&as_json(&done))?,
        false => print(&done, !is_plain),
    }
    Ok(())
}

/// Refuses flags that have no effect on these models and this data.
fn refuse_flags(args: &Eval, spec: &Spec) -> Result<()> {
    let network = args.images.network.as_deref();
    let inputs = args.models.iter().flat_map(|model| Input::classifier(model, network));
    args.images.reading.refuse_unused(&inputs.collect::<Vec<_>>())?;
    let protocol = format!("--protocol {}", args.protocol);
    let of_files = [
        ("--skip-unreadable", args.skip_unreadable),
        ("--max-pixels", args.images.max_pixels.is_some()),
        args.cache.flag(),
        (&*protocol, args.protocol != Protocol::Center),
    ];
    refuse_without_image_files(&of_files, &args.data)?;
    if let Spec::Npy(_) | Spec::Audio(_) | Spec::Text(_) = spec {
        let what = spec.medium().map_or("array", Medium::name);
        let reason = format!("applies to images, but {} contains {what}s", args.data);
        refuse_given(&[("--mirror", args.mirror)], &reason)?;
    }
    Ok(())
}

/// Refuses a table that would overwrite an input, or lie among the images.
fn check_output(args: &Eval, spec: &Spec) -> Result<()> {
    let images = &args.images;
    let named = [&images.names, &images.preprocessing, &images.network].into_iter().flatten().map(Path::new);
    let inputs: Vec<&Path> = args.models.iter().map(AsRef::as_ref).chain(named).collect();
    check(args.csv.iter().map(|path| Output::table("--csv", path)), &inputs)?;
    Ok(args.csv.iter().try_for_each(|path| refuse_in_data("--csv", path, spec))?)
}

/// Evaluates one model on images as its preprocessing gives them.
fn evaluate_one<'a>(
    args: &'a Eval,
    spec: &Spec,
    mut opened: Vec<Opened>,
    device: Arc<dyn Device>,
) -> Result<(Evaluated<'a>, String)> {
    let mut opened = opened.remove(0);
    let (mut notes, loss) = (std::mem::take(&mut opened.notes), opened.loss);
    let trained_on = opened.trained_on.take();
    let classifier = opened.classifier(device)?;
    let at = |e: Error| e.at(printable_path(&args.models[0]));
    let head = classifier.head().map_err(at)?;
    notes.extend(head.note().map(str::to_owned));
    let mut loaded = load(spec, &classifier, args, false, &mut notes)?;
    let form = remaining_form(&classifier, spec, args.images.preprocessing.is_some()).map_err(at)?;
    let mut guesses = Guesses::new(args.csv.is_some(), classifier.classes(), loaded.split.files.as_ref());
    let data = Prepared::new(loaded.split.take(), form.as_ref())?;
    notes.extend(trained_note(&loaded, &[trained_on], args));
    weights::print_notes(&args.models[0], &notes);
    report_data(args, &loaded);
    let bar = job_bar(data.len(), loaded.part);
    let each = |scored: Scored<'_>| {
        guesses.add(&scored);
        bar.set_position(scored.index as u64 + 1);
    };
    let tally = evaluate_each(classifier.inference(), loss, &data, each)?;
    bar.finish_and_clear();
    let table = guesses.table();
    let (classes, is_independent) = (classifier.classes().to_vec(), head.is_independent());
    Ok((Evaluated { args, classes, tally, loaded, is_independent, views: vec![(1, vec![])] }, table))
}

/// Evaluates models on several views of each image, or several models.
fn evaluate_views<'a>(
    args: &'a Eval,
    spec: &Spec,
    mut opened: Vec<Opened>,
    device: Arc<dyn Device>,
) -> Result<(Evaluated<'a>, String)> {
    let mut notes: Vec<Vec<String>> =
        opened.iter_mut().map(|opened| std::mem::take(&mut opened.notes)).collect();
    let trained_on: Vec<Option<String>> = opened.iter_mut().map(|opened| opened.trained_on.take()).collect();
    let losses: Vec<Loss> = opened.iter().map(|opened| opened.loss).collect();
    let loss = if losses.iter().all(|loss| *loss == losses[0]) { losses[0] } else { Loss::default() };
    if losses.iter().any(|own| averaged_loss(loss) != *own) {
        notes[0]
            .push("the loss is the cross-entropy of the averaged probabilities, not that of training".into());
    }
    let members = opened.into_iter().map(|opened| opened.member(args, spec, device.clone()));
    let ensemble = models::ensemble(members.collect::<Result<_>>()?, &args.models)?;
    let first = ensemble.members()[0].classifier();
    refuse_other_encodings(&ensemble, args)?;
    let loaded = load(spec, first, args, true, &mut notes[0])?;
    notes[0].extend(trained_note(&loaded, &trained_on, args));
    for (number, member) in ensemble.members().iter().enumerate() {
        notes[number].extend(member.classifier().head()?.note().map(str::to_owned));
        weights::print_notes(&args.models[number], &notes[number]);
    }
    report_data(args, &loaded);
    let (tally, table) = run_views(&ensemble, loss, &loaded, args)?;
    let views = ensemble.members().iter().map(|member| member.views());
    let views = views.map(|views| views.map_or((1, vec![]), |views| (views.count(), views.scales())));
    let (classes, is_independent) = (ensemble.classes().to_vec(), ensemble.is_independent());
    let views = views.collect();
    Ok((Evaluated { args, classes, tally, loaded, is_independent, views }, table))
}

/// Refuses models that encode samples in other ways than the first, since each sample is encoded once.
fn refuse_other_encodings(ensemble: &Ensemble, args: &Eval) -> Result<()> {
    let encodings = ensemble.members().iter().map(|member| member.classifier().encoding());
    let encodings: Vec<_> = encodings.collect();
    match encodings.iter().position(|encoding| *encoding != encodings[0]) {
        None => Ok(()),
        Some(other) => {
            let what = format!("encodes its input differently from {}", printable_path(&args.models[0]));
            Err(Error::input(what)
                .at(printable_path(&args.models[other]))
                .advising("evaluate them one by one")
                .into())
        }
    }
}

fn run_views(
    ensemble: &Ensemble,
    loss: Loss,
    loaded: &Evaluation,
    args: &Eval,
) -> striate_tensor::Result<(Tally, String)> {
    let mut guesses = Guesses::new(args.csv.is_some(), ensemble.classes(), loaded.split.files.as_ref());
    let bar = job_bar(loaded.split.len(), loaded.part);
    let tally = evaluate_ensemble(ensemble, loss, &loaded.split, |scored| {
        guesses.add(&scored);
        bar.set_position(scored.index as u64 + 1);
    });
    bar.finish_and_clear();
    Ok((tally?, guesses.table()))
}

/// The note that a model was trained on most of the images, if one was.
fn trained_note(loaded: &Evaluation, trained_on: &[Option<String>], args: &Eval) -> Option<String> {
    let is_same = trained_on.iter().flatten().any(|data| *data == args.data);
    (loaded.part == "all" && is_same).then(|| measured::SEEN.into())
}

/// Reports what was found in loading the data.
fn report_data(args: &Eval, loaded: &Evaluation) {
    let lines = survey_lines(&loaded.survey, "unreadable, skipped");
    lines.iter().for_each(|line| eprintln!("{}: {line}", printable(&args.data)));
}

/// Loads the part of the data that the model is evaluated on, with the model's classes; findings are added to
/// `notes`.
fn load(
    spec: &Spec,
    classifier: &Classifier,
    args: &Eval,
    keeps_originals: bool,
    notes: &mut Vec<String>,
) -> striate_tensor::Result<Evaluation> {
    let unreadable = if args.skip_unreadable { Unreadable::Skip } else { Unreadable::Refuse };
    let max_pixels = args.images.max_pixels();
    let options = LoadOptions { max_pixels, unreadable, keeps_originals, ..args.cache.options() };
    measured::load(spec, classifier, &args.models[0], options, notes)
}

fn as_json(done: &Evaluated) -> Value {
    let Evaluated { args, loaded, views, .. } = done;
    let mut value = json::tally(&done.tally, &done.classes);
    value["part"] = json!(loaded.part);
    value["missing_classes"] = json!(loaded.missing);
    value["skipped"] = json!(loaded.survey.skipped.iter().map(|left| left.count).sum::<usize>());
    value["unreadable"] = json!(loaded.survey.unreadable.len());
    value["independent_scores"] = json!(done.is_independent);
    value["protocol"] = json!(args.protocol.name());
    value["mirror"] = json!(args.mirror || args.protocol.is_mirrored());
    value["crops"] = json!(views.iter().map(|(count, _)| count).sum::<usize>());
    value["scales"] = json!(views.iter().all(|(_, scales)| *scales == views[0].1).then(|| &views[0].1));
    let models =
        args.models.iter().zip(views).map(
            |(path, (crops, scales))| json!({ "file": json::path(path), "crops": crops, "scales": scales }),
        );
    value["models"] = json!(models.collect::<Vec<_>>());
    value
}

fn print(done: &Evaluated, names_protocol: bool) {
    let Evaluated { args, tally, loaded, views, .. } = done;
    if names_protocol {
        let models = args.models.iter().zip(views);
        models.for_each(|(path, views)| println!("{}: {}", printable_path(path), protocol_line(args, views)));
    }
    println!(
        "{}{}, loss {:.4}, on {} {}s of {}",
        match loaded.part {
            "all" => String::new(),
            part => format!("{part} "),
        },
        errors(tally),
        tally.loss(),
        tally.n(),
        Medium::of(&args.data).name(),
        printable(&args.data)
    );
    println!("{}", text::more_figures(tally));
    print!("{}", text::classes_table(tally, &done.classes));
}

/// What a model sees of each image.
fn protocol_line(args: &Eval, (count, scales): &(usize, Vec<usize>)) -> String {
    let what = if args.protocol.is_mirrored() { "crop" } else { "view" };
    let mut line = format!("{}, {} of each image", args.protocol, counted(*count, what));
    if args.mirror || args.protocol.is_mirrored() {
        line += ", half of them mirrored";
    }
    if !scales.is_empty() {
        let scales: Vec<String> = scales.iter().map(ToString::to_string).collect();
        line += &format!(", shorter side {}", scales.join(", "));
    }
    line
}
