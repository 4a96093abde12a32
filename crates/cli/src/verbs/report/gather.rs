//! Collects what a report shows: from the run folder, and by measuring the model on its data.

use std::path::Path;

use anyhow::Result;
use striate_data::{Dataset, LoadOptions, Medium, Pixels, Prepared, Spec, Split, Unreadable};
use striate_formats::ModelFile;
use striate_insight::report::{Evaluated, Mistakes, Report};
use striate_predict::{Classifier, OpenOptions, open_model, read_again};
use striate_tensor::file::read_text_limited;
use striate_tensor::text::{grouped, printable_path};
use striate_train::{
    LAST, PLAN, RECIPE, Recipe, RunFacts, Settings, evaluate_each, load_data, refuse_changed_data, samples,
    trained_loss,
};

use super::facts::facts;
use super::pictures::{self, Shown};
use crate::device::Chosen;
use crate::measured;
use crate::output::survey_lines;
use crate::progress::job_bar;

/// Largest size of a plan and a recipe that are read, in bytes.
const LARGEST_TEXT: u64 = 16 << 20;
/// Lines of the plan that are shown.
const PLAN_LINES: usize = 60;
/// Classes whose augmented samples are shown, and samples of each.
const SAMPLES: [usize; 2] = [6, 8];
/// The most confident mistakes that are shown.
const MISTAKES: usize = 12;
/// Confusions that are shown, and images of each.
const PAIRS: [usize; 2] = [5, 3];

/// Collects the report of the run in the folder `run`. What cannot be had is left out, with a note.
///
/// # Errors
/// If the folder has no recipe or no model, or a file of it is damaged.
pub fn gather(run: &Path, chosen: &Chosen, options: LoadOptions) -> Result<Report> {
    let own = RunFacts::read(run)?;
    let recipe = &own.recipe;
    let path = run.join(LAST);
    let open = OpenOptions::default();
    let again = read_again(&path, &open);
    let (model, _) = open_model(&path, &open)?;
    let plan = read_text_limited(&run.join(PLAN), LARGEST_TEXT).unwrap_or_default();
    let mut report = Report {
        title: format!("{} on {}", model.network.name, recipe.data.spec),
        introduction: format!("Report of the run {}", printable_path(run)),
        recipe: read_text_limited(&run.join(RECIPE), LARGEST_TEXT)?,
        plan: excerpt(&plan),
        facts: facts(&own, &model, &plan, chosen),
        metrics: own.metrics.clone(),
        ..Report::default()
    };
    if own.metrics.is_empty() {
        report.notes.push("no curves: the run has no metrics.csv".into());
    }
    if let Err(error) = on_data(&mut report, model, again, recipe, (&path, chosen), options) {
        let spec = &recipe.data.spec;
        report.notes.push(format!("{spec}: {error:#}; figures and images are left out"));
    }
    Ok(report)
}

/// The last plan of `plan.txt`, its beginning.
fn excerpt(plan: &str) -> String {
    let start = plan.rfind("from step ").unwrap_or(0);
    let lines: Vec<&str> = plan[start..].trim_end().lines().collect();
    match lines.len() > PLAN_LINES {
        true => format!("{}\n… and {} more lines", lines[..PLAN_LINES].join("\n"), lines.len() - PLAN_LINES),
        false => lines.join("\n"),
    }
}

