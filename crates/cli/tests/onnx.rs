//! ONNX files on the command line: exported, imported bit for bit, and used like model files.

mod common;

use common::Folder;
use striate_engine::Inference;
use striate_formats::{Loaded, read_weights, safetensors_bytes};
use striate_vision::{Image, encode_png};

/// Writes initial weights of the network `name` to `weights.safetensors`, replacing zeros and ones, which could hide
/// mistakes.
fn write_weights(folder: &Folder, name: &str) -> Loaded {
    let network = (striate_models::find(name).unwrap().build)().unwrap();
    let mut weights = Inference::initial_weights(&network, 5).unwrap();
    for (_, values) in weights.values_mut() {
        let own = |(i, x): (usize, f32)| if x == 0.0 || x == 1.0 { x + 0.01 * (i % 7) as f32 } else { x };
        *values = values.iter().copied().enumerate().map(own).collect();
    }
    folder.write("weights.safetensors", safetensors_bytes(&weights, Default::default()).unwrap());
    read_weights(&folder.path("weights.safetensors")).unwrap()
}

fn input(folder: &Folder, extents: &[usize]) {
    let shape = striate_tensor::Shape::new([&[2], extents].concat());
    let values: Vec<f32> = (0..shape.numel()).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
    striate_tensor::npy::write(&folder.path("x.npy"), &shape, &values).unwrap();
}

fn output(folder: &Folder, arguments: &[&str]) -> Vec<f32> {
    folder.json(&[&["run"], arguments, &["--input", "x.npy", "--output", "y.npy"]].concat());
    striate_tensor::npy::read(&folder.path("y.npy")).unwrap().to_f32().unwrap()
}

fn assert_close(got: &[f32], expected: &[f32], place: &str) {
    let largest = expected.iter().fold(0f32, |most, x| most.max(x.abs()));
    let worst = got.iter().zip(expected).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(
        got.len() == expected.len() && worst <= 1e-5 * largest,
        "{place}: differs by {worst}, largest {largest}"
    );
}

/// Batch norm, dropout, grouped and depthwise convolution, ReLU6, LRN, zero channels, factors on residuals,
/// concatenation, ceiling mode, auxiliary heads.
#[test]
fn weights_keep_names_and_bits_through_onnx() {
    for (name, extents) in [
        ("lenet5", &[1, 32, 32][..]),
        ("resnet20", &[3, 32, 32]),
        ("nin-cifar", &[3, 32, 32]),
        ("squeezenet1_1", &[3, 224, 224]),
        ("efficientnet-lite0", &[3, 224, 224]),
        ("googlenet", &[3, 224, 224]),
        ("plain18", &[3, 224, 224]),
    ] {
        let folder = Folder::new(&format!("onnx-{name}"));
        let mut given = write_weights(&folder, name);
        let written = folder.json(&["convert", "weights.safetensors", "model.onnx", "--model", name]);
        let result = folder.json(&["convert", "model.onnx", "back.safetensors"]);
        let back = read_weights(&folder.path("back.safetensors")).unwrap();
        given.weights.retain(|name, _| !name.starts_with("aux"));
        assert!(back.weights == given.weights, "{name}");
        assert_eq!(
            (&result["tensors"], &written["tensors"]),
            (&back.weights.len().into(), &back.weights.len().into())
        );
        folder.json(&["convert", "model.onnx", "back.pth"]);
        assert!(read_weights(&folder.path("back.pth")).unwrap().weights == given.weights, "{name}");
        input(&folder, extents);
        let expected = output(&folder, &[name, "--weights", "weights.safetensors"]);
        assert_close(&output(&folder, &["model.onnx"]), &expected, name);
        assert_close(&output(&folder, &["back.safetensors"]), &expected, name);
        assert_close(&output(&folder, &[name, "--weights", "model.onnx"]), &expected, name);
        folder.json(&["verify", "back.safetensors"]);
    }
}

/// Its connection table and its codes have another form in ONNX; importing under its own name restores them.
#[test]
fn lenet5_of_1998_is_restored_under_its_name() {
    let folder = Folder::new("onnx-1998");
    let given = write_weights(&folder, "lenet5-1998");
    folder.json(&["convert", "weights.safetensors", "model.onnx", "--model", "lenet5-1998"]);
    folder.json(&["convert", "model.onnx", "back.safetensors", "--model", "lenet5-1998"]);
    assert!(read_weights(&folder.path("back.safetensors")).unwrap().weights == given.weights);
    input(&folder, &[1, 32, 32]);
    let expected = output(&folder, &["lenet5-1998", "--weights", "weights.safetensors"]);
    assert_close(&output(&folder, &["model.onnx"]), &expected, "as ONNX");
    assert_close(
        &output(&folder, &["lenet5-1998", "--weights", "model.onnx"]),
        &expected,
        "weights from ONNX",
    );
}

#[test]
fn trained_model_works_as_onnx() {
    let folder = Folder::new("onnx-trained");
    folder.json(&["train", "--epochs", "3", "--out", "run"]);
    folder.json(&["convert", "run/last.safetensors", "digits.onnx"]);
    let pixels = (0..20 * 20).map(|i| if (7..13).contains(&(i % 20)) { 255 } else { 0 }).collect();
    folder.write("one.png", encode_png(&Image::new(20, 20, 1, pixels).unwrap()).unwrap());
    let [own, other] = ["run/last.safetensors", "digits.onnx"].map(|file| {
        let measured = folder.json(&["eval", file, "--data", "digits"]);
        let guessed = folder.json(&["predict", file, "one.png"]);
        (measured["confusion"].clone(), guessed["predictions"][0]["top"][0]["class"].clone())
    });
    assert_eq!(own, other);
    let table = folder.json(&["inspect", "digits.onnx"]);
    assert_eq!(table["params"], folder.json(&["inspect", "lenet5"])["params"]);

    // Further training gives the same bits as from the model file itself.
    let [own, other] = ["run/last.safetensors", "digits.onnx"].map(|file| {
        let out = format!("from-{}", file.rsplit('.').next().unwrap());
        let result = folder.json(&["train", file, "--data", "digits", "--epochs", "2", "--out", &out]);
        folder.json(&["train", "--resume", &out]);
        (result["weights_sha256"].clone(), result["val_loss"].clone())
    });
    assert_eq!(own, other);
}

