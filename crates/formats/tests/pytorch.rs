//! Files written by PyTorch: checkpoints of well-known scripts, whole modules and plain state dicts. They are created
//! by `scripts/reference/pth_pytorch.py`.

use std::collections::BTreeMap;

use serde::Deserialize;
use striate_formats::{
    ReadOptions, Weights, pytorch_bytes, read_pytorch_bytes, read_pytorch_bytes_with, read_weights_with,
};
use striate_graph::{Builder, Network};
use striate_tensor::Shape;

mod common;

#[derive(Deserialize)]
struct Files {
    read: Vec<Case>,
    refused: Vec<Refusal>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    file: String,
    tensors: BTreeMap<String, Tensor>,
    keyed: BTreeMap<String, BTreeMap<String, Tensor>>,
}

impl Case {
    /// The name of the content, without that of the format.
    fn content(&self) -> &str {
        self.name.split(' ').next().unwrap()
    }
}

#[derive(Deserialize)]
struct Tensor {
    shape: Vec<usize>,
    values: Vec<String>,
}

#[derive(Deserialize)]
struct Refusal {
    name: String,
    file: String,
    line: String,
}

fn files() -> Files {
    serde_json::from_str(include_str!("pytorch.json")).unwrap()
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pairs = hexadecimal.as_bytes().as_chunks::<2>().0.iter();
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn weights(tensors: &BTreeMap<String, Tensor>) -> Weights {
    let values = |tensor: &Tensor| tensor.values.iter().map(|x| x.parse::<f64>().unwrap() as f32).collect();
    let one = |(name, tensor): (&String, &Tensor)| {
        (name.clone(), (Shape::new(tensor.shape.clone()), values(tensor)))
    };
    tensors.iter().map(one).collect()
}

fn with_key(key: &str) -> ReadOptions {
    ReadOptions { key: Some(key.into()), ..ReadOptions::default() }
}

#[test]
fn every_file_gives_its_state_dict() {
    let cases = files().read;
    assert_eq!(cases.len(), 56);
    for case in cases {
        let read = read_pytorch_bytes(&bytes(&case.file)).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        assert_eq!(read.weights, weights(&case.tensors), "{}", case.name);
    }
}

#[test]
fn key_selects_another_dictionary() {
    let mut keys = 0;
    for case in files().read {
        let file = bytes(&case.file);
        for (key, tensors) in &case.keyed {
            let read = read_pytorch_bytes_with(&file, &with_key(key));
            let read = read.unwrap_or_else(|e| panic!("{}, {key}: {e}", case.name));
            assert_eq!(read.weights, weights(tensors), "{}, {key}", case.name);
            keys += 1;
        }
    }
    assert_eq!(keys, 24);
}

#[test]
fn unknown_key_lists_existing_ones() {
    let expected = [
        (
            "references zip",
            "has no tensors under --key ema; its keys are model, model_ema, \
             optimizer.state.0, optimizer.state.1, optimizer.state.2, optimizer.state.3, …",
        ),
        ("whole-module zip", "has no tensors under --key ema; its keys are ., blocks, bn1, conv1"),
        ("dict zip", "has no tensors under --key ema; its keys are ."),
    ];
    for (name, line) in expected {
        let case = files().read.into_iter().find(|case| case.name == name).unwrap();
        let error = read_pytorch_bytes_with(&bytes(&case.file), &with_key("ema")).unwrap_err();
        assert!(error.is_input());
        assert_eq!(error.to_string(), line);
    }
}

#[test]
fn choices_and_omissions_are_reported() {
    for case in files().read {
        let notes = read_pytorch_bytes(&bytes(&case.file)).unwrap().notes;
        let expected: &[&str] = match case.content() {
            "imagenet" => &["using the state dict \"state_dict\""],
            "lightning" => &[
                "using the state dict \"state_dict\"",
                "its pickle refers to code, which is never executed: __main__.Kind, __main__.Attributes",
            ],
            "references" => {
                &["using the state dict \"model\"", "model_ema also has tensors: --key model_ema selects it"]
            }
            "timm" => &[
                "using the state dict \"state_dict\"",
                "state_dict_ema also has tensors: --key state_dict_ema selects it",
                "its pickle refers to code, which is never executed: __main__.Kind",
            ],
            "nested" => &["using the state dict \"model.params\""],
            "beside" => &["using the state dict \"found.0.weights\""],
            "whole-module" => &["its pickle refers to code, which is never executed: __main__.Net"],
            "whole-parallel" => &[
                "using the state dict \"net\"",
                "its pickle refers to code, which is never executed: __main__.Net, __main__.Kind",
            ],
            "subclass" => &["its pickle refers to code, which is never executed: __main__.Parameters"],
            "types" => {
                &["converted bfloat16, bool, float16, float64, int16, int32, int64, int8, uint8 to float32"]
            }
            "aside" => &["skipped, not numeric tensors: steps, name, list, big, …"],
            _ => &[],
        };
        assert_eq!(notes, expected, "{}", case.name);
    }
}

/// The network `Net` of the script, with this number of outputs.
fn network(outputs: usize) -> Network {
    let net = Builder::new("net", [1, 8, 8]);
    let x = net.input().conv(2, 3).no_bias().named("conv1").batch_norm().named("bn1");
    x.global_average_pool().flatten().linear(outputs).named("blocks.1").finish().unwrap()
}

#[test]
fn network_decides_which_dictionary_is_used() {
    let folder = common::Folder::new("fits");
    let path = folder.path().join("checkpoint.pth.tar");
    let case = files().read.into_iter().find(|case| case.name == "references zip").unwrap();
    std::fs::write(&path, bytes(&case.file)).unwrap();
    let read = |options: &ReadOptions| {
        let mut loaded = read_weights_with(&path, options).unwrap();
        loaded.choose_for(&network(2)).map(|()| loaded)
    };
    let loaded = read(&ReadOptions::default()).unwrap();
    assert_eq!(loaded.weights, weights(&case.tensors));
    assert_eq!(
        loaded.notes,
        ["using the state dict \"model\"", "model_ema also fits: --key model_ema selects it"]
    );
    assert_eq!(read(&with_key("model_ema")).unwrap().weights, weights(&case.keyed["model_ema"]));
    let line = read(&with_key("optimizer.state.0")).unwrap_err().to_string();
    assert_eq!(
        line,
        "7 parameters missing, first conv1.weight; 1 tensor unexpected: momentum_buffer; \
         the file's state dict is under \"model\": use --key model"
    );
}

#[test]
fn files_without_weights_are_refused() {
    let cases = files().refused;
    assert_eq!(cases.len(), 6);
    for case in cases {
        let error = read_pytorch_bytes(&bytes(&case.file)).unwrap_err();
        let line = error.to_string();
        assert!(
            error.is_input() && line.contains(&case.line) && !line.contains('\n'),
            "{}: {line}",
            case.name
        );
    }
}

#[test]
fn written_file_reads_back_and_writes_the_same_bytes() {
    for case in files().read {
        let weights = read_pytorch_bytes(&bytes(&case.file)).unwrap().weights;
        let written = pytorch_bytes(&weights).unwrap();
        let read = read_pytorch_bytes(&written).unwrap();
        assert_eq!((&read.weights, read.notes.len()), (&weights, 0), "{}", case.name);
        assert_eq!(pytorch_bytes(&read.weights).unwrap(), written);
    }
}

/// Every truncation is detected, and no flipped bit crashes the reader; in the tensors of a zip file, it is detected by
/// their checksum.
#[test]
fn damage_is_refused_or_harmless() {
    for case in files().read.iter().filter(|case| case.content() == "views") {
        let good = bytes(&case.file);
        for cut in 0..good.len() {
            let error = read_pytorch_bytes(&good[..cut]).expect_err(&format!("{} cut at {cut}", case.name));
            assert!(error.is_input() && !error.to_string().contains('\n'), "{error}");
        }
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Err(error) = read_pytorch_bytes(&bad) {
                assert!(error.is_input() && !error.to_string().contains('\n'), "{}: {error}", case.name);
            }
        }
    }
}
