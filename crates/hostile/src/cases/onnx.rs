//! ONNX: exported networks, and files with faulty messages, graphs, tensors or attributes.

use striate_engine::Inference;
use striate_formats::onnx_bytes;
use striate_graph::Network;
use striate_testkit::networks;
use striate_testkit::onnx::{
    entry, external, floats, int, integers, ints, model, model_of, node, opset, raw, text, value,
};
use striate_testkit::protobuf::Message;

use super::{Case, bad, good, operations};

pub(super) fn cases() -> Vec<Case> {
    [exported(), operations::cases(), messages(), graphs(), tensors(), attributes()].concat()
}

/// Returns exported networks.
fn exported() -> Vec<Case> {
    let all = networks::all().into_iter().filter(|network| network.image().is_ok());
    let one = |network: Network| {
        let weights = Inference::initial_weights(&network, 0).expect("the network is valid");
        // Not every layer can be exported.
        onnx_bytes(&network, &weights).ok().map(|bytes| good(&network.name, bytes))
    };
    all.filter_map(one).collect()
}

fn relu() -> Message {
    node("Relu", &["x"], "y", &[])
}

/// Returns a file with a convolution of x `[1, 3, 8, 8]` with a weight of zeros.
fn conv(weight: &[i64], attributes: &[Message]) -> Vec<u8> {
    let zeros = vec![0.0; weight.iter().product::<i64>() as usize];
    let nodes = [node("Conv", &["x", "w"], "y", attributes)];
    model(&[3, 8, 8], &nodes, &[floats("w", weight, &zeros)]).bytes
}

/// Returns a file with one operation on x `[1, 3, 8, 8]`.
fn one(op: &str, attributes: &[Message]) -> Vec<u8> {
    model(&[3, 8, 8], &[node(op, &["x"], "y", attributes)], &[]).bytes
}

/// Returns a file with one operation on x `[1, 3, 8, 8]` and a tensor w.
fn with(op: &str, tensor: Message) -> Vec<u8> {
    model(&[3, 8, 8], &[node(op, &["x", "w"], "y", &[])], &[tensor]).bytes
}

