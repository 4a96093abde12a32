//! `convert`: every weights format to every other, preserving names and bits; mismatches are named. The PyTorch
//! files are from `scripts/reference/pth_pytorch.py`. `scripts/reference/convert_pytorch.py` complements these tests:
//! there, PyTorch reads the files written by `convert`.

mod common;

use common::Folder;
use serde_json::{Value, json};
use striate_formats::{Evaluation, ModelFile, Weights, pytorch_bytes, read_weights, safetensors_bytes};
use striate_tensor::{Shape, npy};
use striate_testkit::protobuf::{Message, blob};

const NETWORK: &str = r#"
name = "small"
input = [3, 8, 8]
layers = [
    { name = "conv1", op = "conv", out_channels = 4, kernel_size = 3 },
    { name = "bn1", op = "batch_norm" },
    { name = "relu1", op = "relu" },
    { name = "flat", op = "flatten" },
    { name = "fc", op = "linear", out_features = 5 },
]
"#;

/// Variables of the network above, with values that conversion through text or another type would change.
fn weights() -> Weights {
    let shapes = [
        ("conv1.weight", vec![4, 3, 3, 3]),
        ("conv1.bias", vec![4]),
        ("bn1.weight", vec![4]),
        ("bn1.bias", vec![4]),
        ("bn1.running_mean", vec![4]),
        ("bn1.running_var", vec![4]),
        ("fc.weight", vec![5, 144]),
        ("fc.bias", vec![5]),
    ];
    let mut weights: Weights = shapes
        .into_iter()
        .map(|(name, shape)| {
            let shape = Shape::new(shape);
            let values = (0..shape.numel()).map(|i| 0.1 + (i * i % 97) as f32 / 300.0).collect();
            (name.to_owned(), (shape, values))
        })
        .collect();
    let odd = [-0.0, f32::MIN_POSITIVE / 8.0, -f32::EPSILON, 1e-30];
    weights.get_mut("conv1.bias").unwrap().1.copy_from_slice(&odd);
    weights
}

fn named(weights: &Weights, name: impl Fn(&str) -> String) -> Weights {
    weights.iter().map(|(old, tensor)| (name(old), tensor.clone())).collect()
}

fn plain(weights: &Weights) -> Vec<u8> {
    safetensors_bytes(weights, Default::default()).unwrap()
}

/// Asserts that names, shapes and every bit are equal.
fn assert_same(found: &Weights, expected: &Weights, place: &str) {
    let bits = |weights: &Weights| -> Vec<(String, Shape, Vec<u32>)> {
        let tensors = weights.iter();
        tensors
            .map(|(name, (shape, values))| {
                (name.clone(), shape.clone(), values.iter().map(|x| x.to_bits()).collect())
            })
            .collect()
    };
    assert!(bits(found) == bits(expected), "{place}: {:?}", found.keys().collect::<Vec<_>>());
}

/// Returns a layer in Caffe's second format.
fn layer(name: &str, kind: &str, bottom: &str, top: &str, blobs: &[Message]) -> Message {
    let start = Message::new().text(1, name).text(2, kind).text(3, bottom).text(4, top);
    blobs.iter().fold(start, |layer, blob| layer.message(7, blob))
}

/// Returns a tensor as a blob.
fn blob_of(weights: &Weights, name: &str) -> Message {
    let (shape, values) = &weights[name];
    let extents: Vec<u64> = shape.iter().map(|extent| *extent as u64).collect();
    blob(&extents, values)
}

/// Returns a kernel for three channels, with the first and the last exchanged, as a blob.
fn bgr_blob(weights: &Weights, name: &str) -> Message {
    let (shape, values) = &weights[name];
    let plane = shape[2] * shape[3];
    let turned = |i: usize| {
        let (kernel, channel, tap) = (i / (3 * plane), i / plane % 3, i % plane);
        values[(kernel * 3 + 2 - channel) * plane + tap]
    };
    let extents: Vec<u64> = shape.iter().map(|extent| *extent as u64).collect();
    blob(&extents, &(0..values.len()).map(turned).collect::<Vec<_>>())
}

