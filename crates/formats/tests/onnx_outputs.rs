//! Which of a graph's outputs becomes the network's.

use striate_formats::{Imported, ReadOptions, read_onnx_bytes_with};
use striate_tensor::Result;
use striate_testkit::onnx::{floats, int, model_of, node, value};
use striate_testkit::protobuf::Message;

/// A file that computes `features` `[N, 3]` as channel means, `s` `[N, 2]` as linear scores of them, and then the
/// nodes `end`.
fn file(end: &[Message], outputs: &[(&str, &[i64])]) -> Vec<u8> {
    let nodes = [
        node("GlobalAveragePool", &["x"], "pooled", &[]),
        node("Flatten", &["pooled"], "features", &[]),
        node("Gemm", &["features", "w"], "s", &[int("transB", 1)]),
    ];
    let graph = nodes.iter().chain(end).fold(Message::new(), |graph, node| graph.message(1, node));
    let graph = graph.message(5, &floats("w", &[2, 3], &[1.0; 6])).message(11, &value("x", &[-1, 3, 4, 4]));
    let outputs = outputs.iter().map(|(name, extents)| value(name, extents));
    model_of(17, &outputs.fold(graph, |graph, output| graph.message(12, &output))).bytes
}

fn read(bytes: &[u8], output: Option<&str>) -> Result<Imported> {
    let options = ReadOptions { output: output.map(str::to_owned), ..ReadOptions::default() };
    read_onnx_bytes_with(bytes, "test", 1 << 20, &options)
}

#[test]
fn output_computed_from_all_others_is_used() {
    let [features, s, p] = [("features", &[-1, 3][..]), ("s", &[-1, 2][..]), ("p", &[-1, 2][..])];
    let softmax = node("Softmax", &["s"], "p", &[int("axis", 1)]);
    let argmax = node("ArgMax", &["s"], "best", &[int("axis", 1)]);
    let largest = node("ReduceMax", &["s"], "largest", &[]);
    let other = node("Gemm", &["features", "w"], "other", &[int("transB", 1)]);
    let copy = node("Identity", &["s"], "copy", &[]);
    for (end, outputs, chosen) in [
        (&[][..], &[features, s][..], "s"),
        (&[], &[s, features], "s"),
        (&[], &[features, ("pooled", &[-1, 3, 1, 1]), s], "s"),
        (std::slice::from_ref(&softmax), &[s, p], "p"),
        (&[copy], &[s, ("copy", &[-1, 2])], "copy"),
        // Classes are picked by the scores, so these are the scores, whatever else is computed from them.
        (&[argmax.clone(), softmax.clone()], &[s, p, ("best", &[-1, 1])], "s"),
        (std::slice::from_ref(&argmax), &[features, s, ("best", &[-1, 1])], "s"),
        (&[argmax.clone(), other], &[("other", &[-1, 2]), s], "s"),
        (&[largest], &[s, ("largest", &[-1, 1])], "s"),
    ] {
        let imported = read(&file(end, outputs), None).unwrap();
        let names: Vec<&str> = outputs.iter().map(|(name, _)| *name).collect();
        let note = format!(
            "of its {} outputs ({}), {chosen} is used; --output NAME selects another",
            names.len(),
            names.join(", ")
        );
        assert!(imported.notes.contains(&note), "{:?}", imported.notes);
        let extent = outputs.iter().find(|(name, _)| *name == chosen).map(|(_, extents)| extents[1]);
        assert_eq!(imported.network.classes().ok().map(|classes| classes as i64), extent);
    }
}

#[test]
fn several_heads_require_output_flag() {
    let other = node("Gemm", &["features", "w"], "other", &[int("transB", 1)]);
    let outputs: [(&str, &[i64]); 3] = [("features", &[-1, 3]), ("s", &[-1, 2]), ("other", &[-1, 2])];
    let bytes = file(&[other], &outputs);
    let line = read(&bytes, None).map(|_| ()).unwrap_err().to_string();
    assert_eq!(line, "2 of its 3 outputs may be the scores (s, other); select one with --output NAME");
    for (name, classes) in [("s", 2), ("other", 2), ("features", 3)] {
        assert_eq!(read(&bytes, Some(name)).unwrap().network.classes().unwrap(), classes, "{name}");
    }
}
