//! Training on image folders: the program shows its decisions before it acts, and figures match their names.

mod common;

use common::Folder;
use serde_json::{Value, json};
use striate_vision::{Image, encode_png};

/// Two classes of `each` images, of 40×48 to 48×40 pixels, dark and bright, with a few files that are not images.
fn images(folder: &Folder, each: usize, gray: bool) {
    for (class, level) in [("dark", 40), ("bright", 200)] {
        for index in 0..each {
            let (width, height) = if index % 2 == 0 { (40, 48) } else { (48, 40) };
            let shade = level + index as u8;
            let color = if gray { [shade; 3] } else { [shade, shade / 2, 10] };
            let image = Image::filled(width, height, color);
            let image = if gray { image.to_gray() } else { image };
            folder.write(&format!("set/{class}/{index}.png"), encode_png(&image).unwrap());
        }
    }
}

fn changes(result: &Value) -> Vec<&str> {
    result["summary"]["network"]["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect()
}

#[test]
fn network_decides_image_size_unless_overridden() {
    let folder = Folder::new("size");
    images(&folder, 10, false);
    let base = ["train", "lenet5", "--data", "set", "--epochs", "1"];
    let own = folder.json(&[&base[..], &["--out", "own"]].concat());
    assert_eq!(own["summary"]["network"]["input"], json!([3, 32, 32]));
    assert_eq!(
        changes(&own),
        ["input channels: 3 instead of 1, to match the data", "classes: 2 instead of 10 in the last layer"]
    );
    let asked = folder.json(&[&base[..], &["--size", "40,36", "--out", "asked"]].concat());
    assert_eq!(asked["summary"]["network"]["input"], json!([3, 40, 36]));
    assert!(changes(&asked).contains(&"input size: 40×36 instead of 32×32, as requested"), "{asked}");
    let square = folder.json(&[&base[..], &["--size", "36", "--dry-run"]].concat());
    assert_eq!(square["summary"]["network"]["input"], json!([3, 36, 36]));
    // The run keeps the size for --resume.
    let again = folder.json(&["train", "--resume", "asked"]);
    assert_eq!(again["weights_sha256"], asked["weights_sha256"]);
}

#[test]
fn gray_images_become_three_channels_for_given_weights() {
    let folder = Folder::new("gray");
    images(&folder, 10, true);
    let own = folder.json(&["train", "lenet5", "--data", "set", "--epochs", "1", "--out", "gray"]);
    assert_eq!(own["summary"]["network"]["input"], json!([1, 32, 32]));
    // A model for three channels.
    let network = folder.run(&["inspect", "resnet20", "--text", "--classes", "2"]);
    folder.write("net.toml", network.stdout);
    folder.write("x/dark/0.png", encode_png(&Image::filled(32, 32, [9, 8, 7])).unwrap());
    folder.write("x/bright/0.png", encode_png(&Image::filled(32, 32, [200, 190, 7])).unwrap());
    folder.json(&["train", "net.toml", "--data", "x", "--steps", "0", "--out", "rgb"]);
    let tuned =
        folder.json(&["train", "rgb/last.safetensors", "--data", "set", "--epochs", "2", "--out", "tuned"]);
    assert_eq!(tuned["summary"]["network"]["input"], json!([3, 32, 32]));
    let notes = tuned["summary"]["data"]["notes"].as_array().unwrap();
    assert!(notes.contains(&json!("converted to three channels: 20 gray images")), "{notes:?}");
    assert_eq!(tuned["summary"]["recipe"]["name"], "fine-tuning");
}

#[test]
fn summary_is_printed_and_in_json_before_training() {
    let folder = Folder::new("summary");
    images(&folder, 10, false);
    folder.write("set/dark/notes.txt", "not an image");
    let output = folder.run(&["train", "lenet5", "--data", "set", "--epochs", "2", "--out", "run", "--json"]);
    let lines = String::from_utf8(output.stderr).unwrap();
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    for expected in [
        "data      set: 18 training, 2 held-out images",
        "2 classes: bright, dark",
        "image files: heights 40 to 48, widths 40 to 48",
        "each image: shorter side resized to 32 (bilinear), center crop 32x32",
        "skipped: 1 × ",
        "network   lenet5: input 3×32×32",
        "classes: 2 instead of 10 in the last layer",
        "for a training step",
        "recipe    small: the default of lenet5",
        "from --epochs: train.epochs = 2",
        "from the recipe: data.augment = \"shift\"",
        "defaults: ",
        "held-out error",
    ] {
        assert!(lines.contains(expected), "{expected} is missing in:\n{lines}");
    }
    assert!(lines.find("defaults: ").unwrap() < lines.find("epoch   1/2").unwrap());
    assert_eq!((&result["part"], &result["summary"]["steps"]), (&"held-out".into(), &6.into()));
    assert_eq!(result["summary"]["data"]["classes"], json!(["bright", "dark"]));
    let dry = folder.json(&["train", "lenet5", "--data", "set", "--epochs", "2", "--dry-run"]);
    assert_eq!(dry["summary"], result["summary"]);
}

#[test]
fn no_error_is_reported_without_held_out_images() {
    let folder = Folder::new("no-holdout");
    images(&folder, 6, false);
    let arguments = ["train", "lenet5", "--data", "set", "--epochs", "1", "--set", "data.holdout=0"];
    let result = folder.json(&[&arguments[..], &["--out", "a"]].concat());
    for field in ["part", "top1_error", "top5_error", "val_loss"] {
        assert_eq!(result[field], Value::Null, "{field}");
    }
    let output = folder.run(&[&arguments[..], &["--out", "b"]].concat());
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(lines.contains("error not measured: no images were held out"), "{lines}");
    let noted = |result: &Value| result["summary"]["data"]["notes"][0].as_str().unwrap().to_owned();
    assert_eq!(noted(&result), "no error will be reported: data.holdout = 0 holds out no images");
    let few = folder.json(&["train", "lenet5", "--data", "set", "--epochs", "1", "--out", "few"]);
    let expected =
        "no error will be reported: too few images to hold out a share of 0.05; raise data.holdout";
    assert_eq!(noted(&few), expected);
}

#[test]
fn unreadable_images_are_skipped_only_on_request_and_listed() {
    let folder = Folder::new("unreadable");
    images(&folder, 10, false);
    let whole = std::fs::read(folder.path("set/dark/0.png")).unwrap();
    folder.write("set/dark/broken.png", &whole[..40]);
    let arguments = ["train", "lenet5", "--data", "set", "--epochs", "1", "--out", "run"];
    let refused = folder.run(&arguments);
    let lines = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && lines.contains("broken.png"), "{lines}");
    assert!(!folder.path("run").exists());
    let result = folder.json(&[&arguments[..], &["--skip-unreadable"]].concat());
    let listed = result["summary"]["data"]["unreadable"].as_array().unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed[0]["file"].as_str().unwrap().ends_with("broken.png"), "{listed:?}");
    let kept = std::fs::read_to_string(folder.path("run/unreadable.txt")).unwrap();
    assert!(kept.contains("broken.png: ") && kept.lines().count() == 1, "{kept}");
    let again = folder.json(&["train", "--resume", "run"]);
    assert_eq!(again["weights_sha256"], result["weights_sha256"]);
}