fn caffemodel(weights: &Weights) -> Vec<u8> {
    let of = |name: &str| blob_of(weights, name);
    let norm = [of("bn1.running_mean"), of("bn1.running_var"), blob(&[1], &[1.0])];
    let convolution = [bgr_blob(weights, "conv1.weight"), of("conv1.bias")];
    Message::new()
        .message(100, &layer("conv1", "Convolution", "data", "conv1", &convolution))
        .message(100, &layer("bn1", "BatchNorm", "conv1", "conv1", &norm))
        .message(100, &layer("scale1", "Scale", "conv1", "conv1", &[of("bn1.weight"), of("bn1.bias")]))
        .message(100, &layer("fc", "InnerProduct", "conv1", "fc", &[of("fc.weight"), of("fc.bias")]))
        .bytes
}

#[test]
fn every_format_converts_to_every_other_bit_for_bit() {
    let folder = Folder::new("convert-pairs");
    let weights = weights();
    folder.write("net.toml", NETWORK);
    folder.write("plain.safetensors", plain(&weights));
    folder.write("zip.pth", pytorch_bytes(&weights).unwrap());
    folder.write("trained.caffemodel", caffemodel(&weights));
    folder.json(&["convert", "plain.safetensors", "model.safetensors", "--model", "net.toml"]);
    // Parameters of conv1, bn1 and fc; statistics do not count.
    let count = 4 * 27 + 4 + 2 * 4 + 5 * 144 + 5;
    for from in ["plain.safetensors", "zip.pth", "trained.caffemodel", "model.safetensors"] {
        for (to, options) in [
            ("out.safetensors", &["--model", "net.toml"][..]),
            ("out.safetensors", &["--model", "net.toml", "--tensors-only"]),
            ("out.pth", &[]),
            ("out.pt", &["--model", "net.toml"]),
            ("out.caffemodel", &["--model", "net.toml"]),
        ] {
            let place = format!("{from} to {to} with {options:?}");
            let result = folder.json(&[&["convert", from, to], options].concat());
            assert_eq!((&result["tensors"], &result["params"]), (&8.into(), &Value::from(count)), "{place}");
            let read = read_weights(&folder.path(to)).unwrap();
            assert_same(&read.weights, &weights, &place);
            assert_eq!(read.model.is_some(), options == ["--model", "net.toml"] && to == "out.safetensors");
            if read.model.is_some() {
                assert_eq!(folder.json(&["verify", to])["ok"], true, "{place}");
            }
        }
    }
    let (from_model, from_caffe) = ("from-model.pth", "from-caffe.pth");
    folder.json(&["convert", "model.safetensors", from_model]);
    folder.json(&["convert", "trained.caffemodel", from_caffe]);
    let bytes = |name: &str| std::fs::read(folder.path(name)).unwrap();
    assert!(bytes(from_model) == bytes("zip.pth") && bytes(from_caffe) == bytes("zip.pth"));
}

/// Without a network, the meaning of the values is unknown, so all of them are accepted.
#[test]
fn non_finite_values_pass_without_a_network() {
    let folder = Folder::new("convert-odd");
    let mut weights = weights();
    let odd = [f32::from_bits(0x7fc0_1234), f32::NEG_INFINITY, f32::INFINITY, f32::from_bits(0xff80_0001)];
    weights.get_mut("conv1.bias").unwrap().1.copy_from_slice(&odd);
    folder.write("net.toml", NETWORK);
    folder.write("a.safetensors", plain(&weights));
    folder.json(&["convert", "a.safetensors", "b.pth"]);
    folder.json(&["convert", "b.pth", "c.safetensors"]);
    assert_same(&read_weights(&folder.path("c.safetensors")).unwrap().weights, &weights, "there and back");
    let line = folder.refusal(&["convert", "b.pth", "d.safetensors", "--model", "net.toml"]);
    assert!(line.contains("b.pth: conv1.bias contains NaN or infinite values"), "{line}");
}

