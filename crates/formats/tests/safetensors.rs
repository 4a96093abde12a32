//! Safetensors files: every bit is preserved, and damaged files are refused. Hostile ones are in `crates/hostile`.

use std::collections::HashMap;

use striate_formats::{Weights, read_safetensors, read_safetensors_bytes, safetensors_bytes};
use striate_tensor::Shape;
use striate_tensor::random::{Random, Stream};

mod common;

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn refusal(header: &str, data: usize) -> String {
    let error = read_safetensors_bytes(&file(header, &vec![0; data])).expect_err(header);
    assert!(error.is_input(), "{error}");
    let line = error.to_string();
    assert!(!line.contains('\n') && line.len() < 1000, "{line}");
    line
}

/// Weights with odd names, empty and scalar shapes, and arbitrary bits, including NaN payloads.
fn drawn(random: &mut Random) -> Weights {
    const PARTS: [&str; 8] = ["conv1", ".", "weight", "é", "\"", "\n", "\\", "日本"];
    (0..random.below(6))
        .map(|index| {
            let name: String = (0..random.below(4)).map(|_| PARTS[random.below(PARTS.len())]).collect();
            let extents: Vec<usize> = (0..random.below(5)).map(|_| random.below(4)).collect();
            let shape = Shape::new(extents);
            let values = (0..shape.numel()).map(|_| f32::from_bits(random.word())).collect();
            (format!("{name}{index}"), (shape, values))
        })
        .collect()
}

fn bits(weights: &Weights) -> Vec<(&str, Vec<usize>, Vec<u32>)> {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
    weights.iter().map(|(name, (shape, values))| (name.as_str(), shape.to_vec(), bits(values))).collect()
}

#[test]
fn written_file_reads_back_bit_by_bit() {
    for case in 0..300 {
        let mut random = Random::new(11, Stream::Other, case);
        let weights = drawn(&mut random);
        let metadata: HashMap<String, String> =
            (0..random.below(4)).map(|i| (format!("key\n{i}"), "\"zwei\"\n".repeat(i))).collect();
        let bytes = safetensors_bytes(&weights, metadata.clone()).unwrap();
        let (read, text) = read_safetensors_bytes(&bytes).unwrap();
        assert_eq!(bits(&read), bits(&weights), "case {case}");
        assert_eq!(text, metadata);
        // A new hash map has another internal order.
        let again: HashMap<String, String> = metadata.into_iter().collect();
        assert_eq!(bytes, safetensors_bytes(&weights, again).unwrap(), "case {case}");
    }
}

#[test]
fn file_truncated_anywhere_is_refused() {
    let weights = Weights::from([
        ("a.weight".into(), (Shape::from([2, 1]), vec![1.5, f32::NAN])),
        ("b".into(), (Shape::from([0]), vec![])),
    ]);
    let bytes = safetensors_bytes(&weights, HashMap::from([("x".into(), "1".into())])).unwrap();
    for cut in 0..bytes.len() {
        assert!(read_safetensors_bytes(&bytes[..cut]).unwrap_err().is_input(), "cut at {cut}");
    }
    assert!(read_safetensors_bytes(&[&bytes[..], &[0]].concat()).unwrap_err().is_input());
}

#[test]
fn flipped_bits_never_crash_the_reader() {
    let weights = Weights::from([("a.weight".into(), (Shape::from([3]), vec![1.0, 2.0, 3.0]))]);
    let good = safetensors_bytes(&weights, HashMap::new()).unwrap();
    let data = good.len() - 12;
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        match read_safetensors_bytes(&bad) {
            // A file with another name or value is still valid; checksums are the model file's responsibility.
            Ok((read, _)) => assert_eq!(read.values().next().unwrap().1.len(), 3, "bit {bit}"),
            Err(error) => assert!(error.is_input() && bit / 8 < data, "bit {bit}: {error}"),
        }
    }
}

#[test]
fn all_numeric_types_become_f32_and_others_are_refused_by_name() {
    let header = |dtype: &str| format!(r#"{{"a":{{"dtype":"{dtype}","shape":[2],"data_offsets":[0,4]}}}}"#);
    // 1.5 and the smallest subnormal; 1.5 and minus infinity.
    let half = read_safetensors_bytes(&file(&header("F16"), &[0x00, 0x3e, 0x01, 0x00])).unwrap().0;
    assert_eq!(half["a"].1, [1.5, 2f32.powi(-24)]);
    let brain = read_safetensors_bytes(&file(&header("BF16"), &[0xc0, 0x3f, 0x80, 0xff])).unwrap().0;
    assert_eq!(brain["a"].1, [1.5, f32::NEG_INFINITY]);
    let double = r#"{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}"#;
    let double =
        read_safetensors_bytes(&file(double, &[0.1f64.to_le_bytes(), 1e-300f64.to_le_bytes()].concat()));
    assert_eq!(double.unwrap().0["a"].1, [0.1f32, 0.0]);
    let four = |dtype: &str| {
        let header = format!(r#"{{"a":{{"dtype":"{dtype}","shape":[4],"data_offsets":[0,4]}}}}"#);
        read_safetensors_bytes(&file(&header, &[0x00, 0x01, 0x7f, 0xff])).unwrap().0["a"].1.clone()
    };
    assert_eq!(four("U8"), [0.0, 1.0, 127.0, 255.0]);
    assert_eq!(four("I8"), [0.0, 1.0, 127.0, -1.0]);
    assert_eq!(four("BOOL"), [0.0, 1.0, 1.0, 1.0]);
    let one = |dtype: &str, bytes: &[u8]| {
        let length = bytes.len();
        let header = format!(r#"{{"a":{{"dtype":"{dtype}","shape":[],"data_offsets":[0,{length}]}}}}"#);
        read_safetensors_bytes(&file(&header, bytes)).unwrap().0["a"].1[0]
    };
    assert_eq!(one("I16", &(-3i16).to_le_bytes()), -3.0);
    assert_eq!(one("I32", &(1i32 << 24).to_le_bytes()), 16_777_216.0);
    assert_eq!(one("I64", &(-5i64).to_le_bytes()), -5.0);
    for dtype in ["F8_E4M3", "C64", "XYZ"] {
        let line = refusal(&header(dtype), 4);
        assert!(line.contains("tensor a") && line.contains(dtype) && line.contains("F32"), "{line}");
    }
    let counter = r#"{"bn.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}"#;
    let read = read_safetensors_bytes(&file(counter, &7i64.to_le_bytes())).unwrap().0;
    assert_eq!(read["bn.num_batches_tracked"], (Shape::from([]), vec![7.0]));
}

#[test]
fn errors_name_the_file() {
    let folder = common::Folder::new("named");
    let path = folder.path().join("bad.safetensors");
    std::fs::write(&path, [1, 2, 3]).unwrap();
    for path in [path.as_path(), &folder.path().join("absent.safetensors"), folder.path()] {
        let error = read_safetensors(path).unwrap_err();
        assert!(error.is_input() && error.to_string().contains(&path.display().to_string()), "{error}");
    }
}
