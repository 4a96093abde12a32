//! `striate predict`

pub(super) mod files;

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
use crate::arguments::Predict;
use crate::device::{Chosen, Macs};
use crate::effect::{Input, refuse_given};
use crate::output::skipped;
use crate::outputs::{Output, check, refuse_beside_images, write_file};
use crate::{json, weights};

/// The predictions for a file, or why it could not be read.
type Outcome = (PathBuf, TensorResult<Vec<Guess>>);

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
    let medium = if model.encoding.is_some() { Medium::Sound } else { Medium::Image };
    refuse_flags_of_images(&args, medium)?;
    let listing = files::list(&args.files, medium)?;
    if args.picture.is_some() && listing.files.len() != 1 {
        return Err(Error::input("--picture takes exactly one image").into());
    }
    check_outputs(&args, &listing.files)?;
    let again = read_again(&args.model, &options);
    let macs = Macs::of(&model.network, listing.files.len() as u64);
    let classifier = Classifier::with_source(model, again, Chosen::open(&args.compute, macs)?.device());
    let classifier = classifier.map_err(|e| e.at(printable_path(&args.model)))?;
    if medium == Medium::Image {
        classifier.image_preprocessing().map_err(|e| e.at(printable_path(&args.model)))?;
    }
    let head = classifier.head().map_err(|e| e.at(printable_path(&args.model)))?;
    notes.extend(head.note().map(str::to_owned));
    let outcomes = listing.files.iter().map(|file| {
        let guesses = match files::read(file, medium, args.images.max_pixels()) {
            Err(e) => Err(e),
            Ok(Sample::Image(image)) => {
                let guesses = classifier.guesses(&image, args.top).map_err(|e| e.at(printable_path(file)))?;
                args.picture.iter().try_for_each(|out| picture(out, &image, &guesses))?;
                Ok(guesses)
            }
            Ok(Sample::Sound(sound)) => {
                Ok(classifier.guesses_of_sound(&sound, args.top).map_err(|e| e.at(printable_path(file)))?)
            }
        };
        Ok((file.clone(), guesses))
    });
    let outcomes: Vec<Outcome> = outcomes.collect::<Result<_>>()?;
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

/// Refuses flags about images, if the model takes sounds.
fn refuse_flags_of_images(args: &Predict, medium: Medium) -> TensorResult<()> {
    let images = &args.images;
    let flags = [("--picture", args.picture.is_some()), ("--max-pixels", images.max_pixels.is_some())];
    match medium {
        Medium::Image => Ok(()),
        Medium::Sound => refuse_given(&flags, "applies to images, but the model takes sounds"),
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
    for (path, guesses) in outcomes {
        let Ok(guesses) = guesses else { continue };
        println!("{}", printable_path(path));
        for Guess { class, score, .. } in guesses {
            let bar = "█".repeat((score * 30.0).round() as usize);
            println!("  {}  {:>5.1} %  {bar}", pad(&cell(class), width), score * 100.0);
        }
    }
}

fn as_json(outcomes: &[Outcome], listing: &Listing, is_independent: bool) -> Value {
    let one = |g: &Guess| json!({ "class": g.class, "index": g.index, "score": g.score });
    let (mut predictions, mut unreadable) = (Vec::new(), Vec::new());
    for (path, guesses) in outcomes {
        match guesses {
            Ok(guesses) => predictions.push(
                json!({ "file": json::path(path), "top": guesses.iter().map(one).collect::<Vec<_>>() }),
            ),
            Err(error) => unreadable.push(json!({ "file": json::path(path), "reason": error.to_string() })),
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

/// A CSV table: for each readable image its file, then class and score of each prediction.
fn table(outcomes: &[Outcome]) -> String {
    let read = || outcomes.iter().filter_map(|(path, guesses)| Some((path, guesses.as_ref().ok()?)));
    let count = read().map(|(_, guesses)| guesses.len()).max().unwrap_or(0);
    let head: String = (1..=count).map(|i| format!(",class{i},score{i}")).collect();
    let mut text = format!("file{head}\n");
    for (file, guesses) in read() {
        let guesses = guesses
            .iter()
            .flat_map(|guess| [Cell::Text(guess.class.clone()), Cell::Plain(format!("{:.6}", guess.score))]);
        let cells: Vec<Cell> =
            std::iter::once(Cell::Text(file.to_string_lossy().into_owned())).chain(guesses).collect();
        text += &csv::row(&cells);
    }
    text
}

fn picture(out: &Path, image: &Image, guesses: &[Guess]) -> TensorResult<()> {
    let bars: Vec<(String, f32)> = guesses.iter().map(|guess| (guess.class.clone(), guess.score)).collect();
    write_file(out, &encode_png(&draw::guesses(image, &bars))?)
}