#[test]
fn files_written_by_pytorch_are_converted_and_choices_reported() {
    let folder = Folder::new("convert-pytorch");
    let files: Value = serde_json::from_str(include_str!("../../formats/tests/pytorch.json")).unwrap();
    let cases = files["read"].as_array().unwrap();
    assert_eq!(cases.len(), 56);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let hexadecimal = case["file"].as_str().unwrap().as_bytes().as_chunks::<2>().0.iter();
        let bytes = hexadecimal.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap());
        folder.write("a.pth", bytes.collect::<Vec<u8>>());
        let output = folder.run(&["convert", "a.pth", "b.safetensors"]);
        let notes = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{name}: {notes}");
        let expected: Weights = case["tensors"].as_object().unwrap().iter().map(tensor).collect();
        assert_same(&read_weights(&folder.path("b.safetensors")).unwrap().weights, &expected, name);
        let word = match name.split(' ').next().unwrap() {
            "types" => "a.pth: converted bfloat16, bool, float16, float64, int16, int32,",
            "imagenet" | "lightning" => "a.pth: using the state dict \"state_dict\"",
            "references" | "timm" => "ema also has tensors: --key ",
            "nested" => "a.pth: using the state dict \"model.params\"",
            "beside" => "a.pth: using the state dict \"found.0.weights\"",
            "aside" => "a.pth: skipped, not numeric tensors: steps, name, list, big",
            "subclass" => "a.pth: its pickle refers to code, which is never executed: __main__.Parameters",
            "whole-module" | "whole-parallel" => "never executed: __main__.Net",
            _ => "",
        };
        assert!(notes.contains(word) && notes.is_empty() == word.is_empty(), "{name}: {notes}");
    }
}

/// Reads a tensor of `pytorch.json`.
fn tensor((name, tensor): (&String, &Value)) -> (String, (Shape, Vec<f32>)) {
    let shape = tensor["shape"].as_array().unwrap().iter().map(|extent| extent.as_u64().unwrap() as usize);
    let values = tensor["values"].as_array().unwrap().iter();
    let values = values.map(|value| value.as_str().unwrap().parse::<f64>().unwrap() as f32);
    (name.clone(), (Shape::new(shape.collect::<Vec<_>>()), values.collect()))
}

#[test]
fn prefixes_of_wrappers_and_batch_counters_are_removed_and_reported() {
    let folder = Folder::new("convert-wrapped");
    let weights = weights();
    folder.write("net.toml", NETWORK);
    let mut wrapped = named(&weights, |name| format!("module.{name}"));
    folder.write("without.pth", pytorch_bytes(&wrapped).unwrap());
    wrapped.insert("module.bn1.num_batches_tracked".into(), (Shape::from([]), vec![9.0]));
    folder.write("with.safetensors", plain(&wrapped));
    for from in ["without.pth", "with.safetensors"] {
        let output = folder.run(&["convert", from, "out.pth", "--model", "net.toml"]);
        let notes = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(notes, format!("{from}: removed the prefix module.\n"));
        assert_same(&read_weights(&folder.path("out.pth")).unwrap().weights, &weights, from);
    }
}

