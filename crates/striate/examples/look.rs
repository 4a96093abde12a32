//! Where a network looks: `cargo run --release --example look -- MODEL.safetensors IMAGE.png OUT.png` blends Grad-CAM
//! of the best guess over the image.
//!
//! Without arguments, it prints Grad-CAM of a built-in digit's class in LeNet-5 with its initial weights.

use striate::insight::{GradCam, overlay, seen};
use striate::tensor::file::{read_limited, write_atomically};
use striate::vision::{Preprocessing, network_input};
use striate::{Classifier, Cpu, Image, Inference, ModelFile, Result, decode, encode_png};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, image, out] = &arguments[..] else { return look_at_digit() };
    let classifier = Classifier::new(ModelFile::load(model.as_ref())?, Cpu::new(0)?)?;
    let image = decode(&read_limited(image.as_ref(), 256 << 20)?)?;
    let form = classifier.image_preprocessing()?;
    let best = classifier.guesses(&image, 1)?.remove(0);
    let picture = look(&classifier, form, &image, best.index)?;
    println!("evidence for {} is in {out}", best.class);
    write_atomically(out.as_ref(), &encode_png(&picture)?)
}

/// Returns the image as the network sees it with Grad-CAM of `class` over it, and prints the heat map.
fn look(classifier: &Classifier, form: &Preprocessing, image: &Image, class: usize) -> Result<Image> {
    let (shape, input) = network_input(form, image)?;
    let cam = GradCam::new(classifier, shape, None)?;
    let heat = cam.map(&input, class)?;
    println!("Grad-CAM at {}, {}x{}:", cam.layer().name, heat.height, heat.width);
    for row in heat.normalized().values.chunks(heat.width) {
        println!("{}", row.iter().map(|x| format!(" {x:4.2}")).collect::<String>());
    }
    Ok(overlay(&seen(form, image), &heat))
}

fn look_at_digit() -> Result<()> {
    let digits = striate::data::load(&striate::Spec::Digits, &striate::data::LoadOptions::default())?;
    let network = (striate::models::find("lenet5")?.build)()?;
    let weights = Inference::initial_weights(&network, 0)?;
    let classifier = Classifier::new(ModelFile::bare(network, weights)?, Cpu::new(0)?)?;
    let form = digits.preprocessing.as_ref().expect("digits are images");
    look(&classifier, form, &digits.train.image(0)?, digits.train.labels[0] as usize)?;
    Ok(())
}
