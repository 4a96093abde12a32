//! Model files: metadata and weights that do not match.

use std::collections::HashMap;

use striate_formats::{
    Data, Evaluation, Golden, ModelFile, Weights, read_safetensors_bytes, safetensors_bytes, weights_sha256,
};
use striate_graph::{Builder, Network};
use striate_tensor::preprocessing::{Preprocessing, Step};
use striate_tensor::{Result, Shape};

use super::{Case, bad, good};

fn network() -> Result<Network> {
    let net = Builder::new("small", [1, 4, 4]);
    let x = net.input().conv(2, 3).named("conv1").batch_norm().relu();
    x.flatten().linear(3).named("fc").finish()
}

fn model() -> Result<ModelFile> {
    let network = network()?;
    let filled = |(name, shape): (String, Shape)| {
        let values = (0..shape.numel()).map(|i| i as f32 - 0.25).collect();
        (name, (shape, values))
    };
    let steps = vec![Step::CenterCrop { height: 4, width: 4 }];
    let form = Some(Preprocessing { channels: 1, steps, mean: vec![0.5], std: vec![0.25], features: None });
    Ok(ModelFile {
        weights: network.variables()?.into_iter().map(filled).collect(),
        network,
        classes: ["Hund", "chat", "猫"].map(String::from).to_vec(),
        preprocessing: form.clone(),
        predict: form,
        encoding: None,
        evaluation: Some(Evaluation {
            part: "test".into(),
            n: 9,
            top1_error: 0.5,
            top5_error: 0.0,
            loss: 0.7,
        }),
        data: Some(Data { spec: "digits".into(), fingerprint: "00ff".into() }),
        recipe: Some("[optim]\nlr = 0.1\n".into()),
        golden: Some(Golden {
            input: (Shape::from([1, 1, 4, 4]), vec![0.5; 16]),
            output: (Shape::from([1, 3]), vec![1.0, -0.0, 0.5]),
        }),
    })
}

/// Returns a file of few bytes.
fn small() -> Vec<u8> {
    let one =
        |name: &str, shape: &[usize]| (name.into(), (Shape::from(shape), vec![0.5; shape.iter().product()]));
    let network =
        Builder::new("n", [1]).input().linear(1).named("fc").finish().expect("the network is valid");
    let golden = Golden { input: (Shape::from([1, 1]), vec![1.0]), output: (Shape::from([1, 1]), vec![1.0]) };
    let weights = Weights::from([one("fc.bias", &[1]), one("fc.weight", &[1, 1])]);
    let bare = ModelFile::bare(network, weights).expect("the network has one output");
    ModelFile { golden: Some(golden), ..bare }.to_bytes().expect("the model can be written")
}

/// Returns the model file with tensors and metadata modified by `change`.
fn tampered(change: impl FnOnce(&mut Weights, &mut HashMap<String, String>)) -> Vec<u8> {
    let valid = model().and_then(|model| model.to_bytes()).expect("the model is valid");
    let (mut tensors, mut metadata) = read_safetensors_bytes(&valid).expect("the written file is valid");
    change(&mut tensors, &mut metadata);
    safetensors_bytes(&tensors, metadata).expect("any tensors can be written")
}

/// Returns the same as it was written before there was a digest.
fn changed(change: impl FnOnce(&mut Weights, &mut HashMap<String, String>)) -> Vec<u8> {
    tampered(|tensors, metadata| {
        metadata.remove("digest");
        change(tensors, metadata);
    })
}

fn without(key: &str) -> Vec<u8> {
    changed(|_, metadata| drop(metadata.remove(key)))
}

fn with(key: &str, text: &str) -> Vec<u8> {
    changed(|_, metadata| drop(metadata.insert(key.into(), text.into())))
}

fn without_tensor(name: &str) -> Vec<u8> {
    changed(|tensors, _| drop(tensors.remove(name)))
}

fn with_tensor(name: &str, extents: &[usize]) -> Vec<u8> {
    let shape = Shape::from(extents);
    changed(|tensors, _| drop(tensors.insert(name.into(), (shape.clone(), vec![0.0; shape.numel()]))))
}

/// Returns the file with this network and without weights.
fn without_weights(network: &str) -> Vec<u8> {
    changed(|tensors, metadata| {
        tensors.clear();
        metadata.insert("network".into(), network.into());
        metadata.insert("weights_sha256".into(), weights_sha256(tensors));
    })
}