#[test]
fn mismatches_are_named_and_the_output_file_is_kept() {
    let folder = Folder::new("convert-misfits");
    let mut other = named(&weights(), |name| name.replace("bn1", "norm"));
    other.insert("fc.bias".into(), (Shape::from([5, 1]), vec![0.0; 5]));
    folder.write("net.toml", NETWORK);
    folder.write("other.pth", pytorch_bytes(&other).unwrap());
    folder.write("other.safetensors", plain(&other));
    folder.write("other.caffemodel", caffemodel(&weights()));
    folder.write("out.safetensors", "what was there");
    for from in ["other.pth", "other.safetensors"] {
        let line = folder.refusal(&["convert", from, "out.safetensors", "--model", "net.toml"]);
        let expected = format!(
            "{from}: 4 parameters missing, first bn1.weight; 4 tensors unexpected: norm.bias, norm.running_mean, \
             norm.running_var, norm.weight; 1 tensor of the wrong shape, first fc.bias [5, 1] instead of [5]"
        );
        assert!(line.contains(&expected), "{line}");
    }
    let line = folder.refusal(&["convert", "other.caffemodel", "out.safetensors", "--model", "lenet5"]);
    assert!(
        line.contains("parameters missing, first conv2.weight")
            && line.contains("a network other than lenet5?"),
        "{line}"
    );
    let line = folder.refusal(&["convert", "other.pth", "out.h5"]);
    assert!(line.contains("out.h5: give a .safetensors, .pth"), "{line}");
    assert_eq!(std::fs::read(folder.path("out.safetensors")).unwrap(), b"what was there");
}

/// `convert` refuses the last layer, since its file would claim trained weights; `run` replaces it only on request.
#[test]
fn last_layer_for_other_classes_is_replaced_only_by_run_with_classes() {
    let folder = Folder::new("convert-classes");
    folder.write("small.pth", pytorch_bytes(&weights()).unwrap());
    folder.write("more.toml", NETWORK.replace("out_features = 5", "out_features = 7"));
    let line = folder.refusal(&["convert", "small.pth", "out.safetensors", "--model", "more.toml"]);
    let expected = "small.pth: the last layer has 5 classes in the file, but 7 in small; use --classes 5";
    assert!(line.contains(expected), "{line}");
    let nine = ["convert", "small.pth", "out.safetensors", "--model", "more.toml", "--classes", "9"];
    assert!(folder.refusal(&nine).contains("5 classes in the file, but 9 in small; use --classes 5"));
    let five = ["convert", "small.pth", "five.safetensors", "--model", "more.toml", "--classes", "5"];
    assert_eq!(folder.json(&five)["tensors"], 8);
    assert_eq!(folder.json(&["inspect", "five.safetensors"])["params"], 845);
    let line = folder.refusal(&["convert", "small.pth", "five.pth", "--classes", "5"]);
    assert!(line.contains("specify it with --model"), "{line}");
    npy::write::<f32>(&folder.path("x.npy"), &[1, 3, 8, 8].into(), &[0.5; 192]).unwrap();
    let (more, files) =
        (["run", "more.toml", "--weights", "small.pth"], ["--input", "x.npy", "--output", "y.npy"]);
    let line = folder.refusal(&[&more[..], &files].concat());
    assert!(
        line.contains("its last layer has 5 classes, but that of small has 7; add --classes 5"),
        "{line}"
    );
    assert_eq!(folder.json(&[&more[..], &files, &["--classes", "5"]].concat())["output_shape"], json!([5]));
    let output = folder.run(&[&["run", "five.safetensors", "--classes", "7"], &files[..]].concat());
    let notes = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{notes}");
    assert!(
        notes
            .contains("last layer replaced: 7 classes instead of 5 (fc.weight and 1 more newly initialized)"),
        "{notes}"
    );
    assert_eq!(npy::read(&folder.path("y.npy")).unwrap().shape, Shape::from([1, 7]));
    // The layers before it keep the model's weights, regardless of later layers.
    let features = |options: &[&str]| {
        let run = ["run", "five.safetensors", "--input", "x.npy", "--output", "f.npy", "--layer", "relu1"];
        folder.json(&[&run, options].concat());
        std::fs::read(folder.path("f.npy")).unwrap()
    };
    assert!(features(&["--classes", "7"]) == features(&[]));
}

