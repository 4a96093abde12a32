//! `striate predict`

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::json;
use striate_engine::Cpu;
use striate_formats::ModelFile;
use striate_predict::{Classifier, Guess};
use striate_tensor::Error;
use striate_vision::{Image, decode, draw, encode_png};

use crate::arguments::Predict;
use crate::json;

/// Files above this size are no pictures.
const LARGEST_FILE: u64 = 256 << 20;

pub fn run(args: Predict) -> Result<()> {
    if args.picture.is_some() && args.images.len() != 1 {
        return Err(Error::input("--picture takes exactly one image").into());
    }
    if args.top == 0 {
        return Err(Error::input("--top is at least 1").into());
    }
    let model = ModelFile::load(&args.model)?;
    let classifier = Classifier::new(model, Cpu::new(args.compute.threads)?)?;
    let mut results = Vec::new();
    for path in &args.images {
        let image = read(path)?;
        let guesses = classifier.guesses(&image, args.top)?;
        if let Some(out) = &args.picture {
            picture(out, &image, &guesses)?;
        }
        results.push((path, guesses));
    }
    if args.compute.json {
        let top = |guesses: &[Guess]| {
            let one = |g: &Guess| json!({ "class": g.class, "index": g.index, "score": g.score });
            guesses.iter().map(one).collect::<Vec<_>>()
        };
        let all = results.iter().map(|(path, guesses)| json!({ "file": path, "top": top(guesses) }));
        return Ok(json::print(&json!({ "predictions": all.collect::<Vec<_>>() }))?);
    }
    let width = classifier.classes().iter().map(|class| class.chars().count()).max().unwrap_or(0);
    for (path, guesses) in &results {
        println!("{}", path.display());
        for Guess { class, score, .. } in guesses {
            let bar = "█".repeat((score * 30.0).round() as usize);
            println!("  {class:width$}  {:>5.1} %  {bar}", score * 100.0);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Image> {
    let length = fs::metadata(path).map_err(|e| Error::read(path, e))?.len();
    if length > LARGEST_FILE {
        return Err(
            Error::input(format!("{}: {length} bytes are too many for a picture", path.display())).into()
        );
    }
    let bytes = fs::read(path).map_err(|e| Error::read(path, e))?;
    Ok(decode(&bytes).map_err(|e| e.at(path.display()))?)
}

fn picture(out: &Path, image: &Image, guesses: &[Guess]) -> Result<()> {
    let bars: Vec<(String, f32)> = guesses.iter().map(|guess| (guess.class.clone(), guess.score)).collect();
    let bytes = encode_png(&draw::guesses(image, &bars))?;
    fs::write(out, bytes).map_err(|e| Error::write(out, e))?;
    Ok(())
}