/// The final output of a run refers to the given data, and its folder is named after them.
#[test]
fn final_output_of_a_run_names_the_given_data() {
    let folder = Folder::new("given-data");
    images(&folder, 10, false);
    std::fs::create_dir(folder.path("my data")).unwrap();
    std::fs::rename(folder.path("set"), folder.path("my data/small.set")).unwrap();
    let output = folder.run(&["train", "lenet5", "--data", "my data/small.set/", "--epochs", "1"]);
    let (printed, summary) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{summary}");
    let model = "runs/lenet5-small_set-1/last.safetensors";
    assert!(folder.path(model).is_file(), "{printed}");
    assert!(printed.contains(&format!("striate eval {model} --data 'my data/small.set/'")), "{printed}");
    assert!(!printed.contains("mnist"), "{printed}");
    // With two classes, the top-5 error would always be zero.
    let evaluated = folder.run(&["eval", model, "--data", "my data/small.set"]);
    let evaluated = String::from_utf8(evaluated.stdout).unwrap();
    for text in [&printed, &evaluated] {
        assert!(text.contains("error ") && !text.contains("top 5"), "{text}");
    }
    let digits = folder.run(&["train", "--epochs", "1", "--out", "digits"]);
    let printed = String::from_utf8(digits.stdout).unwrap();
    assert!(printed.contains("(top 5: ") && printed.contains("striate train --data mnist"), "{printed}");
}

