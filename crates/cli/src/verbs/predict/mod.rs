//! `striate predict`

pub(super) mod files;
mod name;

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};
use striate_data::Medium;
use striate_predict::{Classifier, Guess, open_model, read_again};
use striate_tensor::csv::{self, Cell};
use striate_tensor::text::{cell, pad, printable, printable_path};
use striate_tensor::{Error, Result as TensorResult};
use striate_vision::{Image, draw, encode_png};

use self::files::{Listing, Sample};
use self::name::Name;
use crate::arguments::Predict;
use crate::device::{Chosen, Macs};
use crate::effect::{Input, refuse_given};
use crate::output::skipped;
use crate::outputs::{Output, check, refuse_beside_images, write_file};
use crate::{json, weights};

/// The predictions for a sample, or why it could not be read.
type Outcome = (Name, TensorResult<Vec<Guess>>);

pub fn run(args: Predict) -> Result<()> {
    let inputs = Input::classifier(&args.model, args.images.network.as_deref());
    args.images.reading.refuse_unused(&inputs)?;
    if args.top == 0 {
        return Err(Error::input("--top must be at least 1").into());
    }
    // First of all, so that nothing is read if an output is wrong.
    check_outputs(&args, &args.files)?;
    let options = args.images.options();
    let (model, mut notes) = open_model(&args.model, &options)?;
    let medium = Medium::of_encoding(model.encoding.as_ref());
    refuse_flags_of_others(&args, medium)?;
    let listing = files::list(&args.files, medium)?;
    if args.picture.is_some() && listing.files.len() != 1 {
        return Err(Error::input("--picture takes exactly one image").into());
    }
    check_outputs(&args, &listing.files)?;
    let again = read_again(&args.model, &options);
    let macs = Macs::of(&model.network, (listing.files.len() + args.text.len()) as u64);
    let classifier = Classifier::with_source(model, again, Chosen::open(&args.compute, macs)?.device());
    let classifier = classifier.map_err(|e| e.at(printable_path(&args.model)))?;
    if medium == Medium::Image {
        classifier.image_preprocessing().map_err(|e| e.at(printable_path(&args.model)))?;
    }
    let head = classifier.head().map_err(|e| e.at(printable_path(&args.model)))?;
    notes.extend(head.note().map(str::to_owned));
    let mut outcomes: Vec<Outcome> = Vec::new();
    for text in &args.text {
        outcomes.push((Name::Given(text.clone()), Ok(classifier.guesses_of_text(text, args.top)?)));
    }
    for file in &listing.files {
        let name = Name::File(file.clone());
        let at = |e: Error| e.at(printable_path(file));
        match files::read(file, medium, args.images.max_pixels()) {
            Err(e) => outcomes.push((name, Err(e))),
            Ok(Sample::Image(image)) => {
                let guesses = classifier.guesses(&image, args.top).map_err(at)?;
                args.picture.iter().try_for_each(|out| picture(out, &image, &guesses))?;
                outcomes.push((name, Ok(guesses)));
            }
            Ok(Sample::Sound(sound)) => {
                outcomes.push((name, Ok(classifier.guesses_of_sound(&sound, args.top).map_err(at)?)));
            }
            Ok(Sample::Texts(texts)) => {
                for (line, text) in texts {
                    let guesses = classifier.guesses_of_text(&text, args.top).map_err(at)?;
                    outcomes.push((Name::Line(file.clone(), line), Ok(guesses)));
                }
            }
        }
    }
    if let [(_, Err(error))] = &outcomes[..] {
        return Err(error.clone().into());
    }
    weights::print_notes(&args.model, &notes);
    print_skipped(&listing);
    if let Some(path) = &args.csv {
        write_file(path, table(&outcomes).as_bytes())?;
    }
    match args.compute.json {
        true => json::print(&as_json(&outcomes, &listing, head.is_independent()))?,
        false => print(&outcomes, &classifier),
    }
    refuse_broken(&outcomes, medium)
}

/// Refuses flags about other samples than those that the model takes.
fn refuse_flags_of_others(args: &Predict, medium: Medium) -> TensorResult<()> {
    let images = &args.images;
    let flags = [("--picture", args.picture.is_some()), ("--max-pixels", images.max_pixels.is_some())];
    let what = medium.name();
    if medium != Medium::Image {
        refuse_given(&flags, &format!("applies to images, but the model takes {what}s"))?;
    }
    match medium {
        Medium::Text => Ok(()),
        Medium::Image | Medium::Sound => refuse_given(
            &[("--text", !args.text.is_empty())],
            &format!("applies to texts, but the model takes {what}s"),
        ),
    }
}

