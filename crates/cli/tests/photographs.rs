//! Digits as in photographs or drawings: dark on white, somewhere on a sheet, as JPEG.

mod common;

use common::{Folder, text};
use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};
use striate_tensor::random::{Random, Stream};
use striate_vision::{Filter, Image, resize};

const DIGITS: usize = 200;

/// Draws a dark digit on a bright sheet of 300×200 pixels, with random size, position and gray levels.
fn photograph(digit: &Image, random: &mut Random) -> Vec<u8> {
    let side = 100 + random.below(80);
    let digit = resize(digit, side, side, Filter::Bicubic);
    let (paper, ink) = (random.between(215.0, 255.0), random.between(10.0, 70.0));
    let (left, top) = (random.below(300 - side), random.below(200 - side));
    let mut sheet = vec![paper as u8; 300 * 200];
    for y in 0..side {
        for x in 0..side {
            let share = f32::from(digit.pixel(x, y)[0]) / 255.0;
            sheet[(top + y) * 300 + left + x] = (paper + (ink - paper) * share) as u8;
        }
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 85).encode(&sheet, 300, 200, ExtendedColorType::L8).unwrap();
    bytes
}

#[test]
fn photographs_of_built_in_digits_are_classified() {
    let data =
        striate_data::load(&striate_data::Spec::Digits, &striate_data::LoadOptions::default()).unwrap();
    classify_photographs("digits", &data.test.unwrap(), &["train"]);
}

#[test]
fn photographs_of_mnist_digits_are_classified() {
    match striate_data::load(
        &striate_data::Spec::Mnist(striate_data::MnistKind::Mnist),
        &striate_data::LoadOptions::default(),
    ) {
        Ok(data) => {
            let train = ["train", "lenet5", "--data", "mnist", "--epochs", "2"];
            classify_photographs("mnist", &data.test.unwrap(), &train);
        }
        Err(error) => {
            striate_testkit::missing_data("photographs_of_mnist_digits_are_classified", &error.to_string())
        }
    }
}

/// Runs `train`, draws test digits as photographs, and checks how many are classified correctly.
fn classify_photographs(name: &str, test: &striate_data::Split, train: &[&str]) {
    let folder = Folder::new(&format!("photographs-{name}"));
    let result = folder.json(&[train, &["--out", "run"]].concat());
    let model = result["model"].as_str().unwrap().to_owned();
    let mut random = Random::new(2, Stream::Other, 0);
    let mut order: Vec<usize> = (0..test.len()).collect();
    random.shuffle(&mut order);
    for index in &order[..DIGITS] {
        let bytes = photograph(&test.image(*index).unwrap(), &mut random);
        folder.write(&format!("sheets/{index:05}.jpg"), bytes);
    }
    let result = folder.json(&[
        "predict",
        &model,
        text(&folder.path("sheets")),
        "--top",
        "1",
        "--csv",
        "predictions.csv",
    ]);
    let predictions = result["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), DIGITS);
    let correct = predictions.iter().filter(|prediction| {
        let file = prediction["file"].as_str().unwrap();
        let index: usize = file[file.len() - 9..file.len() - 4].parse().unwrap();
        prediction["top"][0]["index"].as_i64() == Some(test.labels[index])
    });
    let correct = correct.count();
    assert!(correct * 100 >= 97 * DIGITS, "{correct} of {DIGITS}");
    let table = std::fs::read_to_string(folder.path("predictions.csv")).unwrap();
    assert_eq!(table.lines().count(), DIGITS + 1);
}
