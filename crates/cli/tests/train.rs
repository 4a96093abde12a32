//! Training from the built-in digits to predictions, and bit-identical results despite interruptions.

mod common;

use common::{Folder, text};
use serde_json::Value;

/// The first command in the README works as documented.
#[test]
fn first_command_trains_a_model_that_predicts() {
    let folder = Folder::new("newcomer");
    let result = folder.json(&["train"]);
    assert!(result["top1_error"].as_f64().unwrap() <= 0.025, "{result}");
    assert_eq!(result["run"], "runs/lenet5-digits-1");
    let model = result["model"].as_str().unwrap();
    for file in ["recipe.toml", "network.toml", "metrics.csv", "curves.png", "best.safetensors"] {
        assert!(folder.path("runs/lenet5-digits-1").join(file).is_file(), "{file} is missing");
    }

    let evaluation = folder.json(&["eval", model, "--data", "digits"]);
    assert_eq!(evaluation["n"], 359);
    assert_eq!(evaluation["top1_error"], result["top1_error"]);
    let counts = evaluation["confusion"].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
    assert_eq!(counts.map(|count| count.as_u64().unwrap()).sum::<u64>(), 359);
    assert_eq!(folder.json(&["verify", model])["ok"], true);

    let seven = folder.write("seven.png", seven());
    let arguments = ["predict", model, text(&seven), "--top", "3", "--picture", "predictions.png"];
    let top = &folder.json(&arguments)["predictions"][0]["top"];
    assert_eq!(top.as_array().unwrap().len(), 3);
    assert_eq!(top[0]["class"], "7", "{top}");
    let picture = striate_vision::decode(&std::fs::read(folder.path("predictions.png")).unwrap()).unwrap();
    assert!(picture.width() >= 300 && picture.height() > 300);
}

/// A seven drawn with a thick pen, dark on white.
fn seven() -> Vec<u8> {
    let mut image = striate_vision::Image::filled(120, 160, [255; 3]);
    let mut dot = |x: usize, y: usize| {
        for dy in 0..14 {
            for dx in 0..14 {
                let at = ((y + dy) * 120 + x + dx) * 3;
                image.pixels_mut()[at..at + 3].fill(20);
            }
        }
    };
    for i in 0..60 {
        dot(25 + i, 25);
    }
    for i in 0..90 {
        dot(85 - i * 45 / 90, 25 + i);
    }
    striate_vision::encode_png(&image).unwrap()
}

const SHORT: [&str; 9] =
    ["train", "--epochs", "2", "--set", "data.augment=affine", "--set", "train.batch=48", "--seed", "3"];

fn sha(result: &Value) -> &str {
    result["weights_sha256"].as_str().unwrap()
}

#[test]
fn threads_and_interruptions_do_not_change_results() {
    let folder = Folder::new("bits");
    let run = |more: &[&str]| folder.json(&[&SHORT[..], more].concat());
    let whole = run(&["--threads", "1", "--out", "a"]);
    assert_eq!(sha(&run(&["--threads", "2", "--out", "b"])), sha(&whole));
    assert_eq!(sha(&run(&["--threads", "2", "--out", "c"])), sha(&whole));
    assert_ne!(sha(&run(&["--out", "d", "--set", "optim.lr=0.04"])), sha(&whole));

    // Stopped in the middle of each epoch, and at its end.
    let steps = whole["steps"].as_u64().unwrap();
    let stops = [0, 7, steps / 2, steps / 2 + 11];
    let mut state = run(&["--out", "e", "--steps", "3"]);
    assert_eq!((state["steps"].as_u64(), state["losses"].as_array().unwrap().len()), (Some(3), 3));
    assert_eq!(state["top1_error"], Value::Null);
    for stop in &stops[1..] {
        state = folder.json(&["train", "--resume", "e", "--steps", &stop.to_string()]);
        assert_eq!(state["steps"].as_u64(), Some(*stop));
        assert_ne!(sha(&state), sha(&whole));
    }
    let end = folder.json(&["train", "--resume", "e", "--threads", "1"]);
    assert_eq!(sha(&end), sha(&whole));
    assert_eq!(end["top1_error"], whole["top1_error"]);
    // Resuming a finished run reports its results again.
    let again = folder.json(&["train", "--resume", "e"]);
    assert_eq!((sha(&again), &again["top1_error"]), (sha(&whole), &whole["top1_error"]));
    assert_eq!(again["train_loss"], end["train_loss"]);
}

#[test]
fn every_instruction_set_trains() {
    let folder = Folder::new("isa");
    for isa in striate_engine::Isa::available() {
        let arguments = ["train", "--epochs", "1", "--out", isa.name(), "--json"];
        let output = folder.run_with(&arguments, &[("STRIATE_ISA", isa.name())]);
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(result["train_loss"].as_f64().unwrap() < 1.5, "{isa}: {result}");
    }
}

