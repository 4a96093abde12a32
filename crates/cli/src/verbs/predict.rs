//! `striate predict`

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;
use striate_engine::Cpu;
use striate_predict::{Classifier, Guess};
use striate_tensor::Error;
use striate_tensor::csv::{self, Cell};
use striate_tensor::file::{list_folder, read_limited};
use striate_tensor::text::{cell, pad, printable_path};
use striate_vision::{Image, decode, draw, encode_png};

use crate::arguments::Predict;
use crate::output::{check_folder, write_file};
use crate::{json, weights};

/// Files above this size are no pictures.
const LARGEST_FILE: u64 = 256 << 20;

pub fn run(args: Predict) -> Result<()> {
    let images = expand(&args.images)?;
    if args.picture.is_some() && images.len() != 1 {
        return Err(Error::input("--picture takes exactly one image").into());
    }
    if args.top == 0 {
        return Err(Error::input("--top is at least 1").into());
    }
    args.picture.iter().chain(&args.csv).try_for_each(|file| check_folder(file))?;
    let model = weights::model(&args.model)?;
    let classifier = Classifier::new(model, Cpu::new(args.compute.threads)?);
    let classifier = classifier.map_err(|e| e.at(args.model.display()))?;
    let mut results = Vec::new();
    for path in &images {
        let image = read(path)?;
        let guesses = classifier.guesses(&image, args.top)?;
        if let Some(out) = &args.picture {
            picture(out, &image, &guesses)?;
        }
        results.push((path, guesses));
    }
    if let Some(path) = &args.csv {
        write_csv(path, &results)?;
    }
    if args.compute.json {
        let top = |guesses: &[Guess]| {
            let one = |g: &Guess| json!({ "class": g.class, "index": g.index, "score": g.score });
            guesses.iter().map(one).collect::<Vec<_>>()
        };
        let all =
            results.iter().map(|(path, guesses)| json!({ "file": json::path(path), "top": top(guesses) }));
        return Ok(json::print(&json!({ "predictions": all.collect::<Vec<_>>() }))?);
    }
    let width = classifier.classes().iter().map(|class| cell(class).chars().count()).max().unwrap_or(0);
    for (path, guesses) in &results {
        println!("{}", printable_path(path));
        for Guess { class, score, .. } in guesses {
            let bar = "█".repeat((score * 30.0).round() as usize);
            println!("  {}  {:>5.1} %  {bar}", pad(&cell(class), width), score * 100.0);
        }
    }
    Ok(())
}

/// Files as they are; of folders, the pictures in them, sorted, without hidden files.
fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in paths {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let is_picture = |path: &PathBuf| {
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
            !hidden && extension.is_some_and(|e| ["png", "jpg", "jpeg", "webp"].contains(&e.as_str()))
        };
        let found: Vec<PathBuf> = list_folder(path)?.into_iter().filter(is_picture).collect();
        if found.is_empty() {
            let what = format!("{}: no pictures in this folder (png, jpg, jpeg, webp)", path.display());
            return Err(Error::input(what).into());
        }
        all.extend(found);
    }
    Ok(all)
}

/// A row for each picture: file, then class and score of each guess.
fn write_csv(path: &Path, results: &[(&PathBuf, Vec<Guess>)]) -> Result<()> {
    let count = results.iter().map(|(_, guesses)| guesses.len()).max().unwrap_or(0);
    let head: String = (1..=count).map(|i| format!(",class{i},score{i}")).collect();
    let mut text = format!("file{head}\n");
    for (file, guesses) in results {
        let mut cells = vec![Cell::Text(file.to_string_lossy().into_owned())];
        for guess in guesses {
            cells.extend([Cell::Text(guess.class.clone()), Cell::Plain(format!("{:.6}", guess.score))]);
        }
        text += &csv::row(&cells);
    }
    Ok(write_file(path, text.as_bytes())?)
}

fn read(path: &Path) -> Result<Image> {
    let bytes = read_limited(path, LARGEST_FILE)?;
    Ok(decode(&bytes).map_err(|e| e.at(path.display()))?)
}

fn picture(out: &Path, image: &Image, guesses: &[Guess]) -> Result<()> {
    let bars: Vec<(String, f32)> = guesses.iter().map(|guess| (guess.class.clone(), guess.score)).collect();
    Ok(write_file(out, &encode_png(&draw::guesses(image, &bars))?)?)
}
