//! `striate data`

mod check;
mod prepare;
mod sheet;
mod show;

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use striate_data::{
    Described, Fetched, FetchedFile, ImageFile, LoadOptions, MnistKind, Skipped, Source, Spec, Split, Survey,
    Unreadable,
};
use striate_tensor::text::{counted, printable, printable_path};
use striate_tensor::{Error, nearest};

use crate::arguments::{DataGet, DataInfo, DataVerb};
use crate::json;
use crate::output::{image_sizes, sides, survey_lines, table};
use crate::outputs::{self, Output, refuse_in_data};
use crate::progress::DownloadBar;
use crate::reading::Cache;
use crate::signals::{Signals, catch_file_size_limit};

/// Largest number of classes listed by `data info`.
const MOST_CLASSES: usize = 40;

pub fn run(verb: DataVerb) -> Result<()> {
    match verb {
        DataVerb::Info(args) => info(args),
        DataVerb::Check(args) => check::run(args),
        DataVerb::Prepare(args) => prepare::run(args),
        DataVerb::Show(args) => show::run(args),
        DataVerb::Get(args) => get(args),
    }
}

fn info(args: DataInfo) -> Result<()> {
    outputs::check(args.picture.iter().map(|picture| Output::picture("--picture", picture)), &[])?;
    let spec = Spec::parse(&args.spec)?;
    args.picture.iter().try_for_each(|picture| refuse_in_data("--picture", picture, &spec))?;
    let options = LoadOptions { unreadable: Unreadable::Skip, ..Cache::default().options() };
    let dataset = striate_data::describe(&spec, &options)?;
    let parts = &dataset.parts;
    let (first, split) = &parts[0];
    if let Some(path) = &args.picture {
        sheet::write(path, &dataset, &args.spec)?;
    }
    let (mean, std) = split.moments()?;
    if args.json {
        let part = |(name, split): &(&str, Split)| {
            let counts = split.counts(dataset.classes.len());
            json!({ "name": name, "n": split.len(), "shape": split.shape, "counts": counts })
        };
        return Ok(json::print(&json!({
            "name": dataset.name,
            "classes": dataset.classes,
            "parts": parts.iter().map(part).collect::<Vec<_>>(),
            "mean": mean,
            "std": std,
            "fingerprint": dataset.fingerprint()?,
            "survey": survey_json(&dataset.survey),
        }))?);
    }
    let shape = sides(&split.shape);
    // The original sizes of image files are in the survey.
    let images = match dataset.survey.sizes {
        Some(_) => format!("read here as images of {shape}; `train` resizes them to the network's size"),
        None if matches!(spec, Spec::Audio(_)) => {
            format!(
                "read here as log-mel spectrograms of {shape}; `train` reads them as its network takes them"
            )
        }
        None if matches!(spec, Spec::Text(_)) => {
            format!("read here as characters, {shape}; `train` reads as many as its network takes")
        }
        None => format!("images of {shape}"),
    };
    println!("{}: {}, {images}", printable(&dataset.name), counted(dataset.classes.len(), "class"));
    print!("{}", class_table(&dataset));
    let fingerprint = dataset.fingerprint()?;
    match spec {
        // A mean and a deviation for each character say little.
        Spec::Text(_) => println!("fingerprint {fingerprint}"),
        _ => println!("{first} part: mean {mean:.4?}, std {std:.4?}; fingerprint {fingerprint}"),
    }
    print_survey(&dataset.survey);
    Ok(())
}

/// Returns the numbers of images by class and part.
fn class_table(Described { classes, parts, .. }: &Described) -> String {
    let mut rows = vec![vec!["class".to_owned()]];
    rows[0].extend(parts.iter().map(|(name, _)| (*name).to_owned()));
    let counts: Vec<_> = parts.iter().map(|(_, split)| split.counts(classes.len())).collect();
    for (index, class) in classes.iter().enumerate().take(MOST_CLASSES) {
        let mut row = vec![class.clone()];
        row.extend(counts.iter().map(|counts| counts[index].to_string()));
        rows.push(row);
    }
    if classes.len() > MOST_CLASSES {
        let mut row = vec![format!("… and {}", counted(classes.len() - MOST_CLASSES, "more class"))];
        row.resize(1 + parts.len(), String::new());
        rows.push(row);
    }
    let mut total = vec!["all".to_owned()];
    total.extend(parts.iter().map(|(_, split)| split.len().to_string()));
    rows.push(total);
    table(&rows)
}