/// Adds what needs the data.
fn on_data(
    report: &mut Report,
    model: ModelFile,
    again: Option<striate_engine::ReadAgain>,
    recipe: &Recipe,
    (path, chosen): (&Path, &Chosen),
    options: LoadOptions,
) -> Result<()> {
    let spec = Spec::parse(&recipe.data.spec)?;
    let mut dataset = load_data(recipe, &model.network, true, options.clone())?;
    let trained_on = model.data.as_ref().map_or("", |data| &data.fingerprint);
    refuse_changed_data(path.parent().unwrap_or(path), trained_on, &mut dataset, "")?;
    let medium = spec.medium();
    let name = match medium {
        Some(Medium::Sound) => "Sounds",
        Some(Medium::Text) => "Texts",
        Some(Medium::Image) | None => "Images",
    };
    let fact = (name.to_owned(), parts(&dataset));
    report.facts.insert(report.facts.len().min(2), fact);
    let is_image = !matches!(dataset.train.pixels, Pixels::Numbers(_) | Pixels::Characters(_));
    if is_image {
        add_samples(report, recipe, dataset)?;
    } else {
        drop(dataset);
        let what = medium.map_or("arrays of numbers".into(), |medium| format!("{}s", medium.name()));
        report.notes.push(format!("the data consists of {what}, so no images are shown"));
    }
    let unreadable = if recipe.skips_unreadable() { Unreadable::Skip } else { Unreadable::Refuse };
    let max_pixels = recipe.data.max_pixels.unwrap_or(options.max_pixels);
    let options = LoadOptions { unreadable, max_pixels, ..options };
    let loss = trained_loss(&model);
    let kernels = pictures::first_kernels(&model).filter(|_| is_image);
    let classifier = Classifier::with_source(model, again, chosen.device())?;
    let loaded = measured::load(&spec, &classifier, path, options, &mut report.notes)?;
    let form = measured::remaining_form(&classifier, &spec, false)?;
    if loaded.part == "all" {
        report.notes.push(measured::SEEN.into());
    }
    report.notes.extend(survey_lines(&loaded.survey, "unreadable, skipped"));
    let data = Prepared::new(loaded.split, form.as_ref())?;
    let bar = job_bar(data.len(), loaded.part);
    let mut mistakes = Mistakes::default();
    let tally = evaluate_each(classifier.inference(), loss, &data, |scored| {
        mistakes.add(scored.index, scored.scores, &[scored.label]);
        bar.set_position(scored.index as u64 + 1);
    });
    bar.finish_and_clear();
    let evaluated =
        Evaluated { part: loaded.part.into(), tally: tally?, classes: classifier.classes().to_vec() };
    if is_image && let Err(error) = add_images(report, &classifier, &data, &evaluated, &mistakes) {
        report.notes.push(format!("images are left out: {error:#}"));
    }
    if let Some(Err(error)) = kernels.map(|own| pictures::kernels(&own).map(|own| report.kernels = Some(own)))
    {
        report.notes.push(format!("kernels are left out: {error:#}"));
    }
    report.evaluated = Some(evaluated);
    Ok(())
}

/// Adds images of the measured part, one at a time.
fn add_images(
    report: &mut Report,
    classifier: &Classifier,
    data: &Prepared,
    evaluated: &Evaluated,
    mistakes: &Mistakes,
) -> Result<()> {
    let shown = Shown::new(classifier, data, evaluated, &mut report.notes);
    report.mistakes = shown.examples(&mistakes.worst(MISTAKES))?;
    for pair in mistakes.pairs(PAIRS[0], PAIRS[1]) {
        report.pairs.push((pair.count, shown.examples(&pair.examples)?));
    }
    report.features = shown.features()?;
    Ok(())
}

/// `1,438 in train, 359 in test`
fn parts(dataset: &Dataset) -> String {
    let parts = [
        ("train", Some(&dataset.train)),
        ("validation", dataset.validation.as_ref()),
        ("test", dataset.test.as_ref()),
    ];
    let count =
        |(name, split): (&str, Option<&Split>)| Some(format!("{} in {name}", grouped(split?.len() as u64)));
    parts.into_iter().filter_map(count).collect::<Vec<_>>().join(", ")
}

/// Adds training images as the recipe augments them.
fn add_samples(report: &mut Report, recipe: &Recipe, dataset: Dataset) -> Result<()> {
    let shown = samples(&Settings::from(recipe.clone()), dataset, SAMPLES[0], SAMPLES[1])?;
    report.samples = shown.classes.into_iter().map(pictures::strip).collect::<Result<_>>()?;
    Ok(())
}