/// A model file converted to RGB has other weights: it gets a new example and loses its evaluation.
#[test]
fn model_converted_from_bgr_passes_verify() {
    let folder = Folder::new("convert-bgr");
    folder.write("net.toml", NETWORK);
    folder.write("plain.safetensors", plain(&weights()));
    folder.json(&["convert", "plain.safetensors", "bgr.safetensors", "--model", "net.toml"]);
    let mut before = ModelFile::load(&folder.path("bgr.safetensors")).unwrap();
    before.classes = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
    let evaluation = Evaluation { part: "test".into(), n: 9, top1_error: 0.5, top5_error: 0.0, loss: 0.7 };
    before.evaluation = Some(evaluation);
    before.save(&folder.path("bgr.safetensors")).unwrap();
    folder.json(&["convert", "bgr.safetensors", "same.safetensors"]);
    assert_eq!(ModelFile::load(&folder.path("same.safetensors")).unwrap(), before);
    folder.json(&["convert", "bgr.safetensors", "rgb.safetensors", "--bgr"]);
    assert_eq!(folder.json(&["verify", "rgb.safetensors"])["ok"], true);
    let after = ModelFile::load(&folder.path("rgb.safetensors")).unwrap();
    assert_eq!((&after.classes, &after.evaluation), (&before.classes, &None));
    assert!(after.golden.unwrap().output != before.golden.unwrap().output);
    folder.json(&["convert", "rgb.safetensors", "back.safetensors", "--bgr"]);
    assert_same(&read_weights(&folder.path("back.safetensors")).unwrap().weights, &weights(), "and back");
}

#[test]
fn bgr_without_a_convolution_of_three_channels_is_refused() {
    let folder = Folder::new("convert-no-bgr");
    folder.write("gray.toml", NETWORK.replace("[3, 8, 8]", "[1, 8, 8]"));
    let mut gray = weights();
    gray.insert("conv1.weight".into(), (Shape::from([4, 1, 3, 3]), vec![0.5; 36]));
    folder.write("gray.pth", pytorch_bytes(&gray).unwrap());
    let mut two = weights();
    two.insert("conv2.weight".into(), two["conv1.weight"].clone());
    folder.write("two.pth", pytorch_bytes(&two).unwrap());
    let model = ["--model", "gray.toml"];
    for (from, options, expected) in [
        (
            "gray.pth",
            &model[..],
            "gray.pth: no convolution of small has three input channels, so there is no BGR",
        ),
        ("gray.pth", &[], "gray.pth: no convolution has three input channels, so there is no BGR"),
        (
            "two.pth",
            &[],
            "two.pth: 2 convolutions have three input channels; specify the network with --model",
        ),
    ] {
        let line = folder.refusal(&[&["convert", from, "out.pth", "--bgr"], options].concat());
        assert!(line.contains(expected), "{line}");
    }
}

/// Returns a preprocessing for this number of channels that resizes images to a square of `side` pixels.
fn preprocessing(channels: usize, side: usize) -> Value {
    json!({
        "channels": channels,
        "steps": [{ "step": "resize", "height": side, "width": side, "filter": "bilinear" }],
        "mean": vec![0.5; channels],
        "std": vec![0.5; channels],
    })
}

