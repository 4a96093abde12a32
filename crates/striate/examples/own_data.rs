//! A custom data set: images from anywhere, here drawn, trained with a recipe into a run folder.

use striate::data::{Dataset, Pixels, Split, Survey};
use striate::train::{Limits, Observer, Progress, RunPath, Trainer};
use striate::vision::Preprocessing;
use striate::{Cpu, Recipe, Result};

const SIDE: usize = 32;

fn main() -> Result<()> {
    let form = Preprocessing { channels: 1, steps: vec![], mean: vec![0.5], std: vec![0.25], features: None };
    let stripes = Dataset {
        name: "stripes".into(),
        classes: vec!["across".into(), "down".into()],
        train: drawn(200),
        validation: None,
        test: Some(drawn(50)),
        preprocessing: Some(form.clone()),
        predict: Some(form),
        encoding: None,
        survey: Survey::default(),
    };
    let network = (striate::models::find("lenet5")?.build)()?;
    let recipe = Recipe::default().with("train.epochs=2")?;
    let folder = std::env::temp_dir().join(format!("striate-stripes-{}", std::process::id()));
    let run = RunPath::Folder(folder.clone());
    let trainer = Trainer::create(recipe, network, stripes, None, Cpu::new(0)?, &run)?;
    let outcome = trainer.run(Limits::default(), &mut Quiet)?;
    let error = outcome.tally.map_or(f64::NAN, |tally| tally.top1_error());
    println!("error {:.1} % on drawn stripes; the run is in {}", error * 100.0, folder.display());
    Ok(())
}

/// Draws `count` images of stripes of different widths, across and down in turns.
fn drawn(count: usize) -> Split {
    let value = |index: usize, pixel: usize| {
        let along = if index.is_multiple_of(2) { pixel / SIDE } else { pixel % SIDE };
        if (along / (2 + index % 5)).is_multiple_of(2) { 200 } else { 40 }
    };
    let pixels = (0..count).flat_map(|index| (0..SIDE * SIDE).map(move |pixel| value(index, pixel)));
    let labels = (0..count).map(|index| index as i64 % 2).collect();
    Split { shape: [1, SIDE, SIDE], pixels: Pixels::Bytes(pixels.collect()), labels, files: None }
}

/// Prints what the trainer reports.
struct Quiet;

impl Observer for Quiet {
    fn step(&mut self, _: &Progress) {}

    fn stop(&mut self) -> bool {
        false
    }

    fn note(&mut self, text: &str) {
        println!("{text}");
    }
}
