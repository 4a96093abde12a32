//! Means and sums over axes in ONNX files: correct over axes of the data, even after transposes; refused over the
//! batch.

use striate_engine::{Cpu, Inference};
use striate_formats::read_onnx_bytes;
use striate_tensor::Shape;

use crate::common::onnx::{ints, ints_attribute, model, node};

mod common;

/// The shape of each image in the batch.
const ELEMENTS: usize = 3 * 64;

/// A file that transposes x to `[3, N, 8, 8]`, flattens each channel of the whole batch to a row, and computes y by
/// `op` over `axis` of these.
fn over_rows(op: &str, axis: i64) -> Vec<u8> {
    let nodes = [
        node("Transpose", &["x"], "t", &[ints_attribute("perm", &[1, 0, 2, 3])]),
        node("Reshape", &["t", "rows"], "r", &[]),
        match op {
            "ReduceMean" => node(op, &["r"], "m", &[ints_attribute("axes", &[axis])]),
            _ => node(op, &["r", "axis"], "m", &[]),
        },
        node("Reshape", &["m", "images"], "y", &[]),
    ];
    model(&nodes, &[ints("rows", &[3, -1]), ints("axis", &[axis]), ints("images", &[-1, 64])])
}

#[test]
fn reductions_over_the_batch_are_refused_on_any_axis() {
    for op in ["ReduceSum", "ReduceMean"] {
        let line = read_onnx_bytes(&over_rows(op, 1), "means", 1 << 20).map(|_| ()).unwrap_err().to_string();
        assert!(line.contains("a reduction over the batch is not supported"), "{op}: {line}");
    }
}

#[test]
fn reductions_over_a_first_axis_other_than_the_batch_are_supported() {
    let x: Vec<f32> = (0..2 * ELEMENTS).map(|i| (i * i % 17) as f32).collect();
    for (op, share) in [("ReduceSum", 1.0), ("ReduceMean", 1.0 / 3.0)] {
        let read = read_onnx_bytes(&over_rows(op, 0), "means", 1 << 20).unwrap();
        let inference = Inference::new(read.network, &read.weights, Cpu::new(1).unwrap()).unwrap();
        let (shape, y) = inference.run(&Shape::from([2, 3, 8, 8]), &x).unwrap();
        assert_eq!(shape[..], [2, 64], "{op}");
        for (place, y) in y.iter().enumerate() {
            let (image, pixel) = (place / 64, place % 64);
            let channels = (0..3).map(|channel| x[image * ELEMENTS + channel * 64 + pixel]);
            let expected = channels.sum::<f32>() * share;
            assert!((y - expected).abs() <= 1e-5 * expected.max(1.0), "{op}, {place}: {y} not {expected}");
        }
    }
}