fn messages() -> Vec<Case> {
    let whole = conv(&[2, 3, 3, 3], &[]);
    let cut = whole[..whole.len() - 1].to_vec();
    let empty = Message::new();
    let graph = || {
        let graph = Message::new().message(1, &relu());
        graph.message(11, &value("x", &[1, 2])).message(12, &value("y", &[1]))
    };
    let plain = |version| model_of(version, &graph()).bytes;
    let with_metadata = |entries: &[(&str, &str)]| {
        let model = model_of(17, &graph());
        entries.iter().fold(model, |model, (key, value)| model.message(14, &entry(key, value))).bytes
    };
    vec![
        good("a convolution", whole),
        bad("an empty file", "", "opset"),
        bad("plain text", "plain text, not a model", "damaged"),
        bad("truncated", cut, "are left"),
        bad("an overlong integer", [0xff; 40], "more than 64 bits"),
        bad("no opset", Message::new().message(7, &empty).bytes, "does not state its operator set version"),
        bad("opset 99", plain(99), "opset 99"),
        bad("opset 3", plain(3), "opset 3"),
        bad("a negative opset", plain(-1), "opset -1"),
        bad("no graph", Message::new().message(8, &opset("", 17)).bytes, "no graph"),
        bad("two graphs", Message::new().message(7, &empty).message(7, &empty).bytes, "two graphs"),
        bad(
            "an opset twice",
            model_of(17, &graph()).message(8, &opset("ai.onnx", 13)).bytes,
            "opset ai.onnx occurs twice",
        ),
        bad(
            "another domain's opset twice",
            model_of(17, &graph()).message(8, &opset("ml", 1)).message(8, &opset("ml", 1)).bytes,
            "opset ml occurs twice",
        ),
        bad(
            "metadata twice",
            with_metadata(&[("author", "a"), ("author", "b")]),
            "metadata author occurs twice",
        ),
        good("class names", with_metadata(&[("striate.classes", r#"["a","b"]"#)])),
        bad("invalid class names", with_metadata(&[("striate.classes", "[1]")]), "is not a list of names"),
        bad("class names that are not JSON", with_metadata(&[("striate.classes", "[")]), "is not JSON"),
        bad(
            "three class names",
            with_metadata(&[("striate.classes", r#"["a","b","c"]"#)]),
            "3 class names for 2 outputs",
        ),
        bad(
            "a class name with control characters",
            with_metadata(&[("striate.classes", r#"["a","\u001b[2J"]"#)]),
            "has the character U+001B",
        ),
        bad(
            "preprocessing that is not JSON",
            with_metadata(&[("striate.preprocessing", "{")]),
            "is not JSON",
        ),
        bad(
            "functions",
            Message::new().message(8, &opset("", 17)).text(25, "f").message(7, &empty).bytes,
            "functions",
        ),
    ]
}

fn graphs() -> Vec<Case> {
    let bare = |extents: &[i64]| model(extents, &[relu()], &[]).bytes;
    let graph = |node: &Message| Message::new().message(1, node);
    let x = || value("x", &[1, 2]);
    let many = |field| Message { bytes: Message::new().bytes(field, &[]).bytes.repeat(70_000) };
    let two_inputs = graph(&node("Add", &["x", "z"], "y", &[]))
        .message(11, &x())
        .message(11, &value("z", &[1, 2]))
        .message(12, &value("y", &[1]));
    let cycle =
        [node("Add", &["x", "b"], "a", &[]), node("Relu", &["a"], "b", &[]), node("Relu", &["b"], "y", &[])];
    let w = || floats("w", &[2], &[0.0; 2]);
    let zoo =
        [node("Zebra", &["x"], "a", &[]), node("Okapi", &["a"], "b", &[]), node("Zebra", &["b"], "y", &[])];
    let winner = [node("ArgMax", &["x"], "a", &[]), node("Cast", &["a"], "y", &[int("to", 7)])];
    let add = |other| node("Add", &["x", other], "y", &[]);
    vec![
        bad("no output", model_of(17, &graph(&relu()).message(11, &x())).bytes, "no output"),
        bad("no input", model_of(17, &graph(&relu()).message(12, &value("y", &[1]))).bytes, "has 0 inputs"),
        bad(
            "an output without a node",
            model(&[2], &[node("Relu", &["x"], "z", &[])], &[]).bytes,
            "has 0 inputs",
        ),
        bad("70,000 empty nodes", model_of(17, &many(1)).bytes, "no output"),
        bad(
            "70,000 empty tensors",
            model_of(17, &many(5).message(12, &value("y", &[1]))).bytes,
            "two initializers",
        ),
        bad("two inputs", model_of(17, &two_inputs).bytes, "has 2 inputs (x, z)"),
        bad("a negative extent", bare(&[-5, 8]), "open or out of range"),
        bad("a giant extent", bare(&[i64::MAX, 8]), "open or out of range"),
        bad("too many outputs", bare(&[1 << 23]), "8388608 outputs exceed the limit of 1048576"),
        bad("a giant product", bare(&[1 << 24; 5]), "input x: shape [N, "),
        bad(
            "unknown operators",
            model(&[2], &zoo, &[]).bytes,
            "uses operators that are not supported: Okapi (1), Zebra (2)",
        ),
        bad(
            "class indices",
            model(&[2], &winner, &[]).bytes,
            "select the tensor with the scores: --output x",
        ),
        bad("a cycle", model(&[2], &cycle, &[]).bytes, "a cycle"),
        bad(
            "a missing operand",
            model(&[2], &[node("Add", &["x"], "y", &[])], &[]).bytes,
            "operand 2 is missing",
        ),
        bad("an unknown operand", model(&[2], &[add("nobody")], &[]).bytes, "reads nobody"),
        bad(
            "a value produced twice",
            model(&[2], &[relu(), relu()], &[]).bytes,
            "produces y, which already exists",
        ),
        bad(
            "initializers with the same name",
            model(&[2], &[add("w")], &[w(), w()]).bytes,
            "two initializers",
        ),
    ]
}

fn tensors() -> Vec<Case> {
    let integer = |name, value| integers(name, &[1], &[value]);
    let shapes = |op: &str, tensors: &[Message]| {
        let names = ["v", "w"];
        let known = if tensors.len() == 2 { names } else { ["w", "w"] };
        let nodes = [node(op, &known, "s", &[]), node("Reshape", &["x", "s"], "y", &[])];
        model(&[3, 8, 8], &nodes, tensors).bytes
    };
    let filled = [node("ConstantOfShape", &["w"], "s", &[]), node("Add", &["x", "s"], "y", &[])];
    let outside = |entries: &[(&str, &str)]| with("MatMul", external("w", &[8, 2], entries));
    vec![
        bad(
            "too few bytes",
            with("Add", raw("w", 1, &[8], &[0; 12])),
            "tensor w: has 12 bytes for shape [8]",
        ),
        bad("a tensor of a negative extent", with("Add", floats("w", &[-8], &[])), "extent -8"),
        bad("a giant tensor", with("Add", floats("w", &[1 << 31; 3], &[])), "memory"),
        bad("many axes", with("Add", floats("w", &[1; 9], &[0.0])), "9 axes"),
        bad("strings", with("Add", raw("w", 8, &[1], &[])), "contains strings"),
        bad("type 77", with("Add", raw("w", 77, &[1], &[])), "type 77"),
        bad("integers instead of floats", with("Add", integer("w", 1)), "combines the data with integers"),
        bad("an impossible shape", with("Reshape", integers("w", &[3], &[0, 5, -1])), "cannot reshape"),
        bad("two open extents", with("Reshape", integers("w", &[2], &[-1, -1])), "cannot reshape"),
        bad("arithmetic that overflows", shapes("Mul", &[integer("w", i64::MAX)]), "overflows"),
        bad("a division by zero", shapes("Div", &[integer("v", 1), integer("w", 0)]), "divides by zero"),
        bad(
            "an excessive fill",
            model(&[2], &filled, &[integers("w", &[2], &[1 << 30, 2])]).bytes,
            "has too many numbers",
        ),
        bad(
            "external data with two locations",
            outside(&[("location", "w.bin"), ("location", "v.bin")]),
            "external data: location occurs twice",
        ),
        bad(
            "a weight of NaN",
            with("MatMul", floats("w", &[8, 1], &[f32::NAN; 8])),
            "contains NaN or infinite",
        ),
        bad(
            "an infinite constant",
            with("Add", floats("w", &[1], &[f32::INFINITY])),
            "contains NaN or infinite",
        ),
    ]
}

fn attributes() -> Vec<Case> {
    let kernel = |attribute| conv(&[2, 3, 3, 3], &[attribute]);
    let nested = (0..5000).fold(Message::new(), |inner, _| Message::new().message(6, &inner));
    vec![
        bad("group 0", kernel(int("group", 0)), "attribute group must be 1 or more"),
        bad("group 7", kernel(int("group", 7)), "groups (7) must divide"),
        bad("a kernel of another size", kernel(ints("kernel_shape", &[5, 5])), "kernel_shape"),
        bad("stride 0", kernel(ints("strides", &[0, 1])), "attribute strides"),
        bad("giant pads", kernel(ints("pads", &[i64::MAX; 4])), "attribute pads"),
        bad("too few pads", kernel(ints("pads", &[1])), "attribute pads"),
        bad("an unknown auto_pad", kernel(text("auto_pad", "SIDEWAYS")), "SIDEWAYS"),
        bad("an attribute of another type", kernel(text("group", "1")), "attribute group is not an integer"),
        bad("other channels", conv(&[2, 4, 3, 3], &[]), "expected [2, 3, 3, 3]"),
        bad("a kernel too large", conv(&[2, 3, 9, 9], &[]), "does not fit the input [N, 3, 8, 8]"),
        bad(
            "an attribute twice",
            one("Softmax", &[int("axis", 1), int("axis", 2)]),
            "node 1: attribute axis occurs twice",
        ),
        bad("axis 9", one("Softmax", &[int("axis", 9)]), "axis 9"),
        bad("an axis twice", one("Transpose", &[ints("perm", &[0, 1, 1, 2])]), "perm"),
        bad("no kernel_shape", one("MaxPool", &[]), "kernel_shape is missing"),
        bad(
            "a graph as an attribute",
            one("Softmax", &[Message::new().text(1, "axis").message(6, &nested).integer(20, 5)]),
            "not an integer",
        ),
    ]
}
