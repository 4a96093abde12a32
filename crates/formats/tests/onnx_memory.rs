//! Small ONNX files that request much memory or time: each is refused quickly, and what is folded without using
//! memory is folded correctly.

use striate_formats::read_onnx_bytes;
use striate_testkit::allocation::{Counting, held};
use striate_testkit::protobuf::Message;

use crate::common::onnx::{float, floats, int, ints, model, node, tensor};

mod common;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Limit of floats that a file may expand to here.
const LIMIT: usize = 1 << 20;
/// Bytes that reading may use per float: for the result, and for its operands.
const BYTES: usize = 16;

fn filled(shape: &str, output: &str) -> Message {
    node("ConstantOfShape", &[shape], output, &[])
}

fn meets_the_data(value: &str) -> Message {
    node("Add", &["x", value], "y", &[])
}

/// `count` nodes on the constant b, the first element of each result, and the concatenation of these.
fn many(count: usize, each: impl Fn(&str) -> Message) -> Vec<Message> {
    let first = |i: usize| node("Slice", &[&format!("t{i}"), "zero", "one"], &format!("u{i}"), &[]);
    let mut nodes: Vec<Message> = (0..count).flat_map(|i| [each(&format!("t{i}")), first(i)]).collect();
    let names: Vec<String> = (0..count).map(|i| format!("u{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    nodes.push(node("Concat", &names, "w", &[int("axis", 0)]));
    nodes.extend([node("Slice", &["w", "zero", "one"], "v", &[]), meets_the_data("v")]);
    nodes
}

#[test]
fn small_files_never_need_much_memory() {
    let add_one = [filled("s", "c"), node("Add", &["c", "one"], "w", &[]), meets_the_data("w")];
    let outer = |extent: i64| model(&add_one, &[ints("s", &[extent]), floats("one", &[1], &[1.0])]);
    let side = vec![1.0; 1 << 12];
    let flat = || node("Flatten", &["x"], "f", &[]);
    let bounds = || vec![ints("zero", &[0]), ints("one", &[1])];
    let sliced = node("Slice", &["c", "zero", "end"], "w", &[]);
    let twice = node("Concat", &["c", "c", "d"], "w", &[int("axis", 0)]);
    let most = || ints("end", &[i64::MAX]);
    let amplified = |each: &dyn Fn(&str) -> Message, constant: Message| {
        model(&many(300, each), &[bounds(), vec![constant, most()]].concat())
    };
    let big = || floats("b", &[1 << 14], &vec![1.0; 1 << 14]);
    let axes: Vec<i64> = (0..100_000).collect();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "filled beyond all memory, and one more",
            outer(1 << 62),
            "exceeds the limits of 8 axes and 1,099,511,627,776 elements",
        ),
        ("filled beyond this machine's memory, and one more", outer(1 << 40), "has too many numbers"),
        (
            "a column and a row",
            model(
                &[node("Add", &["a", "b"], "w", &[]), meets_the_data("w")],
                &[floats("a", &[1 << 12, 1], &side), floats("b", &[1, 1 << 12], &side)],
            ),
            "has too many numbers",
        ),
        (
            "a filled weight and alpha",
            model(
                &[flat(), filled("s", "c"), node("Gemm", &["f", "c"], "y", &[float("alpha", 2.0)])],
                &[ints("s", &[192, 1 << 28])],
            ),
            "has too many numbers",
        ),
        (
            "a filled weight and beta",
            model(
                &[
                    flat(),
                    filled("s", "c"),
                    node("Gemm", &["f", "c", "one"], "y", &[float("beta", 2.0), int("transB", 1)]),
                ],
                &[ints("s", &[1 << 28, 192]), floats("one", &[1], &[1.0])],
            ),
            "has too many numbers",
        ),
        (
            "part of a filled value",
            model(
                &[filled("s", "c"), sliced, meets_the_data("w")],
                &[ints("s", &[1 << 41]), ints("zero", &[0]), ints("end", &[1 << 40])],
            ),
            "has too many numbers",
        ),
        (
            "filled values side by side",
            model(
                &[filled("s", "c"), twice, meets_the_data("w")],
                &[ints("s", &[1 << 40]), floats("d", &[2], &[1.0, 2.0])],
            ),
            "has too many numbers",
        ),
        (
            "many slices",
            amplified(&|to| node("Slice", &["b", "zero", "end"], to, &[]), big()),
            "has too many numbers",
        ),
        (
            "many casts",
            amplified(
                &|to| node("Cast", &["b"], to, &[int("to", 1)]),
                tensor("b", &[1 << 14], 3, &[1; 1 << 14]),
            ),
            "has too many numbers",
        ),
        (
            "many transpositions",
            amplified(&|to| node("Transpose", &["b"], to, &[]), big()),
            "has too many numbers",
        ),
        (
            "axes without end, unsqueezed",
            model(
                &[node("Unsqueeze", &["k", "axes"], "w", &[]), meets_the_data("w")],
                &[floats("k", &[1], &[1.0]), ints("axes", &axes)],
            ),
            "axes has 100,000 numbers; the limit is 16",
        ),
        (
            "nine axes",
            model(
                &[node("Unsqueeze", &["k", "axes"], "w", &[]), meets_the_data("w")],
                &[floats("k", &[1], &[1.0]), ints("axes", &axes[..8])],
            ),
            "axes: the result has 9 axes; the limit is 8",
        ),
        (
            "axes without end, padded",
            model(
                &[node("Pad", &["x", "pads", "", "axes"], "y", &[])],
                &[ints("pads", &[0; 16]), ints("axes", &axes)],
            ),
            "axes has 100,000 numbers; the limit is 16",
        ),
        (
            "rows without elements, without end",
            model(
                &[
                    node("Gather", &["e", "none"], "g", &[int("axis", 2)]),
                    node("Concat", &["g", "g"], "w", &[int("axis", 2)]),
                    meets_the_data("w"),
                ],
                &[tensor("e", &[1 << 31, 1 << 31, 0], 1, &[]), ints("none", &[])],
            ),
            "with an empty constant",
        ),
        (
            "more layers than a network has, all of one name",
            {
                let name = |i: usize| if i == 0 { "x".to_owned() } else { format!("a{i}") };
                let relu = |i: usize| node("Relu", &[&name(i)], &name(i + 1), &[]).text(3, "relu");
                let last = node("Relu", &["a16500"], "y", &[]);
                model(&(0..16_500).map(relu).chain([last]).collect::<Vec<_>>(), &[])
            },
            "more than 16,384 layers, the limit",
        ),
    ];
    for (name, bytes, expected) in cases {
        let (read, held) = held(|| read_onnx_bytes(&bytes, name, LIMIT));
        let error = read.map(|_| ()).expect_err(name);
        assert!(error.is_input() && error.to_string().contains(expected), "{name}: {error}");
        assert!(
            held <= BYTES * LIMIT + 64 * bytes.len(),
            "{name}: {} bytes made it hold {held}",
            bytes.len()
        );
    }
}

