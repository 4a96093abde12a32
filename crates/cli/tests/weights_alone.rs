//! Files of weights without a network: `--model` names it for `predict` and `eval`, and `--input` shapes it.

mod common;

use common::Folder;
use serde_json::{Value, json};
use striate_engine::Inference;
use striate_formats::{Weights, pytorch_bytes};
use striate_graph::Network;
use striate_vision::{Image, encode_png};

/// Scores are the means of the channels.
const MEANS: &str = "name = \"means\"\ninput = [3, 4, 4]\nlayers = [{ op = \"global_average_pool\" }, \
                     { op = \"flatten\" }, { name = \"fc\", op = \"linear\", out_features = 3 }]";

/// Weights of `MEANS` for so many classes; class 0 scores red, class 1 green, class 2 blue.
fn means(classes: usize) -> Weights {
    let mut matrix = vec![0.0; classes * 3];
    (0..classes.min(3)).for_each(|class| matrix[class * 3 + class] = 1.0);
    [
        ("fc.weight".to_owned(), ([classes, 3].into(), matrix)),
        ("fc.bias".to_owned(), ([classes].into(), vec![0.0; classes])),
    ]
    .into()
}

fn folder(name: &str) -> Folder {
    let folder = Folder::new(name);
    folder.write("means.toml", MEANS);
    folder.write("means.pth", pytorch_bytes(&means(3)).unwrap());
    folder.write("orange.png", encode_png(&Image::filled(6, 5, [255, 51, 0])).unwrap());
    folder
}

fn top(predicted: &Value) -> Vec<(String, f64)> {
    let top = predicted["predictions"][0]["top"].as_array().unwrap();
    let one = |guess: &Value| (guess["class"].as_str().unwrap().to_owned(), guess["score"].as_f64().unwrap());
    top.iter().map(one).collect()
}

/// The softmax of the means (1, 0.2, 0).
#[test]
fn named_network_makes_weights_a_model() {
    let folder = folder("weights-model");
    let predict = ["predict", "means.pth", "orange.png", "--model", "means.toml"];
    let line = folder.refusal(&predict);
    assert!(line.contains("means.pth: the model does not state its preprocessing"), "{line}");
    let found = top(&folder.json(&[&predict[..], &["--preprocessing", "zero-one"]].concat()));
    assert_eq!(found.len(), 3, "{found:?}");
    for ((class, score), (expected_class, expected)) in
        found.iter().zip([("0", 0.550_295), ("1", 0.247_263), ("2", 0.202_442)])
    {
        assert!(class == expected_class && (score - expected).abs() < 1e-5, "{found:?}");
    }
    for class in ["red", "blue"] {
        let color = if class == "red" { [250, 0, 0] } else { [0, 0, 250] };
        folder.write(&format!("set/{class}/a.png"), encode_png(&Image::filled(4, 4, color)).unwrap());
    }
    folder.write("names.txt", "red\ngreen\nblue\n");
    let eval = ["eval", "means.pth", "--data", "set", "--model", "means.toml", "--names", "names.txt"];
    let measured = folder.json(&[&eval[..], &["--preprocessing", "zero-one"]].concat());
    assert_eq!((&measured["top1_error"], &measured["n"]), (&json!(0.0), &json!(2)));
}

/// The first layer overflows to infinity, which the zeros of the second turn into NaN.
#[test]
fn output_that_is_nan_is_reported_with_its_image() {
    let folder = folder("weights-nan");
    let second = ", { name = \"out\", op = \"linear\", out_features = 3 }]";
    folder.write("two.toml", MEANS.strip_suffix(']').unwrap().to_owned() + second);
    let mut weights = means(3);
    weights.insert("fc.weight".into(), ([3, 3].into(), vec![3e38; 9]));
    weights.insert("out.weight".into(), ([3, 3].into(), vec![0.0; 9]));
    weights.insert("out.bias".into(), ([3].into(), vec![0.0; 3]));
    folder.write("two.pth", pytorch_bytes(&weights).unwrap());
    let predict = ["predict", "two.pth", "orange.png", "--model", "two.toml", "--preprocessing", "zero-one"];
    let output = folder.run(&predict);
    let line = String::from_utf8(output.stderr).unwrap();
    let expected = "error: orange.png: the network's output is NaN or infinite; check its weights and its preprocessing\n";
    assert_eq!((output.status.code(), line.as_str()), (Some(1), expected));
}