/// Refuses outputs that would overwrite each other or an input, or lie in a folder of images.
fn check_outputs(args: &Predict, files: &[PathBuf]) -> TensorResult<()> {
    let picture = args.picture.iter().map(|path| Output::picture("--picture", path));
    let outputs = picture.chain(args.csv.iter().map(|path| Output::table("--csv", path)));
    let outputs: Vec<Output> = outputs.collect();
    let images = &args.images;
    let named = [&images.names, &images.preprocessing, &images.network].into_iter().flatten().map(Path::new);
    let inputs = files.iter().map(PathBuf::as_path).chain(named).chain([args.model.as_path()]);
    check(outputs.iter().copied(), &inputs.collect::<Vec<_>>())?;
    let folders = args.files.iter().map(PathBuf::as_path).filter(|path| path.is_dir());
    refuse_beside_images(outputs, &folders.collect::<Vec<_>>())
}

/// Reports the skipped entries of folders, by kind.
fn print_skipped(listing: &Listing) {
    for (kind, (count, first)) in &listing.skipped {
        eprintln!("{}", skipped(kind, *count, &first.to_string_lossy()));
    }
}

/// Lists the files that could not be read and returns an error if there are any.
fn refuse_broken(outcomes: &[Outcome], medium: Medium) -> Result<()> {
    let broken: Vec<&Error> = outcomes.iter().filter_map(|(_, guesses)| guesses.as_ref().err()).collect();
    if broken.is_empty() {
        return Ok(());
    }
    broken.iter().for_each(|error| eprintln!("{}", printable(&error.to_string())));
    let (count, all) = (broken.len(), outcomes.len());
    Err(Error::input(format!(
        "{count} of {all} {}s could not be read, as listed above; replace or remove them",
        medium.name()
    ))
    .into())
}

fn print(outcomes: &[Outcome], classifier: &Classifier) {
    let width = classifier.classes().iter().map(|class| cell(class).chars().count()).max().unwrap_or(0);
    for (name, guesses) in outcomes {
        let Ok(guesses) = guesses else { continue };
        println!("{}", printable(&name.text()));
        for Guess { class, score, .. } in guesses {
            let bar = "█".repeat((score * 30.0).round() as usize);
            println!("  {}  {:>5.1} %  {bar}", pad(&cell(class), width), score * 100.0);
        }
    }
}

fn as_json(outcomes: &[Outcome], listing: &Listing, is_independent: bool) -> Value {
    let one = |g: &Guess| json!({ "class": g.class, "index": g.index, "score": g.score });
    let (mut predictions, mut unreadable) = (Vec::new(), Vec::new());
    for (name, guesses) in outcomes {
        let mut entry = name.json();
        match guesses {
            Ok(guesses) => {
                entry["top"] = guesses.iter().map(one).collect();
                predictions.push(entry);
            }
            Err(error) => {
                entry["reason"] = json!(error.to_string());
                unreadable.push(entry);
            }
        }
    }
    let skipped: Vec<Value> = listing
        .skipped
        .iter()
        .map(|(kind, (count, first))| json!({ "kind": kind, "count": count, "first": json::path(first) }))
        .collect();
    json!({
        "predictions": predictions,
        "independent_scores": is_independent,
        "skipped": skipped,
        "unreadable": unreadable,
    })
}

/// A CSV table: for each sample that could be read its file, then class and score of each prediction.
fn table(outcomes: &[Outcome]) -> String {
    let read = || outcomes.iter().filter_map(|(name, guesses)| Some((name, guesses.as_ref().ok()?)));
    let count = read().map(|(_, guesses)| guesses.len()).max().unwrap_or(0);
    let head: String = (1..=count).map(|i| format!(",class{i},score{i}")).collect();
    let mut text = format!("file{head}\n");
    for (name, guesses) in read() {
        let guesses = guesses
            .iter()
            .flat_map(|guess| [Cell::Text(guess.class.clone()), Cell::Plain(format!("{:.6}", guess.score))]);
        let cells: Vec<Cell> = std::iter::once(Cell::Text(name.text())).chain(guesses).collect();
        text += &csv::row(&cells);
    }
    text
}

fn picture(out: &Path, image: &Image, guesses: &[Guess]) -> TensorResult<()> {
    let bars: Vec<(String, f32)> = guesses.iter().map(|guess| (guess.class.clone(), guess.score)).collect();
    write_file(out, &encode_png(&draw::guesses(image, &bars))?)
}