#[test]
fn filled_constants_fold_like_others() {
    let three = floats("d", &[2], &[5.0, 7.0]);
    let nodes = [
        filled("s", "c"),
        node("Add", &["c", "one"], "a", &[]),
        node("Concat", &["a", "a"], "e", &[int("axis", 0)]),
        node("Slice", &["e", "zero", "end"], "p", &[]),
        node("Concat", &["p", "d"], "q", &[int("axis", 0)]),
        node("Gather", &["q", "picks"], "g", &[]),
        node("Mul", &["g", "p"], "w", &[]),
        meets_the_data("w"),
    ];
    let tensors = [
        ints("s", &[6]),
        floats("one", &[1], &[1.5]),
        ints("zero", &[0]),
        ints("end", &[8]),
        three,
        ints("picks", &[9, 0, 8, 1, -1, -2, 7, 2]),
    ];
    let weights = read_onnx_bytes(&model(&nodes, &tensors), "folded", LIMIT).unwrap().weights;
    let (_, (_, values)) = weights.iter().next().unwrap();
    let expected = [7.0, 1.5, 5.0, 1.5, 7.0, 5.0, 1.5, 1.5].map(|picked| picked * 1.5);
    assert_eq!((weights.len(), values.as_slice()), (1, expected.as_slice()));
}