#[test]
fn classes_are_those_of_the_last_layer_of_the_weights() {
    let folder = folder("weights-classes");
    folder.write("five.pth", pytorch_bytes(&means(5)).unwrap());
    let predict =
        ["predict", "five.pth", "orange.png", "--model", "means.toml", "--preprocessing", "zero-one"];
    let output = folder.run(&predict);
    let notes = String::from_utf8_lossy(&output.stderr);
    let note = "five.pth: means gets 5 classes instead of 3, to match the last layer of the weights";
    assert!(output.status.success() && notes.contains(note), "{notes}");
    assert_eq!(top(&folder.json(&predict)).len(), 5);
    assert_eq!(top(&folder.json(&[&predict[..], &["--classes", "5"]].concat())).len(), 5);
    let line = folder.refusal(&[&predict[..], &["--classes", "4"]].concat());
    assert!(line.contains("five.pth: the last layer has 5 classes in the file, but 4 in means"), "{line}");
}

/// Weights of a network that `models` lists with ImageNet's classes, with the published preprocessing or another.
#[test]
fn builtin_network_brings_its_preprocessing_and_names() {
    let folder = folder("weights-builtin");
    let network = (striate_models::find("squeezenet1_1").unwrap().build)().unwrap();
    let weights = Inference::initial_weights(&network, 3).unwrap();
    folder.write("net.pth", pytorch_bytes(&weights).unwrap());
    let predict = ["predict", "net.pth", "orange.png", "--model", "squeezenet1_1"];
    let output = folder.run(&predict);
    let notes = String::from_utf8_lossy(&output.stderr);
    for note in
        ["preprocessing of the published weights: RGB in [0, 1]", "using the 1,000 ImageNet class names"]
    {
        assert!(output.status.success() && notes.contains(note), "{notes}");
    }
    for flags in [&[][..], &["--preprocessing", "caffe"]] {
        let alone = folder.json(&[&predict[..], flags].concat());
        let convert = ["convert", "net.pth", "net.safetensors", "--model", "squeezenet1_1"];
        folder.json(&[&convert[..], flags].concat());
        assert_eq!(folder.json(&["predict", "net.safetensors", "orange.png"]), alone, "{flags:?}");
    }
    for arguments in [["predict", "net.pth", "orange.png"], ["convert", "net.pth", "x.safetensors"]] {
        let line = folder.refusal(&[&arguments[..], &["--model", "means.pth"]].concat());
        let expected = "means.pth: contains only weights, not a network; a network is a .toml";
        assert!(line.contains(expected), "{line}");
    }
    let line = folder.refusal(&["predict", "net.pth", "orange.png", "--model", "resnet18"]);
    assert!(line.contains("net.pth: ") && line.contains("a network other than resnet18?"), "{line}");
}

#[test]
fn key_takes_another_set_of_weights() {
    let folder = folder("weights-key");
    let both = [("model", means(3)), ("ema", means(2))];
    let both = both.into_iter().flat_map(|(key, weights)| {
        weights.into_iter().map(move |(name, tensor)| (format!("{key}.{name}"), tensor))
    });
    folder.write("both.pth", pytorch_bytes(&both.collect()).unwrap());
    let predict =
        ["predict", "both.pth", "orange.png", "--model", "means.toml", "--preprocessing", "zero-one"];
    for (key, classes) in [("model", 3), ("ema", 2)] {
        assert_eq!(top(&folder.json(&[&predict[..], &["--key", key]].concat())).len(), classes, "{key}");
    }
}

#[test]
fn input_shapes_the_named_network() {
    let folder = folder("weights-input");
    let mut network = (striate_models::find("lenet5").unwrap().build)().unwrap();
    network.set_input([3, 32, 32]);
    network.set_classes(3).unwrap();
    let weights = Inference::initial_weights(&network, 3).unwrap();
    folder.write("color.pth", pytorch_bytes(&weights).unwrap());
    let flags = ["--model", "lenet5", "--classes", "3", "--input", "3,32,32"];
    folder.json(&[&["convert", "color.pth", "color.safetensors"][..], &flags].concat());
    let text = folder.run(&["inspect", "color.safetensors", "--text"]).stdout;
    let converted = Network::from_text(&String::from_utf8(text).unwrap()).unwrap();
    assert_eq!((converted.input.to_vec(), converted.classes().unwrap()), (vec![3, 32, 32], 3));
    let predict =
        [&["predict", "color.pth", "orange.png", "--preprocessing", "imagenet"][..], &flags].concat();
    assert_eq!(top(&folder.json(&predict)).len(), 3);
    let convert = ["convert", "color.pth", "x.safetensors"];
    for (flags, expected) in [
        (&["--model", "lenet5", "--classes", "3"][..], "conv1.weight [6, 3, 5, 5] instead of [6, 1, 5, 5]"),
        (&["--model", "lenet5", "--input", "3,32"], "--input 3,32: expected channels, height and width"),
        (
            &["--input", "3,32,32"],
            "--input fixes the input shape of an ONNX graph, but color.pth is a weights file without",
        ),
    ] {
        let line = folder.refusal(&[&convert[..], flags].concat());
        assert!(line.contains(expected), "{line}");
    }
}
