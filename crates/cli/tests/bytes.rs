//! ONNX graphs whose input takes bytes: their images become the input as they are, in every command.

mod common;

use common::Folder;
use serde_json::{Value, json};
use striate_tensor::{Shape, npy};
use striate_testkit::onnx::{entry, floats, int, ints, model_of, node, value, value_of};
use striate_testkit::protobuf::Message;
use striate_vision::{Image, encode_png};

/// A graph that takes images `[N, 3, 4, 4]` of the element type `kind` and divides them by 255 itself; its scores are
/// the means of red, green and blue.
fn graph(kind: u64, metadata: &[(&str, &str)]) -> Vec<u8> {
    let nodes = [
        node("Cast", &["x"], "f", &[int("to", 1)]),
        node("Div", &["f", "white"], "v", &[]),
        node("GlobalAveragePool", &["v"], "pooled", &[]),
        node("Flatten", &["pooled"], "means", &[]),
        node("Gemm", &["means", "w"], "s", &[int("transB", 1)]),
    ];
    let graph = nodes.iter().fold(Message::new(), |graph, node| graph.message(1, node));
    let w = floats("w", &[3, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    let graph = graph.message(5, &w).message(5, &floats("white", &[], &[255.0]));
    let graph = graph.message(11, &value_of(kind, "x", &[-1, 3, 4, 4])).message(12, &value("s", &[-1, 3]));
    let model = model_of(17, &graph);
    metadata.iter().fold(model, |model, (key, value)| model.message(14, &entry(key, value))).bytes
}

/// A folder with the graph and an image of the color (255, 51, 0).
fn folder(name: &str) -> Folder {
    let folder = Folder::new(name);
    folder.write("u8.onnx", graph(2, &[]));
    folder.write("orange.png", encode_png(&Image::filled(6, 5, [255, 51, 0])).unwrap());
    folder
}

/// ONNX Runtime's outputs for the image are (1, 0.2, 0), whose softmax this is.
fn assert_scores(predicted: &Value) {
    let top = predicted["predictions"][0]["top"].as_array().unwrap();
    assert_eq!(top.len(), 3, "{predicted}");
    for (guess, (class, score)) in top.iter().zip([("0", 0.550_295), ("1", 0.247_263), ("2", 0.202_442)]) {
        let found = guess["score"].as_f64().unwrap();
        assert!(guess["class"] == class && (found - score).abs() < 1e-5, "{predicted}");
    }
}

/// A preprocessing file that divides by `std`.
fn form(std: &[f64; 3]) -> String {
    let resize = json!({ "step": "resize", "height": 4, "width": 4, "filter": "nearest" });
    json!({ "channels": 3, "steps": [resize], "mean": [0, 0, 0], "std": std }).to_string()
}

fn notes(folder: &Folder, arguments: &[&str]) -> String {
    let output = folder.run(arguments);
    let notes = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{notes}");
    notes
}

#[test]
fn images_are_given_as_bytes_and_converted_models_keep_that() {
    let folder = folder("bytes-predict");
    assert_scores(&folder.json(&["predict", "u8.onnx", "orange.png"]));
    let printed = notes(&folder, &["predict", "u8.onnx", "orange.png"]);
    let line = "preprocessing (the input takes bytes): RGB in [0, 255], shorter side";
    assert!(printed.contains(line), "{printed}");
    for to in ["model.safetensors", "model.onnx"] {
        let notes = notes(&folder, &["convert", "u8.onnx", to]);
        let line = format!("the input of {to} is float instead of uint8, with the same values");
        assert!(notes.contains(&line), "{notes}");
        assert_scores(&folder.json(&["predict", to, "orange.png"]));
    }
    folder.json(&["verify", "model.safetensors"]);
    folder.write("form.json", form(&[1.0 / 255.0, 0.003_921_569, 0.003_921_57]));
    assert_scores(&folder.json(&["predict", "u8.onnx", "orange.png", "--preprocessing", "form.json"]));
    for class in ["0", "1"] {
        std::fs::create_dir_all(folder.path(&format!("set/{class}"))).unwrap();
        std::fs::copy(folder.path("orange.png"), folder.path(&format!("set/{class}/a.png"))).unwrap();
    }
    let measured = folder.json(&["eval", "u8.onnx", "--data", "set"]);
    // The mean of −ln 0.550295 and −ln 0.247263.
    assert!((measured["loss"].as_f64().unwrap() - 0.997_302).abs() < 1e-5, "{measured}");
}

#[test]
fn preprocessing_that_gives_no_bytes_is_refused() {
    let folder = folder("bytes-refused");
    for (word, range) in [
        ("zero-one", "fractions from 0 to 1"),
        ("tensorflow", "fractions from -1 to 1"),
        ("imagenet", "fractions from -2.118 to 2.64"),
        ("caffe", "fractions from -123.68 to 151.061"),
    ] {
        for arguments in [
            &["predict", "u8.onnx", "orange.png"][..],
            &["eval", "u8.onnx", "--data", "digits"],
            &["convert", "u8.onnx", "out.safetensors"],
        ] {
            let line = folder.refusal(&[arguments, &["--preprocessing", word]].concat());
            let expected = format!(
                "u8.onnx: --preprocessing {word}: gives {range}, but the network's input takes bytes (uint8), \
                 from 0 to 255; omit --preprocessing to pass pixels as bytes, or use a FILE.json with mean 0 and std 1/255"
            );
            assert!(line.contains(&expected), "{line}");
        }
    }
    // Metadata that contradict the input are ignored.
    let keys = [("Image.BitmapPixelFormat", "Rgb8"), ("Image.NominalPixelRange", "Normalized_0_1")];
    folder.write("odd.onnx", graph(2, &keys));
    let notes = notes(&folder, &["predict", "odd.onnx", "orange.png"]);
    let ignored = "are ignored: their preprocessing gives fractions from 0 to 1, but the network's input takes bytes \
                   (uint8), from 0 to 255\n";
    assert!(notes.contains(ignored), "{notes}");
    assert_scores(&folder.json(&["predict", "odd.onnx", "orange.png"]));
    // For other integer types, the scaling of bytes is unknown.
    folder.write("i32.onnx", graph(6, &[]));
    let line = folder.refusal(&["predict", "i32.onnx", "orange.png"]);
    assert!(line.contains("choose it with --preprocessing"), "{line}");
    let line = folder.refusal(&["predict", "i32.onnx", "orange.png", "--preprocessing", "zero-one"]);
    assert!(
        line.contains("takes integers (int32); use a FILE.json whose mean and std yield integers"),
        "{line}"
    );
}

/// A graph that takes images `[N, 4, 4, 3]` and scales them before it transposes them.
#[test]
fn channels_last_images_are_given_as_bytes() {
    let folder = folder("bytes-last");
    let nodes = [
        node("Cast", &["x"], "f", &[int("to", 1)]),
        node("Div", &["f", "white"], "v", &[]),
        node("Transpose", &["v"], "t", &[ints("perm", &[0, 3, 1, 2])]),
        node("GlobalAveragePool", &["t"], "pooled", &[]),
        node("Flatten", &["pooled"], "means", &[]),
        node("Gemm", &["means", "w"], "s", &[int("transB", 1)]),
    ];
    let graph = nodes.iter().fold(Message::new(), |graph, node| graph.message(1, node));
    // Green is scored at half its value: the constant applies to the last axis.
    let graph = graph.message(5, &floats("w", &[3, 3], &[1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0]));
    let graph = graph.message(5, &floats("white", &[3], &[255.0, 510.0, 255.0]));
    let graph = graph.message(11, &value_of(2, "x", &[-1, 4, 4, 3])).message(12, &value("s", &[-1, 3]));
    folder.write("last.onnx", model_of(17, &graph).bytes);
    assert_scores(&folder.json(&["predict", "last.onnx", "orange.png"]));
    folder.json(&["convert", "last.onnx", "last.safetensors"]);
    assert_scores(&folder.json(&["predict", "last.safetensors", "orange.png"]));
}

/// The integers that the input takes are a fact of the network, wherever its weights come from.
#[test]
fn weights_for_a_named_network_get_bytes_too() {
    let folder = folder("bytes-named");
    folder.json(&["convert", "u8.onnx", "w.pth"]);
    let named = ["--model", "u8.onnx"];
    let predict = ["predict", "w.pth", "orange.png"];
    assert_scores(&folder.json(&[&predict[..], &named].concat()));
    let note = "the input of new.safetensors is float instead of uint8, with the same values";
    let printed = notes(&folder, &[&["convert", "w.pth", "new.safetensors"][..], &named].concat());
    assert!(printed.contains(note), "{printed}");
    assert_scores(&folder.json(&["predict", "new.safetensors", "orange.png"]));
    for arguments in [&predict[..], &["convert", "w.pth", "x.safetensors"]] {
        let line = folder.refusal(&[arguments, &named, &["--preprocessing", "zero-one"]].concat());
        assert!(line.contains("w.pth: --preprocessing zero-one: gives fractions from 0 to 1, but"), "{line}");
    }
    // A model file made for floats does not fit the graph of bytes.
    folder.json(&[
        "convert",
        "w.pth",
        "float.safetensors",
        "--model",
        "new.safetensors",
        "--preprocessing",
        "zero-one",
    ]);
    let line = folder.refusal(&["predict", "float.safetensors", "orange.png", "--model", "u8.onnx"]);
    let expected = "float.safetensors: the model's preprocessing: gives fractions from 0 to 1, but the network's input \
                    takes bytes (uint8), from 0 to 255; --preprocessing replaces it";
    assert!(line.contains(expected), "{line}");
    write_set(&folder);
    let train = ["train", "u8.onnx", "--weights", "w.pth", "--data", "set", "--dry-run"];
    let line = folder.refusal(&[&train[..], &["--preprocessing", "zero-one"]].concat());
    assert!(line.contains("--preprocessing zero-one: gives fractions from 0 to 1"), "{line}");
    assert_trains_on_bytes(&folder.json(&train), "the input takes bytes (uint8)");
}

/// Six images of each of two classes.
fn write_set(folder: &Folder) {
    for (class, level) in [("dark", 0), ("bright", 130)] {
        for index in 0..6 {
            let image = Image::filled(8, 8, [level + 20 * index, level, 60]);
            folder.write(&format!("set/{class}/{index}.png"), encode_png(&image).unwrap());
        }
    }
}

/// Asserts that a run normalizes pixels to bytes, for this reason.
fn assert_trains_on_bytes(trained: &Value, normalization: &str) {
    let data = &trained["summary"]["data"];
    assert_eq!((&data["mean"], &data["normalization"]), (&json!([0.0, 0.0, 0.0]), &json!(normalization)));
    let std = data["std"].as_array().unwrap();
    assert_eq!(std.len(), 3, "{data}");
    for std in std {
        assert!((std.as_f64().unwrap() * 255.0 - 1.0).abs() < 1e-6, "{data}");
    }
}

/// For integers other than bytes, no preprocessing is assumed.
#[test]
fn training_on_integers_needs_their_preprocessing() {
    let folder = Folder::new("bytes-integers");
    folder.write("i32.onnx", graph(6, &[]));
    write_set(&folder);
    let train = ["train", "i32.onnx", "--data", "set", "--dry-run"];
    let line = folder.refusal(&train);
    let expected = "error: i32.onnx: the network's input takes integers (int32); state its preprocessing with \
                    --preprocessing FILE.json\n";
    assert_eq!(line, expected);
    folder.write("form.json", form(&[1.0 / 255.0; 3]));
    let trained = folder.json(&[&train[..], &["--preprocessing", "form.json"]].concat());
    assert_trains_on_bytes(&trained, "--preprocessing form.json");
}

#[test]
fn training_gives_bytes_too() {
    let folder = folder("bytes-train");
    write_set(&folder);
    let train = ["train", "u8.onnx", "--data", "set", "--epochs", "1", "--out", "run"];
    folder.write("half.toml", "[data]\nmean = [0.5, 0.5, 0.5]\nstd = [1.0, 1.0, 1.0]\n");
    for (flags, expected) in [
        (&["--preprocessing", "zero-one"][..], "--preprocessing zero-one: gives fractions from 0 to 1"),
        (
            &["--recipe", "half.toml"],
            "data.mean and data.std: gives fractions from -0.5 to 0.5, but the network's input takes bytes (uint8), \
             from 0 to 255; choose values that yield such integers\n",
        ),
    ] {
        let line = folder.refusal(&[&train[..], flags].concat());
        assert!(line.contains(expected) && !folder.path("run").exists(), "{line}");
    }
    assert_trains_on_bytes(&folder.json(&train), "the input takes bytes (uint8)");
}

#[test]
fn run_takes_arrays_of_bytes_for_such_inputs_only() {
    let folder = folder("bytes-run");
    let (shape, values): (Shape, Vec<u8>) = ([1, 3, 4, 4].into(), (0..48).map(|i| i * 5).collect());
    npy::write(&folder.path("bytes.npy"), &shape, &values).unwrap();
    npy::write(
        &folder.path("floats.npy"),
        &shape,
        &values.iter().copied().map(f32::from).collect::<Vec<_>>(),
    )
    .unwrap();
    let [bytes, floats] = ["bytes.npy", "floats.npy"].map(|file| {
        folder.json(&["run", "u8.onnx", "--input", file, "--output", "y.npy"]);
        npy::read(&folder.path("y.npy")).unwrap().to_f32().unwrap()
    });
    assert_eq!((bytes.len(), &bytes), (3, &floats));
    let mean = |channel: usize| {
        values[channel * 16..][..16].iter().map(|x| f32::from(*x) / 255.0).sum::<f32>() / 16.0
    };
    bytes.iter().enumerate().for_each(|(channel, found)| assert!((found - mean(channel)).abs() < 1e-6));
    let line = folder.refusal(&["run", "resnet18", "--input", "bytes.npy", "--output", "y.npy"]);
    assert!(line.contains("bytes.npy: contains u8; expected f32; convert the array to float32"), "{line}");
}