#[test]
fn custom_network_trains_on_custom_arrays() {
    let folder = Folder::new("own");
    folder.write(
        "mine.toml",
        r#"name = "mine"
        input = [2, 6, 5]
        layers = [
            { op = "conv", out_channels = 5, kernel_size = 3, padding = 1, bias = false },
            { op = "batch_norm" },
            { op = "relu" },
            { op = "max_pool", kernel_size = 2, stride = 2, ceil_mode = true },
            { op = "flatten" },
            { op = "dropout", probability = 0.2 },
            { op = "linear", out_features = 9 },
        ]"#,
    );
    std::fs::create_dir(folder.path("set")).unwrap();
    // Two classes: bright on the left or on the right.
    let pixel = |n: usize, x: usize| {
        if (x < 2) == n.is_multiple_of(2) { 1.0 } else { ((n * 7 + x) % 5) as f32 / 10.0 }
    };
    let images: Vec<f32> = (0..64 * 60).map(|i| pixel(i / 60, i % 5)).collect();
    let labels: Vec<i64> = (0..64).map(|n| n % 2).collect();
    let shape = |extents: &[usize]| striate_tensor::Shape::from(extents);
    striate_tensor::npy::write(&folder.path("set/images.npy"), &shape(&[64, 2, 6, 5]), &images).unwrap();
    striate_tensor::npy::write(&folder.path("set/labels.npy"), &shape(&[64]), &labels).unwrap();
    let result = folder.json(&[
        "train",
        "mine.toml",
        "--data",
        "npy:set",
        "--epochs",
        "8",
        "--batch",
        "16",
        "--out",
        "run",
    ]);
    assert_eq!(result["top1_error"], 0.0, "{result}");

    folder.run(&["run", "run/last.safetensors", "--input", "set/images.npy", "--output", "scores.npy"]);
    let scores = striate_tensor::npy::read(&folder.path("scores.npy")).unwrap();
    assert_eq!(scores.shape, shape(&[64, 2]));
    let scores = scores.to_f32().unwrap();
    assert!(scores.chunks(2).enumerate().all(|(n, row)| (row[1] > row[0]) == (n % 2 == 1)));
}

#[test]
fn dry_run_prints_json() {
    let folder = Folder::new("dry-run");
    let result = folder.json(&["train", "--dry-run", "--batch", "8", "--lr", "0.25"]);
    let recipe = &result["recipe"];
    assert_eq!((&recipe["model"]["name"], &recipe["train"]["batch"]), (&"lenet5".into(), &8.into()));
    assert_eq!(recipe["optim"]["lr"], 0.25);
    let steps = result["plan"]["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["name"] == "update/conv1.bias"), "{result}");
    let convolution = steps.iter().find(|step| step["op"] == "conv").unwrap();
    assert!(convolution["percent_of_peak"].as_f64().unwrap() > 0.0, "{convolution}");
    let seconds: f64 = steps.iter().filter_map(|step| step["seconds"].as_f64()).sum();
    assert!((seconds / result["step_seconds"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    for field in ["images_per_second", "epoch_seconds", "seconds"] {
        assert!(result[field].as_f64().unwrap() > 0.0, "{field}");
    }
    assert!(!folder.path("runs").exists());
}

/// Loads MNIST and Fashion-MNIST and trains for some steps; `bench/records` has full training runs.
#[test]
fn real_data_sets_load_and_train() {
    let folder = Folder::new("real");
    for name in ["mnist", "fashion-mnist"] {
        let output = folder.run(&["data", "info", name, "--json"]);
        if !output.status.success() {
            striate_testkit::missing_data(
                "real_data_sets_load_and_train",
                &format!("{name} is missing; run scripts/fetch-data.sh"),
            );
            continue;
        }
        let info: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (info["parts"][0]["n"].as_u64(), info["parts"][1]["n"].as_u64()),
            (Some(60_000), Some(10_000))
        );
        let result = folder.json(&["train", "lenet5", "--data", name, "--steps", "200", "--out", name]);
        assert!(result["train_loss"].as_f64().unwrap() < 2.0, "{result}");
    }
}

/// The range test proposes a rate, draws a picture, and leaves nothing else.
#[test]
fn range_test_proposes_a_rate_and_writes_only_the_picture() {
    let folder = Folder::new("find-lr");
    let result = folder.json(&["train", "--find-lr", "--picture", "rates.png"]);
    let rate = result["lr"].as_f64().unwrap();
    assert!((1e-3..2.0).contains(&rate), "{result}");
    assert!(result["reason"].as_str().unwrap().contains("falls fastest"), "{result}");
    assert_eq!(result["rates"].as_array().unwrap().len(), result["losses"].as_array().unwrap().len());
    assert!(!folder.path("runs").exists());
    let picture = striate_vision::decode(&std::fs::read(folder.path("rates.png")).unwrap()).unwrap();
    assert!(picture.width() > 300 && picture.height() > 300);
    // The proposed rate is a vertical line in the color of the third curve.
    let is_marked = |x: usize| {
        let marked = (0..picture.height()).filter(|y| picture.pixel(x, *y) == [78, 148, 90]).count();
        2 * marked > picture.height()
    };
    let marked: Vec<usize> = (0..picture.width()).filter(|x| is_marked(*x)).collect();
    assert!((1..=3).contains(&marked.len()) && marked[0] + marked.len() == marked[marked.len() - 1] + 1);
}