/// As in TensorFlow: `run` takes the file's own input, while images are channels-first.
#[test]
fn channels_last_network_trains_on_images() {
    let folder = Folder::new("onnx-channels-last");
    folder.write(
        "last.toml",
        "name = \"last\"\ninput = [32, 32, 1]\nlayers = [{ op = \"transpose\", permutation = [0, 3, 1, 2] }, \
         { op = \"conv\", out_channels = 6, kernel_size = 5, stride = 3 }, { op = \"relu\" }, { op = \"flatten\" }, \
         { op = \"linear\", out_features = 10 }, { op = \"softmax\" }]",
    );
    let text = std::fs::read_to_string(folder.path("last.toml")).unwrap();
    let network = striate_graph::Network::from_text(&text).unwrap();
    let weights = Inference::initial_weights(&network, 0).unwrap();
    folder.write("weights.safetensors", safetensors_bytes(&weights, Default::default()).unwrap());
    folder.json(&["convert", "weights.safetensors", "last.onnx", "--model", "last.toml"]);
    assert_eq!(folder.json(&["inspect", "last.onnx"])["input"], serde_json::json!([32, 32, 1]));
    // The weights are random: the default for given weights would be fine-tuning.
    let arguments =
        ["train", "last.onnx", "--data", "digits", "--epochs", "4", "--recipe", "small", "--out", "run"];
    let result = folder.json(&arguments);
    assert!(result["top1_error"].as_f64().unwrap() < 0.2, "{result}");
    let loss = result["val_loss"].as_f64().unwrap();
    assert!(loss < 0.8, "no second softmax is applied to probabilities: {result}");
    assert_eq!(folder.json(&["inspect", "run/last.safetensors"])["input"], serde_json::json!([1, 32, 32]));
    // The ONNX file itself can be evaluated on images.
    let measured = folder.json(&["eval", "last.onnx", "--data", "digits", "--preprocessing", "tensorflow"]);
    assert_eq!(measured["n"], 359);
}

#[test]
fn unsupported_conversions_are_refused() {
    let folder = Folder::new("onnx-refused");
    write_weights(&folder, "lenet5");
    folder.write(
        "local.toml",
        "name = \"local\"\ninput = [1, 8, 8]\nlayers = [\n{ name = \"here\", op = \"locally_connected\", out_channels = 2, \
         kernel_size = 3 },\n{ op = \"flatten\" }, { op = \"linear\", out_features = 10 }]",
    );
    folder.json(&["train", "lenet5", "--steps", "1", "--out", "run"]);
    folder.json(&["convert", "weights.safetensors", "good.onnx", "--model", "lenet5"]);
    let good = std::fs::read(folder.path("good.onnx")).unwrap();
    folder.write("cut.onnx", &good[..good.len() / 2]);
    for (arguments, expected) in [
        (
            &["convert", "weights.safetensors", "x.onnx"][..],
            "specify the network of the .onnx file with --model",
        ),
        (
            &["convert", "weights.safetensors", "x.onnx", "--model", "resnet20"],
            "a network other than resnet20?",
        ),
        (
            &["convert", "run/last.safetensors", "x.onnx", "--tensors-only"],
            "an ONNX file always contains the network; omit it",
        ),
        (&["convert", "run/last.safetensors", "x.tflite"], ".onnx"),
        (&["convert", "cut.onnx", "x.safetensors"], "cut.onnx"),
        (&["convert", "good.onnx", "x.safetensors", "--model", "vgg11"], "a network other than vgg11?"),
        (&["inspect", "cut.onnx"], "cut.onnx"),
        (&["eval", "cut.onnx", "--data", "digits"], "cut.onnx"),
        (&["predict", "good.onnx", "good.png", "--preprocessing", "zero-one"], "good.png"),
        (&["verify", "good.onnx"], "good.onnx"),
    ] {
        let line = folder.refusal(arguments);
        assert!(line.contains(expected), "{arguments:?}: {line}");
        assert!(!folder.path("x.onnx").exists() && !folder.path("x.safetensors").exists(), "{arguments:?}");
    }
}

#[test]
fn inspect_lists_the_tensors_of_a_weights_file() {
    let folder = Folder::new("inspect-weights");
    let given = write_weights(&folder, "lenet5");
    folder.json(&["convert", "weights.safetensors", "weights.pth"]);
    for file in ["weights.safetensors", "weights.pth"] {
        let result = folder.json(&["inspect", file]);
        let tensors = result["tensors"].as_array().unwrap();
        assert_eq!(tensors.len(), given.weights.len());
        assert_eq!(tensors[1]["name"], "conv1.weight");
        assert_eq!(tensors[1]["shape"], serde_json::json!([6, 1, 5, 5]));
        assert_eq!(
            (&result["params"], &result["networks"]),
            (&serde_json::json!(61_706), &serde_json::json!(["lenet5"]))
        );
        let shown = String::from_utf8(folder.run(&["inspect", file]).stdout).unwrap();
        assert!(shown.contains("conv1.weight") && shown.contains("--model lenet5"), "{shown}");
    }
}