/// Prints the findings of loading.
fn print_survey(survey: &Survey) {
    survey.sizes.iter().for_each(|sizes| println!("{}", image_sizes(sizes)));
    survey_lines(survey, "unreadable").iter().for_each(|line| println!("{line}"));
    if !survey.unreadable.is_empty() {
        println!(
            "`train` and `eval` refuse unreadable files, or skip them with --skip-unreadable; their --max-pixels sets \
             the limit of pixels"
        );
    }
}

fn survey_json(survey: &Survey) -> Value {
    json!({
        "sizes": survey.sizes,
        "notes": survey.notes,
        "skipped": survey.skipped.iter().map(skipped_json).collect::<Vec<_>>(),
        "unreadable": survey.unreadable.iter().map(unreadable_json).collect::<Vec<_>>(),
    })
}

fn skipped_json(Skipped { kind, count, first }: &Skipped) -> Value {
    json!({ "kind": kind, "count": count, "first": json::path(first) })
}

fn unreadable_json((file, reason): &(ImageFile, String)) -> Value {
    json!({ "file": file.to_string(), "reason": reason })
}

fn get(args: DataGet) -> Result<()> {
    let known = [MnistKind::Mnist, MnistKind::FashionMnist].map(MnistKind::name);
    let kind = MnistKind::find(&args.name).ok_or_else(|| {
        let hint = nearest(&args.name, known).map_or(String::new(), |near| format!("did you mean {near}? "));
        Error::input(format!("{}: {hint}available data sets: {}", args.name, known.join(", ")))
    })?;
    catch_file_size_limit()?;
    let fetched = match &args.from {
        Some(from) => striate_data::get(kind, from)?,
        None => download(kind)?,
    };
    if args.json {
        return Ok(json::print(&json!({
            "name": kind.name(),
            "folder": json::path(&fetched.folder),
            "files": fetched.files.iter().map(file_json).collect::<Vec<_>>(),
        }))?);
    }
    print(kind, &fetched);
    Ok(())
}

fn file_json(FetchedFile { name, bytes, source }: &FetchedFile) -> Value {
    json!({ "name": name, "bytes": bytes, "source": source.to_string() })
}

/// Interval at which signals are checked.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Downloads in another thread, so that a signal is handled even while a mirror is silent. Stopping loses nothing:
/// partial downloads are kept in part files, and a file gets its final name only when it is complete.
fn download(kind: MnistKind) -> Result<Fetched> {
    let signals = Signals::install()?;
    let bar = DownloadBar::new();
    let (sender, receiver) = mpsc::channel();
    let mut progress = bar.clone();
    std::thread::spawn(move || sender.send(striate_data::download(kind, &mut progress)));
    let fetched = loop {
        match receiver.recv_timeout(POLL_INTERVAL) {
            Ok(fetched) => break fetched,
            Err(RecvTimeoutError::Timeout) if !signals.stop_requested() => {}
            Err(RecvTimeoutError::Timeout) => {
                let name = kind.name();
                break Err(Error::failed(format!(
                    "stopped by a signal; the partial download is kept, resume with: striate data get {name}"
                )));
            }
            Err(RecvTimeoutError::Disconnected) => {
                break Err(Error::failed("the download ended without a result; try again"));
            }
        }
    };
    bar.finish();
    Ok(fetched?)
}

fn print(kind: MnistKind, fetched: &Fetched) {
    let (name, folder) = (kind.name(), printable_path(&fetched.folder));
    if fetched.files.iter().all(|file| file.source == Source::Present) {
        println!("{name} is already in {folder}; its checksums are correct");
    } else {
        fetched
            .files
            .iter()
            .for_each(|file| println!("{}: {}", file.name, printable(&file.source.to_string())));
        println!("{name} is stored in {folder}; its checksums are correct");
    }
    println!("try next: striate train lenet5 --data {name}");
}
