//! Prediction in five lines: `cargo run --release --example predict -- MODEL.safetensors IMAGE.png`.
//!
//! Without arguments, it first trains a small model and then classifies one of the built-in digits.

use striate::tensor::file::{read_limited, write_atomically};
use striate::train::RunPath;
use striate::{Classifier, Cpu, ModelFile, Result, decode};

fn main() -> Result<()> {
    let (model, path) = arguments()?;
    let classifier = Classifier::new(ModelFile::load(model.as_ref())?, Cpu::new(0)?)?;
    let image = decode(&read_limited(path.as_ref(), 256 << 20)?)?;
    for guess in classifier.guesses(&image, 3)? {
        println!("{:>5.1} %  {}", guess.score * 100.0, guess.class);
    }
    Ok(())
}

/// Returns the two arguments, or else a newly trained model and an image of a digit.
fn arguments() -> Result<(String, String)> {
    if let [model, image] = &std::env::args().skip(1).collect::<Vec<_>>()[..] {
        return Ok((model.clone(), image.clone()));
    }
    let folder = std::env::temp_dir().join(format!("striate-example-{}", std::process::id()));
    let recipe = striate::Recipe::default().with("train.epochs=3")?;
    let network = (striate::models::find("lenet5")?.build)()?;
    let digits = striate::data::load(&striate::Spec::Digits, &striate::data::LoadOptions::default())?;
    let seven = digits.train.labels.iter().position(|label| *label == 7).expect("the digits include sevens");
    let image = digits.train.image(seven).expect("digits are images");
    let out = RunPath::Folder(folder.clone());
    let trainer = striate::Trainer::create(recipe, network, digits, None, Cpu::new(0)?, &out)?;
    let model = trainer.run(Default::default(), &mut ())?.model;
    let path = folder.join("seven.png");
    write_atomically(&path, &striate::encode_png(&image)?)?;
    Ok((model.display().to_string(), path.display().to_string()))
}
