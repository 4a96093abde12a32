//! Real ImageNet weights, if downloaded, classify twenty labeled photographs as they do in PyTorch, and give English
//! class names; and the same classes whichever implementations of convolutions run.

mod common;

use std::path::Path;

use common::{Folder, text};
use striate_engine::{Cpu, Inference, Isa};
use striate_formats::ModelFile;
use striate_models::imagenet_classes;
use striate_predict::Classifier;
use striate_tensor::Shape;
use striate_vision::{decode, network_input};

/// A model file, and the number of photographs that PyTorch classifies correctly with its weights (top 1 and top 5)
/// after Pillow has decoded and resized them.
const MODELS: [(&str, usize, usize); 2] =
    [("squeezenet1_1.safetensors", 11, 19), ("efficientnet-lite0.safetensors", 17, 20)];
/// The photographs.
const COUNT: usize = 20;

#[test]
fn real_weights_classify_photographs_as_published() {
    let data = striate_data::data_folder().unwrap().join("weights");
    for (name, first, five) in MODELS {
        let model = data.join(name);
        if !model.is_file() {
            let what = format!("{name} is missing; run scripts/fetch-weights.sh");
            striate_testkit::missing_data("real_weights_classify_photographs_as_published", &what);
            continue;
        }
        let folder = Folder::new(&format!("imagenet-{name}"));
        assert_eq!(folder.json(&["verify", text(&model)])["ok"], true, "{name}");
        let guessed = folder.json(&["predict", text(&model), text(&data.join("photographs"))]);
        let guesses = guessed["predictions"].as_array().unwrap();
        assert_eq!(guesses.len(), COUNT, "photographs");
        let (mut right, mut among_five) = (0, 0);
        for guess in guesses {
            // imagenet_NN_LABEL.jpg
            let file = guess["file"].as_str().unwrap();
            let label: usize = file.trim_end_matches(".jpg").rsplit('_').next().unwrap().parse().unwrap();
            let class = imagenet_classes()[label].name;
            let top: Vec<&str> =
                guess["top"].as_array().unwrap().iter().map(|one| one["class"].as_str().unwrap()).collect();
            assert_eq!(top.len(), 5);
            right += usize::from(top[0] == class);
            among_five += usize::from(top.contains(&class));
            // Also as class folders, for `eval`.
            let image = std::fs::read(file).unwrap();
            folder.write(&format!("set/{class}/{}", file.rsplit('/').next().unwrap()), image);
        }
        println!("{name}: {right} and {among_five} of {COUNT} photographs right (top 1, top 5)");
        assert_eq!((right, among_five), (first, five), "{name}");
        let measured = folder.json(&["eval", text(&model), "--data", "set"]);
        let wrong = |key: &str| (measured[key].as_f64().unwrap() * COUNT as f64).round() as usize;
        assert_eq!(measured["n"], COUNT, "{name}");
        assert_eq!((wrong("top1_error"), wrong("top5_error")), (COUNT - right, COUNT - among_five), "{name}");
        // The list that scripts/fetch-weights.sh writes.
        let list = data.join("photographs.tsv");
        if list.is_file() {
            let listed = folder.json(&["eval", text(&model), "--data", &format!("list:{}", text(&list))]);
            assert_eq!(listed["confusion"], measured["confusion"], "{name}");
        }
    }
}

#[test]
fn photographs_have_the_same_classes_with_every_forced_convolution() {
    let data = striate_data::data_folder().unwrap().join("weights");
    for (name, ..) in MODELS {
        let path = data.join(name);
        if !path.is_file() {
            let what = format!("{name} is missing; run scripts/fetch-weights.sh");
            let test = "photographs_have_the_same_classes_with_every_forced_convolution";
            striate_testkit::missing_data(test, &what);
            continue;
        }
        let model = ModelFile::load(&path).unwrap();
        let (shape, images) = photographs(model.clone(), &data.join("photographs"));
        let cpu = || Cpu::with_isa(0, Isa::available()[0]);
        let expected = scores(&model, &shape, &images, cpu());
        let mut ran = Vec::new();
        for forced in Cpu::convolutions() {
            let cpu = cpu().forcing(&[forced]).unwrap();
            let plan = Inference::plan(&model.network, &shape, &cpu).unwrap();
            // One that supports none of the layers changes nothing.
            if plan.steps.iter().all(|step| step.algorithm != forced) {
                continue;
            }
            ran.push(forced);
            for (index, (got, expected)) in
                scores(&model, &shape, &images, cpu).iter().zip(&expected).enumerate()
            {
                let place = format!("{name}, photograph {index}, {forced}");
                assert_eq!(best(got), best(expected), "{place}");
                let error = got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                let largest = expected.iter().fold(0.0f32, |most, score| most.max(score.abs()));
                assert!(error < 1e-4 * largest, "{place}: scores differ by {error} of {largest}");
            }
        }
        println!("{name}: the same classes with {}", ran.join(", "));
        for common in ["conv_direct_planar_f32", "conv_direct_f32", "conv_reference"] {
            assert!(ran.contains(&common), "{name}: {common} did not run");
        }
    }
}

/// The photographs in `folder` as a batch for `model`.
fn photographs(model: ModelFile, folder: &Path) -> (Shape, Vec<f32>) {
    let classifier = Classifier::new(model, Cpu::new(0).unwrap()).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), COUNT, "photographs");
    let (mut extents, mut batch) = ([0; 3], Vec::new());
    for file in files {
        let image = decode(&std::fs::read(file).unwrap()).unwrap();
        let values;
        (extents, values) = network_input(classifier.image_preprocessing().unwrap(), &image).unwrap();
        batch.extend(values);
    }
    let [c, h, w] = extents;
    (Shape::from([COUNT, c, h, w]), batch)
}

/// The scores of each image.
fn scores(model: &ModelFile, shape: &Shape, images: &[f32], cpu: Cpu) -> Vec<Vec<f32>> {
    let inference = Inference::new(model.network.clone(), &model.weights, cpu).unwrap();
    let (shape, scores) = inference.run(shape, images).unwrap();
    scores.chunks(shape[1]).map(<[f32]>::to_vec).collect()
}

/// The class with the highest score.
fn best(scores: &[f32]) -> usize {
    (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap()
}
