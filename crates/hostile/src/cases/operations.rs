//! ONNX operations, each in a small valid file: on data, and on constants.

use striate_testkit::onnx::{float, floats, int, integers, ints, model, node, raw, tensor, text};
use striate_testkit::protobuf::Message;

use super::{Case, good};

/// A named tensor.
type Named = (&'static str, Message);

/// Returns a tensor filled with one value.
fn same(name: &'static str, dims: &[i64], value: f32) -> Named {
    (name, floats(name, dims, &vec![value; dims.iter().product::<i64>() as usize]))
}

/// Returns a list of integers.
fn list(name: &'static str, values: &[i64]) -> Named {
    (name, integers(name, &[values.len() as i64], values))
}

/// Returns `case` with `what` appended to its name, which distinguishes it from others of the same operator.
fn variant(what: &str, case: Case) -> Case {
    Case { name: format!("{} {what}", case.name), ..case }
}

/// Returns a file with one operation on x `[1, extents…]` and tensors.
fn on(extents: &[i64], op: &str, tensors: &[Named], attributes: &[Message]) -> Case {
    let inputs: Vec<&str> = std::iter::once("x").chain(tensors.iter().map(|(name, _)| *name)).collect();
    let tensors: Vec<Message> = tensors.iter().map(|(_, tensor)| tensor.clone()).collect();
    good(op, model(extents, &[node(op, &inputs, "y", attributes)], &tensors).bytes)
}

/// Returns a file in which the result of an operation on constants is added to x `[1, 2, 3]`.
fn constant(op: &str, tensors: &[Named], attributes: &[Message]) -> Case {
    let inputs: Vec<&str> = tensors.iter().map(|(name, _)| *name).collect();
    let tensors: Vec<Message> = tensors.iter().map(|(_, tensor)| tensor.clone()).collect();
    let nodes = [node(op, &inputs, "k", attributes), node("Add", &["x", "k"], "y", &[])];
    good(&format!("{op} of constants"), model(&[2, 3], &nodes, &tensors).bytes)
}

pub(super) fn cases() -> Vec<Case> {
    [on_data(), on_constants(), combined()].concat()
}

fn on_data() -> Vec<Case> {
    let maps = |op, tensors: &[Named], attributes: &[Message]| on(&[3, 4, 4], op, tensors, attributes);
    let window = || ints("kernel_shape", &[2, 2]);
    let channels = |name, value| same(name, &[3], value);
    let scales = || ("scales", floats("scales", &[4], &[1.0, 1.0, 2.0, 1.5]));
    let slice = [list("starts", &[3]), list("ends", &[-5]), list("axes", &[3]), list("steps", &[-2])];
    vec![
        maps("Conv", &[same("w", &[2, 3, 3, 3], 0.5), same("b", &[2], 0.5)], &[ints("pads", &[1, 0, 1, 0])]),
        on(&[3], "Gemm", &[same("w", &[3, 2], 0.5), same("b", &[2], 0.5)], &[float("alpha", 2.0)]),
        on(&[4, 3], "MatMul", &[same("w", &[3, 2], 0.5)], &[]),
        maps(
            "BatchNormalization",
            &[channels("g", 1.0), channels("b", 0.0), channels("m", 0.5), channels("v", 2.0)],
            &[],
        ),
        maps("Relu", &[], &[]),
        maps("Tanh", &[], &[]),
        maps("Sigmoid", &[], &[]),
        maps("Neg", &[], &[]),
        maps("Identity", &[], &[]),
        maps("Dropout", &[], &[]),
        maps("Cast", &[], &[int("to", 1)]),
        maps("Softmax", &[], &[int("axis", 1)]),
        maps("LogSoftmax", &[], &[int("axis", 1)]),
        maps("Clip", &[same("low", &[], -1.0), same("high", &[], 2.0)], &[]),
        maps("MaxPool", &[], &[window(), int("ceil_mode", 1), ints("dilations", &[2, 1])]),
        maps("AveragePool", &[], &[window(), ints("strides", &[2, 2])]),
        maps("GlobalMaxPool", &[], &[]),
        maps("GlobalAveragePool", &[], &[]),
        maps("LRN", &[], &[int("size", 3), float("alpha", 0.5)]),
        maps("Add", &[same("w", &[3, 1, 1], 0.5)], &[]),
        maps("Sub", &[same("w", &[4], 0.5)], &[]),
        maps("Mul", &[same("w", &[], 0.5)], &[]),
        maps("Div", &[same("w", &[3, 1, 1], 0.5)], &[]),
        maps("Sum", &[same("w", &[3, 4, 4], 0.5)], &[]),
        maps("ReduceMean", &[], &[ints("axes", &[2, 3]), int("keepdims", 0)]),
        maps("ReduceSum", &[list("axes", &[-1])], &[]),
        maps("Pad", &[list("pads", &[0, 0, 1, 0, 0, 0, 0, 2])], &[]),
        maps("Reshape", &[list("shape", &[0, 4, -1])], &[]),
        maps("Flatten", &[], &[]),
        on(&[3, 1, 4], "Squeeze", &[list("axes", &[2])], &[]),
        maps("Unsqueeze", &[list("axes", &[1, -1])], &[]),
        maps("Transpose", &[], &[ints("perm", &[0, 2, 3, 1])]),
        maps("Slice", &slice, &[]),
        maps("Gather", &[list("k", &[0, 2])], &[int("axis", 1)]),
        variant(
            "of repeated and negative indices",
            maps("Gather", &[list("k", &[2, 0, 0, -2])], &[int("axis", 1)]),
        ),
        maps("LeakyRelu", &[], &[float("alpha", 0.2)]),
        maps("PRelu", &[same("slope", &[3, 1, 1], 0.25)], &[]),
        maps("Elu", &[], &[]),
        maps("Selu", &[], &[]),
        maps("Celu", &[], &[float("alpha", 2.0)]),
        maps("HardSigmoid", &[], &[]),
        maps("HardSwish", &[], &[]),
        maps("Gelu", &[], &[text("approximate", "tanh")]),
        maps("Erf", &[], &[]),
        maps("Exp", &[], &[]),
        maps("Abs", &[], &[]),
        maps("Max", &[same("w", &[3, 1, 1], 0.5), same("v", &[], 0.25)], &[]),
        maps("Min", &[same("w", &[4], 0.5)], &[]),
        maps("Pow", &[same("e", &[], 2.0)], &[]),
        maps("ReduceMax", &[list("axes", &[1, 3])], &[int("keepdims", 0)]),
        maps("ReduceL2", &[list("axes", &[1])], &[]),
        variant("of negative widths", maps("Pad", &[list("pads", &[0, 0, -1, 1, 0, 0, -1, 0])], &[])),
        variant(
            "by reflection",
            maps("Pad", &[list("pads", &[0, 0, 1, 1, 0, 0, 2, 0])], &[text("mode", "reflect")]),
        ),
        maps("Resize", &[("roi", floats("roi", &[0], &[])), scales()], &[]),
        variant(
            "by linear interpolation",
            maps("Resize", &[("roi", floats("roi", &[0], &[])), scales()], &[text("mode", "linear")]),
        ),
    ]
}

fn on_constants() -> Vec<Case> {
    let row = || ("v", floats("v", &[1, 3], &[1.0, 2.0, 4.0]));
    let column = || ("w", floats("w", &[2, 1], &[0.5, 0.25]));
    let quantized = || ("q", raw("q", 2, &[3], &[1, 2, 250]));
    let half = || tensor("value", &floats("", &[1], &[0.5]));
    vec![
        constant("Constant", &[], &[half()]),
        constant("ConstantOfShape", &[list("s", &[2, 3])], &[half()]),
        constant("Cast", &[list("v", &[1, 2, 3])], &[int("to", 1)]),
        constant("Gather", &[row(), list("places", &[2, 0, 2])], &[int("axis", 1)]),
        constant("Squeeze", &[row(), list("axes", &[0])], &[]),
        constant("Unsqueeze", &[row(), list("axes", &[1])], &[]),
        constant("Transpose", &[same("u", &[3, 2], 0.5)], &[]),
        constant("Slice", &[row(), list("from", &[0]), list("to", &[1]), list("axis", &[1])], &[]),
        constant("Reshape", &[row(), list("shape", &[3])], &[]),
        constant("Identity", &[row()], &[]),
        constant("Concat", &[row(), ("u", floats("u", &[1, 3], &[8.0; 3]))], &[int("axis", 0)]),
        constant("Add", &[row(), column()], &[]),
        constant("Sub", &[row(), column()], &[]),
        constant("Mul", &[row(), column()], &[]),
        constant("Div", &[row(), column()], &[]),
        constant("Max", &[row(), column()], &[]),
        constant("Sqrt", &[row()], &[]),
        constant("Pow", &[row(), same("e", &[], 3.0)], &[]),
        constant("DequantizeLinear", &[quantized(), same("scale", &[], 0.5)], &[]),
    ]
}

/// Returns files in which several operations interact.
fn combined() -> Vec<Case> {
    let tensors = |all: &[Named]| all.iter().map(|(_, tensor)| tensor.clone()).collect::<Vec<_>>();
    // Flattening as written by exporters: the batch size is taken from the shape, the rest is inferred.
    let flattening = [
        node("Shape", &["x"], "s", &[]),
        node("Gather", &["s", "zero"], "n", &[int("axis", 0)]),
        node("Constant", &[], "axes", &[tensor("value", &integers("", &[1], &[0]))]),
        node("Unsqueeze", &["n", "axes"], "u", &[]),
        node("Concat", &["u", "open"], "t", &[int("axis", 0)]),
        node("Cast", &["t"], "r", &[int("to", 7)]),
        node("Reshape", &["x", "r"], "y", &[]),
    ];
    let splitting = [
        node("Split", &["x", "sizes"], "a", &[int("axis", 1)]).text(2, "b"),
        node("Concat", &["b", "a"], "y", &[int("axis", 1)]),
    ];
    // Channels last, as in TensorFlow.
    let transposed = [
        node("Transpose", &["x"], "a", &[ints("perm", &[0, 2, 3, 1])]),
        node("Add", &["a", "w"], "b", &[]),
        node("Transpose", &["b"], "y", &[ints("perm", &[0, 3, 1, 2])]),
    ];
    let inner_axis = [node("Neg", &["x"], "a", &[]), node("Concat", &["x", "a"], "y", &[int("axis", 3)])];
    let concatenated = model(&[3, 2, 2], &inner_axis, &[]).bytes;
    let zero = ("zero", integers("zero", &[], &[0]));
    vec![
        good(
            "an exporter's flattening",
            model(&[3, 2, 2], &flattening, &tensors(&[zero, list("open", &[-1])])).bytes,
        ),
        good("a concatenation along an inner axis", concatenated),
        good("a split", model(&[3, 2, 2], &splitting, &tensors(&[list("sizes", &[1, 2])])).bytes),
        good("channels last", model(&[3, 2, 2], &transposed, &tensors(&[same("w", &[3], 0.5)])).bytes),
    ]
}