pub(super) fn cases() -> Vec<Case> {
    let deep = "[".repeat(1_000_000);
    let text = |layers: &str| format!("name = \"n\"\ninput = [1, 8, 8]\nlayers = [{layers}]\n");
    let nan = changed(|tensors, metadata| {
        tensors.get_mut("fc.bias").expect("it has one").1[0] = f32::NAN;
        let mut weights = tensors.clone();
        weights.retain(|name, _| !name.starts_with("golden."));
        metadata.insert("weights_sha256".into(), weights_sha256(&weights));
    });
    let flipped = changed(|tensors, _| tensors.get_mut("fc.weight").expect("it has one").1[0] += 1.0);
    let later = changed(|_, metadata| {
        metadata.insert("striate".into(), "7".into());
        metadata.insert("program".into(), "striate\x1b[2J 9.1.0".into());
    });
    let bare = changed(|tensors, metadata| {
        metadata.retain(|key, _| !["evaluation", "data", "recipe"].contains(&key.as_str()));
        tensors.retain(|name, _| !name.starts_with("golden."));
    });
    let form = |steps: &str| format!(r#"{{"channels":1,"steps":[{steps}],"mean":[0],"std":[1]}}"#);
    let huge = form(r#"{"step":"center_crop","height":1000000000,"width":1000000000}"#);
    vec![
        good("complete", tampered(|_, _| ())),
        good("without a digest", changed(|_, _| ())),
        good(
            "metadata of other tools",
            tampered(|_, metadata| drop(metadata.insert("format".into(), "pt".into()))),
        ),
        bad(
            "other classes under the digest",
            tampered(|_, metadata| drop(metadata.insert("classes".into(), r#"["a", "b", "c"]"#.into()))),
            "does not match its digest",
        ),
        bad(
            "another golden output under the digest",
            tampered(|tensors, _| tensors.get_mut("golden.output").expect("it has one").1[0] = 7.0),
            "does not match its digest",
        ),
        bad(
            "no golden pair under the digest",
            tampered(|tensors, _| tensors.retain(|name, _| !name.starts_with("golden."))),
            "does not match its digest",
        ),
        bad(
            "an overlong digest",
            tampered(|_, metadata| drop(metadata.insert("digest".into(), "0".repeat(1 << 20)))),
            "does not match its digest",
        ),
        good("without optional fields", bare),
        good("small", small()),
        bad("an empty file", "", "shorter than 8 bytes"),
        bad("only weights", without("striate"), "contains only weights, not a network"),
        bad("no metadata", changed(|_, metadata| metadata.clear()), "contains only weights, not a network"),
        bad("a later version", later, "is a model file of version 7 written by striate\u{fffd}[2J 9.1.0"),
        bad("an invalid version", with("striate", "\n"), "is a model file of version  "),
        bad("no network", without("network"), "network is missing"),
        bad("no classes", without("classes"), "classes is missing"),
        bad("no preprocessing", without("preprocessing"), "preprocessing is missing"),
        bad("no preprocessing for predict", without("predict"), "predict is missing"),
        bad("no checksum", without("weights_sha256"), "weights_sha256 is missing"),
        bad("a network that is not TOML", with("network", "{"), "its network: line 1"),
        bad("a deeply nested network", with("network", &format!("x = {deep}")), "its network: line 1"),
        bad(
            "a network above 4 MiB",
            with("network", &"#".repeat((4 << 20) + 1)),
            "bytes of text; the limit is",
        ),
        bad(
            "a network with a cycle",
            with("network", &text(r#"{ op = "relu", inputs = ["relu1"] }"#)),
            "but no earlier layer has this name",
        ),
        bad(
            "a network with a billion channels",
            with("network", &text(r#"{ op = "conv", out_channels = 1000000000, kernel_size = 1 }"#)),
            "is too large; the limits are 16,777,216 per axis",
        ),
        bad(
            "a network of 2^40 weights in a tiny file",
            without_weights(&text(
                r#"{ op = "flatten" }, { op = "linear", out_features = 1048576 }, { op = "linear", out_features = 1048576 }"#,
            )),
            "the limit is 17,179,869,184",
        ),
        bad(
            "a network without its weights",
            without_weights(&text(r#"{ op = "flatten" }, { op = "linear", out_features = 3 }"#)),
            "2 parameters missing, first linear1.weight",
        ),
        bad("another network", with("network", &text(r#"{ op = "flatten" }"#)), "8 tensors unexpected"),
        bad(
            "a network name with control characters",
            with("network", "name = \"\\u001b[2J\"\ninput = [1]\nlayers = [{ op = \"relu\" }]"),
            "its network: the network's name: has the character U+001B",
        ),
        bad("no weights", changed(|tensors, _| tensors.clear()), "8 parameters missing"),
        bad("one weight missing", without_tensor("fc.weight"), "1 parameter missing, first fc.weight"),
        bad("one weight too many", with_tensor("fc.more", &[1]), "1 tensor unexpected: fc.more"),
        bad(
            "a weight of another shape",
            with_tensor("fc.bias", &[7]),
            "1 tensor of the wrong shape, first fc.bias [7] instead of [3]",
        ),
        bad(
            "a weight name with control characters",
            with_tensor("a\x1b[2J\nb", &[1]),
            "1 tensor unexpected: a [2J b",
        ),
        bad("a changed weight", flipped, "do not match their checksum"),
        bad("a weight of NaN", nan, "contains NaN"),
        bad("an invalid checksum", with("weights_sha256", "0"), "do not match their checksum"),
        bad("half a golden pair", without_tensor("golden.output"), "half of its golden pair is missing"),
        bad(
            "the other half of a golden pair",
            without_tensor("golden.input"),
            "half of its golden pair is missing",
        ),
        bad(
            "an encoding of an unknown kind",
            with("encoding", r#"{"kind":"smell"}"#),
            "encoding: unknown variant",
        ),
        bad(
            "an alphabet with a character twice",
            with("encoding", r#"{"kind":"text","alphabet":"aba","length":4}"#),
            "the alphabet has a twice",
        ),
        bad(
            "an alphabet in upper case",
            with("encoding", r#"{"kind":"text","alphabet":"A","length":4}"#),
            "texts are read in lower case",
        ),
        bad(
            "texts of any length",
            with("encoding", r#"{"kind":"text","alphabet":"ab","length":18446744073709551615}"#),
            "the length must be from 1 to 65536 characters",
        ),
        bad(
            "texts for a network that takes images",
            with("encoding", r#"{"kind":"text","alphabet":"ab","length":4}"#),
            "its encoding gives [2, 1, 4]",
        ),
        bad("classes that are not JSON", with("classes", "{"), "classes: "),
        bad("classes that are numbers", with("classes", "[1, 2, 3]"), "classes: invalid type: integer `1`"),
        bad("deeply nested classes", with("classes", &deep), "classes: "),
        bad("one class", with("classes", "[\"a\"]"), "1 class name for 3 outputs"),
        bad("no classes instead of three", with("classes", "[]"), "0 class names for 3 outputs"),
        bad(
            "a class name with control characters",
            with("classes", r#"["a", "\u001b[2J", "c"]"#),
            "has the character U+001B",
        ),
        bad(
            "a class name with a bidirectional override",
            with("classes", r#"["a", "\u202egpj.exe", "c"]"#),
            "has the character U+202E, which cannot be shown",
        ),
        bad(
            "an overlong class name",
            with("classes", &format!(r#"["a", "b", "{}"]"#, "c".repeat(1 << 20))),
            "has 1048576 bytes; shorten it to at most 1000",
        ),
        bad("preprocessing that is not JSON", with("preprocessing", "{"), "preprocessing: "),
        bad("deeply nested preprocessing", with("preprocessing", &deep), "preprocessing: "),
        bad("predict that is not JSON", with("predict", "{"), "predict: "),
        bad(
            "an image of a quintillion pixels",
            with("preprocessing", &huge),
            "sizes must be from 1 to 16384",
        ),
        bad("an unknown step", with("predict", &form(r#"{"step":"explode"}"#)), "unknown variant `explode`"),
        bad(
            "preprocessing with missing fields",
            with("predict", r#"{"channels":1}"#),
            "missing field `steps`",
        ),
        bad(
            "images of three channels instead of one",
            with(
                "predict",
                r#"{"channels":3,"steps":[{"step":"center_crop","height":4,"width":4}],"mean":[0,0,0],"std":[1,1,1]}"#,
            ),
            "yields [N, 3, 4, 4], but small takes [N, 1, 4, 4]",
        ),
        bad(
            "images of another size",
            with("preprocessing", &form(r#"{"step":"center_crop","height":16384,"width":5}"#)),
            "yields [N, 1, 16384, 5], but small takes [N, 1, 4, 4]",
        ),
        bad("an evaluation that is not JSON", with("evaluation", "{"), "evaluation: "),
        bad(
            "a negative number of images evaluated",
            with("evaluation", r#"{"part":"test","n":-1,"top1_error":0,"top5_error":0,"loss":0}"#),
            "evaluation: invalid value: integer `-1`",
        ),
        bad("data that are not JSON", with("data", "{"), "data: "),
        bad(
            "data without a fingerprint",
            with("data", r#"{"spec":"digits"}"#),
            "data: missing field `fingerprint`",
        ),
    ]
}