#[test]
fn preprocessing_is_checked_against_the_network() {
    let folder = Folder::new("convert-preprocessing");
    folder.write("net.toml", NETWORK);
    // The notes of a failed conversion are not printed.
    let wrapped = named(&weights(), |name| format!("module.{name}"));
    folder.write("small.pth", pytorch_bytes(&wrapped).unwrap());
    let picture = striate_vision::Image::filled(30, 26, [10, 200, 90]);
    folder.write("picture.png", striate_vision::encode_png(&picture).unwrap());
    let convert = ["convert", "small.pth", "out.safetensors", "--model", "net.toml"];
    let with = [&convert[..], &["--preprocessing", "form.json"]].concat();
    folder.write("form.json", preprocessing(3, 8).to_string());
    folder.json(&with);
    let fitting = ModelFile::load(&folder.path("out.safetensors")).unwrap();
    assert_eq!(folder.json(&["verify", "out.safetensors"])["ok"], true);
    folder.json(&["predict", "out.safetensors", "picture.png"]);
    // A size that depends on the image is checked when an image is given.
    let mut open = preprocessing(3, 8);
    open["steps"] = json!([{ "step": "resize_shorter", "size": 8, "filter": "bilinear" }]);
    folder.write("form.json", open.to_string());
    folder.json(&with);
    let mut gray = preprocessing(1, 8);
    gray["steps"] = open["steps"].clone();
    for (form, expected) in [
        (preprocessing(1, 8), "the preprocessing yields [N, 1, 8, 8], but small takes [N, 3, 8, 8]"),
        (gray, "the preprocessing yields [N, 1, H, W], but small takes [N, 3, 8, 8]"),
        (preprocessing(3, 10), "the preprocessing yields [N, 3, 10, 10], but small takes [N, 3, 8, 8]"),
        (
            preprocessing(3, 2),
            "yields [N, 3, 2, 2], but small takes [N, 3, 8, 8] (network small, layer conv1",
        ),
    ] {
        folder.write("form.json", form.to_string());
        let line = folder.refusal(&with);
        assert!(line.contains("form.json: ") && line.contains(expected), "{line}");
        let mut model = fitting.clone();
        model.predict = serde_json::from_value(form).unwrap();
        model.save(&folder.path("odd.safetensors")).unwrap();
        for arguments in [
            &["verify", "odd.safetensors"][..],
            &["predict", "odd.safetensors", "picture.png"],
            &["convert", "odd.safetensors", "again.safetensors"],
            &["convert", "odd.safetensors", "again.onnx"],
        ] {
            let line = folder.refusal(arguments);
            assert!(line.contains("odd.safetensors: ") && line.contains(expected), "{line}");
        }
    }
    // --preprocessing replaces the invalid one in the file.
    folder.write("form.json", preprocessing(3, 8).to_string());
    folder.json(&["convert", "odd.safetensors", "again.safetensors", "--preprocessing", "form.json"]);
    assert_eq!(folder.json(&["verify", "again.safetensors"])["ok"], true);
}

#[test]
fn unusable_options_and_folders_are_refused_before_any_work() {
    let folder = Folder::new("convert-options");
    folder.write("net.toml", NETWORK);
    folder.write("small.pth", pytorch_bytes(&weights()).unwrap());
    let form = ["--preprocessing", "missing.json"];
    let model = ["--model", "net.toml"];
    for (to, options, expected) in [
        ("out.pth", &form[..], "--preprocessing: .pth, .pt and .caffemodel files contain only weights"),
        ("out.safetensors", &form, "specify it with --model"),
        (
            "out.safetensors",
            &[&form[..], &model, &["--tensors-only"]].concat(),
            "--preprocessing: a file written with --tensors-only",
        ),
        ("out.safetensors", &[&form[..], &model].concat(), "missing.json"),
        ("out.pth", &["--tensors-only"], "error: --tensors-only: .pth files contain only tensors; omit it\n"),
        (
            "out.pt",
            &[&model[..], &["--tensors-only"]].concat(),
            "error: --tensors-only: .pt files contain only tensors; omit it\n",
        ),
        (
            "out.safetensors",
            &["--tensors-only"],
            "error: --tensors-only: without a network, a .safetensors file contains only tensors; omit it\n",
        ),
        (
            "nowhere/out.safetensors",
            &model,
            "cannot write nowhere/out.safetensors: the folder nowhere does not exist",
        ),
        ("net.toml/out.pth", &[], "the folder net.toml is a file; choose another path"),
    ] {
        let line = folder.refusal(&[&["convert", "small.pth", to], options].concat());
        assert!(line.contains(expected), "{to} {options:?}: {line}");
    }
    let run = ["run", "net.toml", "--weights", "small.pth", "--input", "x.npy", "--output", "nowhere/y.npy"];
    assert!(folder.refusal(&run).contains("the folder nowhere does not exist"));
}