/// Only the new head is drawn, so the initialization is not a change.
#[test]
fn summary_of_fine_tuning_does_not_mention_the_initialization() {
    let folder = Folder::new("drawn");
    images(&folder, 10, false);
    let rest = ["--data", "set", "--epochs", "1", "--set", "model.init=he", "--out"];
    let first = folder.json(&[&["train", "resnet20"][..], &rest, &["first"]].concat());
    let drawn = "initialization: he instead of kaiming";
    assert!(changes(&first).contains(&drawn), "{:?}", changes(&first));
    folder.json(&["convert", "first/last.safetensors", "weights.pth"]);
    let tuned =
        folder.json(&[&["train", "resnet20", "--weights", "weights.pth"][..], &rest, &["tuned"]].concat());
    assert!(changes(&tuned).iter().all(|change| !change.contains("initialization")), "{:?}", changes(&tuned));
    assert_eq!(tuned["summary"]["network"]["weights"], "weights.pth");
}

#[test]
fn summary_names_the_origin_of_the_normalization() {
    let folder = Folder::new("normalization");
    images(&folder, 6, false);
    let network = folder.run(&["inspect", "resnet20", "--text", "--classes", "2"]);
    folder.write("net.toml", network.stdout);
    folder.json(&["train", "net.toml", "--data", "set", "--steps", "0", "--out", "own"]);
    folder.json(&["convert", "own/last.safetensors", "bare.pth"]);
    let base = ["train", "net.toml", "--data", "set", "--dry-run"];
    let data = |flags: &[&str]| folder.json(&[&base[..], flags].concat())["summary"]["data"].clone();
    let scratch = data(&[]);
    assert_eq!(scratch["normalization"], "mean and standard deviation of the training images");
    // The preprocessing used to train the weights is kept.
    let kept = data(&["--weights", "own/last.safetensors"]);
    assert_eq!(kept["normalization"], "that of the given weights");
    assert_eq!(kept["mean"], scratch["mean"]);
    let unknown = folder.run(&[&base[..], &["--weights", "bare.pth"]].concat());
    let lines = String::from_utf8(unknown.stderr).unwrap();
    for expected in [
        "bare.pth: the preprocessing of the given weights is unknown; if you know it, use --preprocessing",
        "normalization: mean and standard deviation of the training images",
    ] {
        assert!(lines.contains(expected), "{lines}");
    }
    let asked = data(&["--weights", "bare.pth", "--preprocessing", "imagenet"]);
    assert_eq!(asked["normalization"], "--preprocessing imagenet");
    for (numbers, expected) in [("mean", [0.485, 0.456, 0.406]), ("std", [0.229, 0.224, 0.225])] {
        let found = asked[numbers].as_array().unwrap();
        assert_eq!(found.len(), 3, "{asked}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found.as_f64().unwrap() - expected).abs() < 1e-6, "{asked}");
        }
    }
    for (flags, expected) in [
        (&["--preprocessing", "imagenet"][..], "--preprocessing is that of given weights"),
        (&["--weights", "bare.pth", "--preprocessing", "caffe"], "--preprocessing caffe: is for BGR"),
        (
            &["--weights", "bare.pth", "--preprocessing", "imagnet"],
            "--preprocessing imagnet: expected imagenet, caffe",
        ),
    ] {
        let line = folder.refusal(&[&base[..], flags].concat());
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn resuming_explains_moved_data_and_finished_runs() {
    let folder = Folder::new("moved-data");
    images(&folder, 10, false);
    folder.json(&["train", "lenet5", "--data", "set", "--epochs", "1", "--out", "run"]);
    std::fs::rename(folder.path("set"), folder.path("moved")).unwrap();
    let line = folder.refusal(&["train", "--resume", "run"]);
    let expected = "run/recipe.toml: set: neither a built-in data set nor a folder;";
    assert!(
        line.contains(expected) && line.contains("starts from the folder in which the run was started"),
        "{line}"
    );
    std::fs::rename(folder.path("moved"), folder.path("set")).unwrap();
    let output = folder.run(&["train", "--resume", "run"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("; no steps were left"), "{text}");
    for class in ["dark", "bright"] {
        (1..10).for_each(|index| {
            std::fs::remove_file(folder.path(&format!("set/{class}/{index}.png"))).unwrap()
        });
    }
    let all = ["train", "lenet5", "--data", "set", "--set", "data.holdout=0.5", "--out", "none"];
    let line = folder.refusal(&all);
    assert!(
        line.contains("data.holdout = 0.5 leaves no images to train on; lower it or add images"),
        "{line}"
    );
}
