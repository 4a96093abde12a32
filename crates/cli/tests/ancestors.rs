//! `hog-svm`, `sift-svm` and `neocognitron-digits` from the built-in digits to predictions, like any other network.

mod common;

use common::{Folder, text};
use striate_data::{LoadOptions, Spec, load};
use striate_vision::encode_png;

/// Trains `name` on the digits, and uses the model with all verbs. The error may be at most `most`, and that of
/// confidences; the report shows `field` of the recipe, and squares of `side` pixels cover the image.
fn works_like_any_network(name: &str, [most, uncalibrated]: [f64; 2], field: &str, side: usize) {
    let folder = Folder::new(name);
    let trained = folder.json(&["train", name, "--threads", "1"]);
    assert_eq!(trained["run"], format!("runs/{name}-digits-1"));
    assert!(trained["top1_error"].as_f64().unwrap() <= most, "{trained}");
    let again = folder.json(&["train", name, "--threads", "2", "--out", "two", "--no-report"]);
    assert_eq!(again["weights_sha256"], trained["weights_sha256"]);
    let model = trained["model"].as_str().unwrap();
    let evaluated = folder.json(&["eval", model, "--data", "digits"]);
    for figure in ["top1_error", "top5_error"] {
        assert_eq!(evaluated[figure], trained[figure], "{figure}");
    }
    assert_eq!(evaluated["loss"], trained["val_loss"]);
    assert!(evaluated["calibration_error"].as_f64().unwrap() < uncalibrated, "{evaluated}");
    assert_eq!(folder.json(&["verify", model])["ok"], true);

    let digits = load(&Spec::Digits, &LoadOptions::default()).unwrap();
    let test = digits.test.unwrap();
    let seven = test.labels.iter().position(|label| *label == 7).unwrap();
    let image = folder.write("seven.png", encode_png(&test.image(seven).unwrap()).unwrap());
    let top = &folder.json(&["predict", model, text(&image)])["predictions"][0]["top"];
    assert_eq!(top[0]["class"], "7", "{top}");

    let report = std::fs::read_to_string(folder.path(trained["report"].as_str().unwrap())).unwrap();
    for section in [field, "Augmented sample 1 of", "Output of "] {
        assert!(report.contains(section), "{section} is not in the report");
    }
    // The evidence is that of mistakes.
    let is_perfect = trained["top1_error"] == 0.0;
    assert_eq!(report.contains("Evidence for"), !is_perfect);
    let looked = folder.json(&["look", model, text(&image)]);
    assert_eq!(looked["out"], "look-seven");
    for file in ["seen.png", "grad-cam.png", "occlusion.png", "features-1.png"] {
        assert!(folder.path("look-seven").join(file).is_file(), "{file} is missing");
    }
    assert_eq!(looked["occlusion"]["side"], side, "of the pixels, not of the features: {looked}");
    folder.json(&["data", "show", name, "--data", "digits", "--picture", "samples.png"]);
    let inspected = folder.json(&["inspect", model]);
    assert_eq!(inspected["params"], trained["summary"]["network"]["params"]);
    let resumed = folder.json(&["train", "--resume", trained["run"].as_str().unwrap(), "--no-report"]);
    assert_eq!(resumed["weights_sha256"], trained["weights_sha256"]);
    folder.json(&["train", name, "--dry-run"]);
}

#[test]
fn hog_svm_works_like_any_network() {
    works_like_any_network("hog-svm", [0.015, 0.05], "svm.c", 4);
}

#[test]
fn sift_svm_works_like_any_network() {
    works_like_any_network("sift-svm", [0.04, 0.05], "svm.c", 4);
    let folder = Folder::new("sift-patches");
    let trained = folder.json(&["train", "sift-svm", "--no-report"]);
    let model = trained["model"].as_str().unwrap();
    let arguments = ["look", model, "--data", "digits", "--layer", "words", "--unit", "7"];
    assert_eq!(folder.json(&arguments)["patches"]["units"][0]["unit"], 7);
}

#[test]
fn neocognitron_works_like_any_network() {
    works_like_any_network("neocognitron-digits", [0.1, 0.1], "self_organization.rules", 2);
}

#[test]
fn neocognitron_of_1980_learns_digits() {
    let trained = Folder::new("neocognitron-1980").json(&["train", "neocognitron", "--no-report"]);
    // Of ten classes, with 24 cells.
    assert!(trained["top1_error"].as_f64().unwrap() <= 0.4, "{trained}");
}

#[test]
fn what_does_not_apply_is_refused() {
    let folder = Folder::new("svm-refused");
    let trained = folder.json(&["train", "hog-svm", "--out", "run", "--no-report"]);
    let model = trained["model"].as_str().unwrap();
    for (arguments, expected) in [
        (&["train", "hog-svm", "--steps", "3"][..], "--steps does not apply: support vector machines"),
        (&["train", "hog-svm", "--find-lr"], "--find-lr does not apply"),
        (&["train", "hog-svm", "--overfit-one-batch"], "--overfit-one-batch does not apply"),
        (&["train", "hog-svm", "--epochs", "12"], "--epochs: train.epochs has no effect on support vector"),
        (&["train", "hog-svm", "--lr", "0.1"], "optim.lr has no effect on support vector machines"),
        (
            &["train", "hog-svm", "--recipe", "small"],
            "the recipe small has no data.features; use --recipe hog-svm",
        ),
        (&["train", "hog-svm", "--weights", model], "--weights does not apply: the images become features"),
        (&["train", "hog-svm", "--set", "data.features.pixels_per_cell=[40,40]"], "smaller than a block"),
        (&["train", model], "takes hand-made features of images and cannot be trained further"),
        (&["train", "neocognitron", "--steps", "3"], "--steps does not apply: self-organizing cells are not"),
        (
            &["train", "neocognitron", "--epochs", "3"],
            "train.epochs has no effect on self-organizing cells; omit",
        ),
        (&["train", "neocognitron", "--weights", model], "weights"),
        (
            &["train", "neocognitron", "--set", "self_organization.speed=[1]"],
            "self_organization.speed has 1 element, but self_organization.layers has 3",
        ),
        (&["train", "--resume", "run", "--epochs", "3"], "--epochs: train.epochs has no effect"),
        (&["eval", model, "--data", "digits", "--size", "64,64"], "--size"),
        (&["train", "sift-svm", "--set", "svm.codebook='flatten'"], "must be a layer of network sift-svm"),
    ] {
        let text = folder.refusal(arguments);
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
}