/// Returns two convolutions around a local response normalization with this k and α.
fn normalizing(k: f32, alpha: f32) -> String {
    format!(
        r#"
name = "normalizing"
input = [3, 8, 8]
layers = [
    {{ name = "conv1", op = "conv", out_channels = 6, kernel_size = 3 }},
    {{ name = "relu1", op = "relu" }},
    {{ name = "norm1", op = "lrn", size = 5, alpha = {alpha}, beta = 0.75, k = {k} }},
    {{ name = "pool1", op = "max_pool", kernel_size = 3, stride = 2, ceil_mode = true }},
    {{ name = "conv2", op = "conv", out_channels = 5, kernel_size = 3 }},
    {{ name = "flat", op = "flatten" }},
]
"#
    )
}

/// Returns the file for [`normalizing`]: k is Caffe's 1, α as given; the pool comes before or after it.
fn normalizing_caffemodel(alpha: f32, pool_first: bool) -> Vec<u8> {
    let values = |count: usize| (0..count).map(|i| ((i * 37 % 101) as f32 - 45.0) / 30.0).collect::<Vec<_>>();
    let first = [blob(&[6, 3, 3, 3], &values(162)), blob(&[6], &values(6))];
    let second = [blob(&[5, 6, 3, 3], &values(270)), blob(&[5], &values(5))];
    let constants = Message::new().integer(1, 5).float(2, alpha).float(3, 0.75);
    let norm = |bottom, top| layer("norm1", "LRN", bottom, top, &[]).message(118, &constants);
    let pool = |bottom, top| layer("pool1", "Pooling", bottom, top, &[]);
    let between = match pool_first {
        true => [pool("conv1", "pool1"), norm("pool1", "norm1")],
        false => [norm("conv1", "norm1"), pool("norm1", "pool1")],
    };
    Message::new()
        .message(100, &layer("conv1", "Convolution", "data", "conv1", &first))
        .message(100, &layer("relu1", "ReLU", "conv1", "conv1", &[]))
        .message(100, &between[0])
        .message(100, &between[1])
        .message(100, &layer("conv2", "Convolution", "x", "conv2", &second))
        .bytes
}

/// AlexNet's case: the paper's constants in the network, Caffe's in the file.
#[test]
fn weights_are_rescaled_for_other_normalization_constants() {
    let folder = Folder::new("convert-normalization");
    folder.write("theirs.toml", normalizing(1.0, 0.01));
    folder.write("ours.toml", normalizing(2.0, 0.05));
    folder.write("w.caffemodel", normalizing_caffemodel(0.01, false));
    folder.write("pooled.caffemodel", normalizing_caffemodel(0.01, true));
    let images: Vec<f32> = (0..384).map(|i| ((i * 53 % 256) as f32 - 120.0) / 4.0).collect();
    npy::write(&folder.path("x.npy"), &[2, 3, 8, 8].into(), &images).unwrap();
    let scores = |network: &str, weights: &str| {
        folder.json(&["run", network, "--weights", weights, "--input", "x.npy", "--output", "y.npy"]);
        npy::read(&folder.path("y.npy")).unwrap().to_f32().unwrap()
    };
    let theirs = scores("theirs.toml", "w.caffemodel");
    let largest = theirs.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let off = |ours: &[f32]| {
        ours.iter().zip(&theirs).fold(0.0f32, |most, (a, b)| most.max((a - b).abs())) / largest
    };
    assert!(off(&scores("ours.toml", "w.caffemodel")) < 1e-5);
    // Without their constants, the weights are wrong for the other network, which is reported.
    let output = folder.run(&["convert", "w.caffemodel", "bare.pth"]);
    let notes = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(notes.contains("local response normalization are not stored with the weights"), "{notes}");
    assert!(off(&scores("ours.toml", "bare.pth")) > 0.05);
    let output = folder.run(&["convert", "w.caffemodel", "kept.safetensors", "--model", "ours.toml"]);
    let notes = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        notes.contains("norm1 has k = 2 and α = 0.05 here, k = 1 and α = 0.01 in the file: conv1 and conv2"),
        "{notes}"
    );
    assert!(off(&scores("ours.toml", "kept.safetensors")) < 1e-5);
    let pooled =
        ["run", "ours.toml", "--weights", "pooled.caffemodel", "--input", "x.npy", "--output", "y.npy"];
    assert!(folder.refusal(&pooled).contains("in the file it follows the pool"));
}

