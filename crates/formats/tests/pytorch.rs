//! PyTorch's files, as PyTorch writes them: every number comes out, and what holds more than tensors is
//! refused. The files are those of `scripts/reference/pth_pytorch.py`.

use std::collections::BTreeMap;

use serde::Deserialize;
use striate_formats::{Weights, pytorch_bytes, read_pytorch_bytes};
use striate_tensor::Shape;

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

#[test]
fn every_number_comes_out() {
    let cases = files().read;
    assert_eq!(cases.len(), 36);
    for case in cases {
        let read = read_pytorch_bytes(&bytes(&case.file)).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let expected: Weights = case
            .tensors
            .iter()
            .map(|(name, tensor)| {
                let values = tensor.values.iter().map(|value| value.parse::<f64>().unwrap() as f32);
                (name.clone(), (Shape::new(tensor.shape.clone()), values.collect()))
            })
            .collect();
        assert_eq!(read.weights, expected, "{}", case.name);
    }
}

#[test]
fn what_was_chosen_and_left_aside_is_said() {
    for case in files().read {
        let notes = read_pytorch_bytes(&bytes(&case.file)).unwrap().notes;
        let expected: &[&str] = match case.name.split(' ').next().unwrap() {
            "checkpoint" => &["the weights are those under state_dict"],
            "nested" => &["the weights are those under model.params"],
            "types" => &[
                "numbers of type bfloat16, bool, float16, float64, int16, int32, int64, int8, uint8 become float32",
            ],
            "aside" => &["left aside, since they are no tensors: steps, name, list, big"],
            _ => &[],
        };
        assert_eq!(notes, expected, "{}", case.name);
    }
}

#[test]
fn what_is_more_than_tensors_is_refused() {
    let cases = files().refused;
    assert_eq!(cases.len(), 8);
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
fn what_is_written_is_read_and_written_again() {
    for case in files().read {
        let weights = read_pytorch_bytes(&bytes(&case.file)).unwrap().weights;
        let written = pytorch_bytes(&weights).unwrap();
        let read = read_pytorch_bytes(&written).unwrap();
        assert_eq!((&read.weights, read.notes.len()), (&weights, 0), "{}", case.name);
        assert_eq!(pytorch_bytes(&read.weights).unwrap(), written);
    }
}

/// Every cut of a file is noticed, and no flipped bit brings the reader down; one in a zip file's numbers
/// is found by their checksum.
#[test]
fn damage_is_refused_or_harmless() {
    for case in files().read.iter().filter(|case| case.name.starts_with("views")) {
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
