//! ONNX slices whose bounds depend on the batch size.

use striate_formats::read_onnx_bytes;
use striate_testkit::protobuf::Message;

use crate::common::onnx::{floats, ints, model, node};

mod common;

/// The error, if any, for a model with slices from 0 to the batch size, which is called `batch`.
fn refusal(nodes: &[Message]) -> Option<String> {
    let size = [node("Shape", &["x"], "s", &[]), node("Slice", &["s", "zero", "one"], "batch", &[])];
    let tensors = [
        ints("zero", &[0]),
        ints("one", &[1]),
        ints("many", &[5000]),
        ints("less", &[-5000]),
        ints("open", &[i64::MAX]),
        ints("open32", &[i64::from(i32::MAX)]),
        floats("w", &[3, 8, 8], &[1.0; 192]),
    ];
    let read = read_onnx_bytes(&model(&[&size, nodes].concat(), &tensors), "sliced", 1 << 20);
    read.err().map(|e| e.to_string())
}

#[test]
fn slices_bounded_by_the_batch_size_must_keep_the_whole_batch() {
    let of_data = |start: &str, end: &str, axis: &str| {
        refusal(&[node("Slice", &["x", start, end, axis], "p", &[]), node("Relu", &["p"], "y", &[])])
    };
    for (start, end) in [("zero", "batch"), ("zero", "open"), ("zero", "open32")] {
        assert_eq!(of_data(start, end, "zero"), None, "{start} {end}");
    }
    for (start, end, axis) in [
        ("zero", "batch", "one"),
        ("zero", "many", "zero"),
        ("less", "open", "zero"),
        ("one", "batch", "zero"),
        ("zero", "one", "zero"),
    ] {
        let line = of_data(start, end, axis).unwrap_or_default();
        assert!(line.contains("depends on the size of the batch"), "{start} {end} {axis}: {line}");
    }
    assert_eq!(of_data("zero", "many", "one"), None, "an end behind the last element is that");
}

#[test]
fn constants_cannot_be_sliced_by_the_batch_size() {
    let nodes =
        |end: &str| [node("Slice", &["w", "zero", end], "p", &[]), node("Mul", &["x", "p"], "y", &[])];
    assert_eq!(refusal(&nodes("open")), None);
    assert!(refusal(&nodes("batch")).unwrap().contains("depends on the size of the batch"));
}