/// Trains on five images of five classes at a learning rate of zero.
#[test]
fn training_also_starts_from_rescaled_weights() {
    let folder = Folder::new("convert-training");
    folder.write("ours.toml", normalizing(2.0, 0.05));
    folder.write("w.caffemodel", normalizing_caffemodel(0.01, false));
    folder.json(&["convert", "w.caffemodel", "kept.safetensors", "--model", "ours.toml"]);
    let images: Vec<f32> = (0..960).map(|i| (i * 53 % 256) as f32 / 64.0 - 2.0).collect();
    std::fs::create_dir(folder.path("data")).unwrap();
    npy::write(&folder.path("data/images.npy"), &[5, 3, 8, 8].into(), &images).unwrap();
    npy::write(&folder.path("data/labels.npy"), &[5].into(), &[0i64, 1, 2, 3, 4]).unwrap();
    let train = ["train", "ours.toml", "--data", "npy:data", "--weights", "w.caffemodel", "--out", "run"];
    let still = ["--steps", "1", "--lr", "1e-30", "--set", "optim.weight_decay=0", "--set", "data.holdout=0"];
    let output = folder.run(&[&train[..], &still, &["--json"]].concat());
    let notes = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{notes}");
    assert!(notes.contains("w.caffemodel: norm1 has k = 2 and α = 0.05 here"), "{notes}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let trained = read_weights(&folder.path(result["model"].as_str().unwrap())).unwrap().weights;
    let kept = read_weights(&folder.path("kept.safetensors")).unwrap().weights;
    assert!(trained.keys().eq(kept.keys()));
    for (name, (_, values)) in &trained {
        let most = values.iter().zip(&kept[name].1).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(most < 1e-20, "{name} is off by {most}");
    }
}

/// Published weights of a built-in network get the preprocessing they were trained with; Caffe's weights for a
/// network that torchvision has too get Caffe's.
#[test]
fn model_files_of_built_in_networks_get_their_published_preprocessing() {
    let folder = Folder::new("convert-pictures");
    let network = (striate_models::find("squeezenet1_1").unwrap().build)().unwrap();
    let weights = striate_engine::Inference::initial_weights(&network, 1).unwrap();
    folder.write("squeezenet.pth", pytorch_bytes(&weights).unwrap());
    let convert = |options: &[&str]| {
        let known = ["convert", "squeezenet.pth", "out.safetensors", "--model", "squeezenet1_1"];
        let output = folder.run(&[&known, options].concat());
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let notes = convert(&[]);
    let line = "preprocessing of the published weights: RGB in [0, 1], shorter side resized to 256 (bilinear), center crop 224x224, mean (0.485, 0.456, 0.406)";
    assert!(notes.contains(line), "{notes}");
    let picture = striate_vision::Image::filled(300, 260, [10, 200, 90]);
    folder.write("picture.png", striate_vision::encode_png(&picture).unwrap());
    let guessed = folder.json(&["predict", "out.safetensors", "picture.png"]);
    assert_eq!(guessed["predictions"][0]["top"].as_array().unwrap().len(), 5);
    let notes = convert(&["--bgr"]);
    assert!(notes.contains("takes only arrays; for images, use --preprocessing imagenet"), "{notes}");
    let line = folder.refusal(&["predict", "out.safetensors", "picture.png"]);
    assert!(line.contains("does not state its preprocessing"), "{line}");
}
