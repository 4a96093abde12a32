//! `striate eval`

use anyhow::Result;
use serde_json::json;
use striate_data::{Evaluation, LoadOptions, Pixels, Prepared, Spec, Unreadable, load_for_evaluation};
use striate_predict::{Classifier, Tally, align, open_model, read_again};
use striate_tensor::Error;
use striate_tensor::text::{printable, printable_path};
use striate_train::{evaluate, trained_loss};
use striate_vision::Preprocessing;

use crate::arguments::Eval;
use crate::device::{Chosen, Macs};
use crate::effect::{Input, refuse_without_image_files};
use crate::output::{errors, survey_lines, table};
use crate::progress::job_bar;
use crate::{json, weights};

/// Largest number of classes shown as a confusion matrix.
const MOST_IN_CONFUSION: usize = 20;
/// Largest number of classes with images shown as a list.
const MOST_IN_LIST: usize = 40;

pub fn run(args: Eval) -> Result<()> {
    let spec = Spec::parse(&args.data)?;
    let inputs = Input::classifier(&args.model, args.images.network.as_deref());
    args.images.reading.refuse_unused(&inputs)?;
    let skips = ("--skip-unreadable", args.skip_unreadable);
    let of_files = [skips, ("--max-pixels", args.images.max_pixels.is_some()), args.cache.flag()];
    refuse_without_image_files(&of_files, &args.data)?;
    let options = args.images.options();
    let again = read_again(&args.model, &options);
    let (model, mut notes) = open_model(&args.model, &options)?;
    let loss = trained_loss(&model);
    let trained_on = model.data.as_ref().map(|data| data.spec.clone());
    let classifier = Classifier::with_source(model, again, Chosen::open(&args.compute, Macs::Many)?.device());
    let classifier = classifier.map_err(|e| e.at(printable_path(&args.model)))?;
    let head = classifier.head().map_err(|e| e.at(printable_path(&args.model)))?;
    notes.extend(head.note().map(str::to_owned));
    let loaded = load(&spec, &classifier, &args, &mut notes)?;
    let form = form(&loaded, &classifier, &spec, args.images.preprocessing.is_some());
    let data = Prepared::new(loaded.split, form.map_err(|e| e.at(printable_path(&args.model)))?.as_ref())?;
    if loaded.part == "all" && trained_on.as_ref() == Some(&args.data) {
        notes.push("trained on most of these images, so this error says little about new ones".into());
    }
    weights::print_notes(&args.model, &notes);
    let lines = survey_lines(&loaded.survey, "unreadable, skipped");
    lines.iter().for_each(|line| eprintln!("{}: {line}", printable(&args.data)));
    let bar = job_bar(data.len(), loaded.part);
    let tally = evaluate(classifier.inference(), loss, &data, |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    let classes = classifier.classes();
    if args.compute.json {
        let mut value = json::tally(&tally, classes);
        value["part"] = json!(loaded.part);
        value["missing_classes"] = json!(loaded.missing);
        value["skipped"] = json!(loaded.survey.skipped.iter().map(|left| left.count).sum::<usize>());
        value["unreadable"] = json!(loaded.survey.unreadable.len());
        value["independent_scores"] = json!(head.is_independent());
        return Ok(json::print(&value)?);
    }
    println!(
        "{}{}, loss {:.4}, on {} images of {}",
        match loaded.part {
            "all" => String::new(),
            part => format!("{part} "),
        },
        errors(&tally),
        tally.loss(),
        tally.n(),
        printable(&args.data)
    );
    println!("{}", more_figures(&tally));
    print!(
        "{}",
        if classes.len() > MOST_IN_CONFUSION { list(&tally, classes) } else { confusion(&tally, classes) }
    );
    Ok(())
}

/// Loads the part of the data that the model is evaluated on, with the model's classes; findings are added to
/// `notes`.
fn load(spec: &Spec, classifier: &Classifier, args: &Eval, notes: &mut Vec<String>) -> Result<Evaluation> {
    let unreadable = if args.skip_unreadable { Unreadable::Skip } else { Unreadable::Refuse };
    let mut options =
        LoadOptions { max_pixels: args.images.max_pixels(), unreadable, ..args.cache.options() };
    if spec.has_image_files() {
        // Images are preprocessed as in `predict`.
        let form = classifier.image_preprocessing().map_err(|e| e.at(printable_path(&args.model)))?;
        (options.steps, options.channels) = (Some(form.steps.clone()), Some(form.channels));
    }
    let mut found = Vec::new();
    let by_name = |model: &[String], data: &[String]| {
        let on = format!("{} on {}", printable_path(&args.model), args.data);
        let aligned = align(model, data).map_err(|e| e.at(on))?;
        found = aligned.notes;
        Ok(aligned.indices)
    };
    let loaded = load_for_evaluation(spec, classifier.classes(), &options, by_name)?;
    notes.append(&mut found);
    Ok(loaded)
}

/// The preprocessing of the loaded images; `None` for arrays, which are used unchanged.
pub(super) fn form(
    loaded: &Evaluation,
    classifier: &Classifier,
    spec: &Spec,
    is_given: bool,
) -> striate_tensor::Result<Option<Preprocessing>> {
    match (&loaded.split.pixels, spec.has_image_files()) {
        (Pixels::Numbers(_), _) if is_given => {
            Err(Error::input("--preprocessing applies only to images; arrays are used unchanged"))
        }
        (Pixels::Numbers(_), _) => Ok(None),
        // The steps were applied when the images were loaded.
        (Pixels::Bytes(_) | Pixels::Files, true) => {
            Ok(Some(Preprocessing { steps: vec![], ..classifier.image_preprocessing()?.clone() }))
        }
        (Pixels::Bytes(_) | Pixels::Files, false) => match classifier.preprocessing() {
            Some(form) => Ok(Some(form.clone())),
            None => classifier.image_preprocessing().map(|form| Some(form.clone())),
        },
    }
}

/// The confusion matrix: a row for each true class, a column for each predicted one.
fn confusion(tally: &Tally, classes: &[String]) -> String {
    let short = |name: &String| name.chars().take(10).collect::<String>();
    let mut rows = vec![vec!["true \\ predicted".to_owned()]];
    rows[0].extend(classes.iter().map(short));
    rows[0].push("error".into());
    for ((class, counts), error) in classes.iter().zip(tally.confusion()).zip(tally.per_class()) {
        let mut row = vec![class.clone()];
        row.extend(counts.iter().map(|count| if *count == 0 { "·".into() } else { count.to_string() }));
        row.push(error.map_or("–".into(), percent));
        rows.push(row);
    }
    table(&rows)
}

/// How sure the error is, and how well classes and confidences are met.
fn more_figures(tally: &Tally) -> String {
    let [low, high] = tally.top1_interval().map(|share| share * 100.0);
    let mut text = format!("95 % confidence interval of the top-1 error: {low:.2} to {high:.2} %");
    let share = |name: &str, share: Option<f64>| {
        share.map_or(String::new(), |share| format!("; {name} {:.2} %", share * 100.0))
    };
    text += &share("mean F1 of the classes", tally.macro_f1());
    text + &share("calibration error", tally.calibration_error())
}

/// The classes that have images, each with the class it is most often confused with.
fn list(tally: &Tally, classes: &[String]) -> String {
    let mut rows = vec![["class", "images", "error", "most confused with"].map(str::to_owned).to_vec()];
    for (index, (counts, error)) in tally.confusion().iter().zip(tally.per_class()).enumerate() {
        let Some(error) = error else { continue };
        let wrong = (0..counts.len()).filter(|guess| *guess != index && counts[*guess] > 0);
        // The first of several with the same count.
        let most = wrong.rev().max_by_key(|guess| counts[*guess]);
        let images: usize = counts.iter().sum();
        let mistaken = most.map(|guess| classes[guess].clone()).unwrap_or_default();
        rows.push(vec![classes[index].clone(), images.to_string(), percent(error), mistaken]);
    }
    if rows.len() > MOST_IN_LIST + 1 { String::new() } else { table(&rows) }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
