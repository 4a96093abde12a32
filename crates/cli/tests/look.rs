//! `look` draws what a model sees in an image and the patches that excite its units, says what it decided, and never
//! overwrites anything.

mod common;

use std::path::PathBuf;

use common::{Folder, text};
use serde_json::Value;
use striate_data::{LoadOptions, Spec, load};
use striate_vision::{decode, encode_png};

/// A folder with a model of a few training steps and an image of a seven.
fn folder(name: &str) -> (Folder, PathBuf, PathBuf) {
    let folder = Folder::new(name);
    let trained = folder.json(&["train", "--steps", "30", "--out", "run"]);
    let digits = load(&Spec::Digits, &LoadOptions::default()).unwrap();
    let seven = digits.train.labels.iter().position(|label| *label == 7).unwrap();
    let image = folder.write("seven.png", encode_png(&digits.train.image(seven).unwrap()).unwrap());
    let model = folder.path(trained["model"].as_str().unwrap());
    (folder, model, image)
}

/// The names of the files that a call has written, each of which must exist and be what its name says.
fn written(folder: &Folder, facts: &Value) -> Vec<String> {
    let files = facts["files"].as_array().unwrap();
    let paths = files.iter().map(|file| folder.path(file["file"].as_str().unwrap()));
    paths
        .map(|path| {
            let bytes = std::fs::read(&path).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            match name.ends_with(".png") {
                true => assert!(decode(&bytes).unwrap().width() >= 280, "{name}"),
                false => _ = striate_tensor::npy::read_bytes(&bytes).unwrap(),
            }
            name
        })
        .collect()
}

#[test]
fn digit_is_explained_and_nothing_is_overwritten() {
    let (folder, model, image) = folder("look-digit");
    let facts = folder.json(&["look", text(&model), text(&image)]);
    assert_eq!(facts["out"], "look-seven");
    assert_eq!(facts["class"]["best_guess"], true);
    // LeNet-5's second convolution, with its activation.
    assert_eq!(facts["grad_cam"]["maps"].as_array().unwrap()[0], 16);
    let expected = ["seen.png", "grad-cam.png", "saliency.png", "occlusion.png", "overview.png"];
    let names = written(&folder, &facts);
    for name in expected.iter().chain(&["features-1.png", "kernels.png", "grad-cam.npy", "saliency.npy"]) {
        assert!(names.iter().any(|other| other == name), "{name} is not among {names:?}");
    }
    let layer = facts["grad_cam"]["name"].as_str().unwrap();
    let again = folder.run(&["look", text(&model), text(&image), "--class", "3", "--layer", layer]);
    let said = String::from_utf8(again.stdout).unwrap();
    for expected in
        ["class      3, ", "(asked for)", &format!("at {layer}"), "wrote look-seven-2:", "positions"]
    {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
    // The same bits for any number of threads.
    for (threads, out) in [("1", "one"), ("2", "two")] {
        folder.json(&["look", text(&model), text(&image), "--threads", threads, "--out", out]);
    }
    for name in names {
        let [one, two] = ["one", "two"].map(|out| std::fs::read(folder.path(out).join(&name)).unwrap());
        assert!(one == two, "{name} differs with another number of threads");
    }
}

#[test]
fn weights_of_a_perceptron_are_images() {
    let (folder, _, image) = folder("look-perceptron");
    for (network, shown) in [
        ("perceptron-pixels", "10 weight images of response"),
        ("perceptron", "the first 100 of 2,000 weight images"),
    ] {
        folder.json(&["train", network, "--steps", "30", "--out", network]);
        let out = format!("{network}-looks");
        let model = folder.path(&format!("{network}/last.safetensors"));
        let facts = folder.json(&["look", text(&model), text(&image), "--out", &out]);
        assert!(written(&folder, &facts).contains(&"kernels.png".to_owned()), "{network}");
        assert!(facts.to_string().contains(shown), "{network}: {facts}");
    }
}

#[test]
fn moved_images_are_classified() {
    let (folder, model, image) = folder("look-shifts");
    let facts = folder.json(&["look", text(&model), text(&image), "--shifts", "3"]);
    let names = written(&folder, &facts);
    assert!(["shifts.png", "shifts.npy"].iter().all(|name| names.iter().any(|own| own == name)), "{names:?}");
    let (shifts, index) = (&facts["shifts"], facts["class"]["index"].as_u64().unwrap());
    assert_eq!((&shifts["most"], &shifts["images"]), (&3.into(), &49.into()));
    let best = shifts["best"].as_array().unwrap();
    assert_eq!(best[24], index, "the middle cell is the image itself");
    assert_eq!(shifts["kept"], best.iter().filter(|class| **class == index).count());
    let bytes = std::fs::read(folder.path("look-seven").join("shifts.npy")).unwrap();
    let array = striate_tensor::npy::read_bytes(&bytes).unwrap();
    assert_eq!(array.shape.to_vec(), [7, 7]);
    let middle = f32::from_le_bytes(array.bytes[24 * 4..][..4].try_into().unwrap());
    assert!((f64::from(middle) - facts["class"]["score"].as_f64().unwrap()).abs() < 1e-6);
}

#[test]
fn patches_of_a_data_set_are_found() {
    let (folder, model, _) = folder("look-patches");
    let layer = "conv1";
    let facts = folder.json(&["look", text(&model), "--data", "digits", "--layer", layer, "--unit", "2"]);
    assert_eq!(facts["out"], "look-patches");
    assert_eq!(written(&folder, &facts), ["patches.png"]);
    let patches = &facts["patches"];
    assert_eq!((&patches["part"], &patches["images"]), (&"test".into(), &359.into()));
    let [unit] = &patches["units"].as_array().unwrap()[..] else { panic!("one unit was asked for") };
    assert_eq!(unit["unit"], 2);
    let strengths: Vec<f64> = unit["patches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|patch| patch["activation"].as_f64().unwrap())
        .collect();
    assert!(strengths.len() == 9 && strengths.is_sorted_by(|a, b| a >= b), "{strengths:?}");
}

#[test]
fn mistakes_are_refused_before_anything_is_written() {
    let (folder, model, image) = folder("look-refused");
    folder.write("full/notes.txt", "kept");
    let (model, image) = (text(&model), text(&image));
    for (arguments, expected) in [
        (&[model, image, "--layer", "conv9"][..], "no layer conv9; did you mean conv"),
        (&[model, image, "--class", "seventeen"], "no class seventeen; "),
        (&[model, image, "--class", "10"], "no class 10; "),
        (&[model, image, "--out", "full"], "full already contains files; choose another --out"),
        (&[model, image, "--cache", "1"], "--cache applies to the images of --data; omit it"),
        (
            &[model, "--data", "digits", "--layer", "conv1", "--unit", "6"],
            "layer conv1 has 6 units, numbered from 0; unit 6 does not exist",
        ),
        (&[model, image, "--shifts", "0"], "pixels by up to 0; choose a distance from 1 to 16"),
        (&[model, image, "--shifts", "99999999999999999"], "choose a distance from 1 to 16"),
        (&[model, "--data", "digits", "--layer", "conv1", "--shifts", "2"], "IMAGE"),
        (&[model, "--data", "digits"], "--layer"),
        (&[model], "IMAGE"),
        (&[model, "run"], "run"),
        (&[model, image, "--precision", "bf16"], "--precision does not apply: maps and their gradients"),
    ] {
        let refusal = folder.refusal(&[&["look"], arguments].concat());
        assert!(refusal.contains(expected), "{arguments:?}: {refusal}");
        assert!(!folder.path("look-seven").exists() && !folder.path("look-patches").exists());
    }
}
