//! ONNX operators compared with values computed by hand or from ONNX's definitions, and what is refused.

use striate_engine::{Cpu, Inference};
use striate_formats::{
    Imported, IntegerType, ReadOptions, onnx_bytes, read_onnx_bytes, read_onnx_bytes_with,
};
use striate_graph::{Optimizer, Role, TrainingSpec, training_graph};
use striate_tensor::{Result, Shape};
use striate_testkit::onnx::{integers, model_of, node_called, raw, text, value, value_of};
use striate_testkit::protobuf::Message;

use crate::common::onnx::{float, floats, int, ints, ints_attribute, model, node};

/// An operator, its attributes and the function that it computes.
type Case<'a> = (&'a str, &'a [Message], fn(f32) -> f32);

mod common;

const LIMIT: usize = 1 << 20;

/// A file with input x of these extents and these `outputs`.
fn file(extents: &[i64], nodes: &[Message], tensors: &[Message], outputs: &[Message]) -> Vec<u8> {
    let graph = nodes.iter().fold(Message::new(), |graph, node| graph.message(1, node));
    let graph = tensors.iter().fold(graph, |graph, tensor| graph.message(5, tensor));
    let graph =
        outputs.iter().fold(graph.message(11, &value("x", extents)), |graph, one| graph.message(12, one));
    model_of(17, &graph).bytes
}

fn read(bytes: &[u8], options: &ReadOptions) -> Result<Imported> {
    read_onnx_bytes_with(bytes, "test", LIMIT, options)
}

fn refusal(bytes: &[u8]) -> String {
    let error = read(bytes, &ReadOptions::default()).map(|_| ()).unwrap_err();
    assert!(error.is_input());
    error.to_string()
}

fn run(imported: &Imported, shape: &[usize], x: &[f32]) -> (Vec<usize>, Vec<f32>) {
    let inference =
        Inference::new(imported.network.clone(), &imported.weights, Cpu::new(1).unwrap()).unwrap();
    let (shape, y) = inference.run(&Shape::from(shape), x).unwrap();
    (shape.to_vec(), y)
}

/// The result of one operator for x `[1, extents…]`; checks that it is the same after writing and reading.
fn one(
    op: &str,
    extents: &[usize],
    x: &[f32],
    tensors: &[Message],
    names: &[&str],
    attributes: &[Message],
) -> Vec<f32> {
    let open: Vec<i64> = std::iter::once(-1).chain(extents.iter().map(|extent| *extent as i64)).collect();
    let inputs = [&["x"], names].concat();
    let bytes = file(&open, &[node(op, &inputs, "y", attributes)], tensors, &[value("y", &[-1])]);
    let imported = read(&bytes, &ReadOptions::default()).unwrap_or_else(|e| panic!("{op}: {e}"));
    let shape = [&[1], extents].concat();
    let y = run(&imported, &shape, x);
    let again = onnx_bytes(&imported.network, &imported.weights).unwrap_or_else(|e| panic!("{op}: {e}"));
    let again = run(&read(&again, &ReadOptions::default()).unwrap(), &shape, x);
    assert_eq!(again.0, y.0, "{op}");
    close(&again.1, &y.1, &format!("{op} written and read"));
    y.1
}

fn close(got: &[f32], expected: &[f32], place: &str) {
    assert_eq!(got.len(), expected.len(), "{place}");
    for (got, expected) in got.iter().zip(expected) {
        assert!(
            (got - expected).abs() <= 2e-6 * expected.abs().max(1.0),
            "{place}: {got} instead of {expected}"
        );
    }
}

#[test]
fn activations_match_their_definitions() {
    let x = [-4.0f32, -2.0, -0.5, 0.0, 0.5, 4.0];
    let cases: [Case; 9] = [
        ("LeakyRelu", &[float("alpha", 0.1)], |x| if x > 0.0 { x } else { 0.1 * x }),
        ("Elu", &[float("alpha", 2.0)], |x| if x > 0.0 { x } else { 2.0 * (x.exp() - 1.0) }),
        ("Selu", &[], |x| 1.050_701 * if x > 0.0 { x } else { 1.673_263_2 * (x.exp() - 1.0) }),
        ("Celu", &[float("alpha", 2.0)], |x| if x > 0.0 { x } else { 2.0 * ((x / 2.0).exp() - 1.0) }),
        ("HardSigmoid", &[], |x| (0.2 * x + 0.5).clamp(0.0, 1.0)),
        ("HardSwish", &[], |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
        ("Exp", &[], f32::exp),
        ("Abs", &[], f32::abs),
        ("Reciprocal", &[], |x| 1.0 / x),
    ];
    for (op, attributes, expected) in cases {
        let x: Vec<f32> = x.iter().copied().filter(|x| op != "Reciprocal" || *x != 0.0).collect();
        let y = one(op, &[x.len()], &x, &[], &[], attributes);
        close(&y, &x.iter().map(|x| expected(*x)).collect::<Vec<_>>(), op);
    }
    // PyTorch 2.15: torch.nn.functional.gelu and torch.erf.
    let x = [-2.0, -0.5, 0.5, 2.0];
    close(
        &one("Gelu", &[4], &x, &[], &[], &[]),
        &[-0.045_500_26, -0.154_268_77, 0.345_731_23, 1.954_499_7],
        "Gelu",
    );
    let tanh = [text("approximate", "tanh")];
    close(
        &one("Gelu", &[4], &x, &[], &[], &tanh),
        &[-0.045_402_29, -0.154_286, 0.345_714, 1.954_597_7],
        "tanh",
    );
    close(
        &one("Erf", &[4], &x, &[], &[], &[]),
        &[-0.995_322_3, -0.520_499_9, 0.520_499_9, 0.995_322_3],
        "Erf",
    );
}

#[test]
fn pow_prelu_max_and_min_accept_constants() {
    let x = [1.0f32, -2.0, 3.0, -4.0];
    let number = |name: &str, value: f32| floats(name, &[], &[value]);
    close(&one("Pow", &[4], &x, &[number("e", 2.0)], &["e"], &[]), &[1.0, 4.0, 9.0, 16.0], "square");
    let roots = one("Pow", &[2], &[4.0, 9.0], &[number("e", 0.5)], &["e"], &[]);
    close(&roots, &[2.0, 3.0], "root");
    close(&one("Pow", &[2], &[2.0, 4.0], &[number("e", -1.5)], &["e"], &[]), &[0.353_553_4, 0.125], "power");
    let slope = floats("s", &[2, 1, 1], &[0.5, 0.25]);
    close(&one("PRelu", &[2, 1, 2], &x, &[slope], &["s"], &[]), &[1.0, -1.0, 3.0, -1.0], "PRelu");
    let row = || floats("r", &[2], &[0.0, -3.0]);
    close(&one("Max", &[2, 2], &x, &[row()], &["r"], &[]), &[1.0, -2.0, 3.0, -3.0], "Max");
    let three = one("Min", &[2, 2], &x, &[row(), number("n", -1.0)], &["r", "n"], &[]);
    close(&three, &[-1.0, -3.0, -1.0, -4.0], "Min");
}

#[test]
fn reductions_support_any_axes() {
    let x: Vec<f32> = [1, -5, 2, 4, 3, -6, 7, 8].map(|x| x as f32).to_vec();
    let over =
        |op: &str, axes: &[i64]| one(op, &[2, 2, 2], &x, &[ints("a", axes)], &["a"], &[int("keepdims", 0)]);
    let by_attribute = |op: &str, axes: &[i64]| {
        one(op, &[2, 2, 2], &x, &[], &[], &[ints_attribute("axes", axes), int("keepdims", 0)])
    };
    close(&by_attribute("ReduceMax", &[1, 3]), &[3.0, 8.0], "ReduceMax");
    close(&by_attribute("ReduceMin", &[2]), &[1.0, -5.0, 3.0, -6.0], "ReduceMin");
    close(&over("ReduceSum", &[3]), &[-4.0, 6.0, -3.0, 15.0], "ReduceSum");
    close(&by_attribute("ReduceL2", &[2, 3]), &[46f32.sqrt(), 158f32.sqrt()], "ReduceL2");
    close(&by_attribute("ReduceL1", &[1]), &[4.0, 11.0, 9.0, 12.0], "ReduceL1");
    close(&by_attribute("ReduceSumSquare", &[3]), &[26.0, 20.0, 45.0, 113.0], "ReduceSumSquare");
}

#[test]
fn negative_pads_crop_and_pad_modes_repeat_the_data() {
    let x = [1.0f32, 2.0, 3.0, 4.0];
    let pad =
        |pads: &[i64], mode: &str| one("Pad", &[1, 4], &x, &[ints("p", pads)], &["p"], &[text("mode", mode)]);
    close(&pad(&[0, 0, -1, 0, 0, 2], "constant"), &[2.0, 3.0, 4.0, 0.0, 0.0], "crop");
    close(&pad(&[0, 0, -1, 0, 0, -2], "constant"), &[2.0], "crop on both sides");
    close(&pad(&[0, 0, 2, 0, 0, 1], "reflect"), &[3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0], "reflect");
    close(&pad(&[0, 0, 2, 0, 0, 1], "edge"), &[1.0, 1.0, 1.0, 2.0, 3.0, 4.0, 4.0], "edge");
    close(&pad(&[0, 0, 2, 0, 0, 1], "wrap"), &[3.0, 4.0, 1.0, 2.0, 3.0, 4.0, 1.0], "wrap");
}

/// ONNX's examples of Resize, `test_resize_upsample_scales_nearest` and `…_linear`.
#[test]
fn resize_matches_the_onnx_examples() {
    let x = [1.0, 2.0, 3.0, 4.0];
    let resize = |scales: &[f32], attributes: &[Message]| {
        let tensors = [floats("r", &[0], &[]), floats("s", &[4], scales)];
        one("Resize", &[1, 2, 2], &x, &tensors, &["r", "s"], attributes)
    };
    let rows = [[1.0, 1.0, 1.0, 2.0, 2.0, 2.0], [3.0, 3.0, 3.0, 4.0, 4.0, 4.0]];
    let nearest = [rows[0], rows[0], rows[1], rows[1]].concat();
    close(&resize(&[1.0, 1.0, 2.0, 3.0], &[text("mode", "nearest")]), &nearest, "nearest");
    let linear =
        [[1.0, 1.25, 1.75, 2.0], [1.5, 1.75, 2.25, 2.5], [2.5, 2.75, 3.25, 3.5], [3.0, 3.25, 3.75, 4.0]];
    close(&resize(&[1.0, 1.0, 2.0, 2.0], &[text("mode", "linear")]), &linear.concat(), "linear");
}

#[test]
fn gather_supports_any_order() {
    let x = [1.0, 2.0, 3.0];
    let y = one("Gather", &[3], &x, &[ints("i", &[2, 0, 0, -2])], &["i"], &[int("axis", 1)]);
    close(&y, &[3.0, 1.0, 1.0, 2.0], "Gather");
}

#[test]
fn concat_of_100_operands_trains() {
    let parts: Vec<String> = (0..100).map(|i| format!("p{i}")).collect();
    let mut nodes: Vec<Message> = parts.iter().map(|part| node("Mul", &["x", "two"], part, &[])).collect();
    nodes.push(node("Concat", &parts.iter().map(String::as_str).collect::<Vec<_>>(), "c", &[int("axis", 1)]));
    nodes.push(node("GlobalAveragePool", &["c"], "g", &[]));
    nodes.push(node("Flatten", &["g"], "f", &[]));
    nodes.push(node("Gemm", &["f", "w"], "y", &[int("transB", 1)]));
    let tensors = [floats("two", &[], &[2.0]), floats("w", &[2, 300], &[0.01; 600])];
    let imported = read_onnx_bytes(&model(&nodes, &tensors), "wide", LIMIT).unwrap();
    let (shape, y) = run(&imported, &[2, 3, 8, 8], &[1.0; 384]);
    assert_eq!(shape, [2, 2]);
    close(&y, &[6.0; 4], "the sum of 300 means of 2");
    let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    let shape = Shape::from([2, 3, 8, 8]);
    let cpu = Cpu::new(1).unwrap();
    let mut training =
        striate_engine::Training::new(imported.network, TrainingSpec::new(sgd), &shape, 1, cpu).unwrap();
    assert!(training.step(&shape, &[0.5; 384], &[0, 1], 0.1, 0).unwrap().is_finite());
}

#[test]
fn quantized_weights_become_floats() {
    let quantized = raw("q", 3, &[2, 3], &[1, 2, 255, 4, 128, 0]);
    let nodes = [
        node("DequantizeLinear", &["q", "scale", "zero"], "w", &[int("axis", 0)]),
        node("Gemm", &["x", "w"], "y", &[int("transB", 1)]),
    ];
    let tensors = [quantized, floats("scale", &[2], &[0.5, 2.0]), raw("zero", 3, &[2], &[1, 0])];
    let imported =
        read(&file(&[-1, 3], &nodes, &tensors, &[value("y", &[-1, 2])]), &ReadOptions::default()).unwrap();
    // (1 − 1)·0.5, (2 − 1)·0.5, (−1 − 1)·0.5 and 4·2, −128·2, 0.
    close(&run(&imported, &[1, 3], &[1.0, 1.0, 1.0]).1, &[-0.5, -248.0], "int8");

    // Quantization of a float weight is applied: 300 levels are clipped to 127, 0.3 is rounded to 0.
    let nodes = [
        node("QuantizeLinear", &["w", "scale", "zero"], "q", &[]),
        node("DequantizeLinear", &["q", "scale", "zero"], "v", &[]),
        node("Mul", &["x", "v"], "y", &[]),
    ];
    let tensors =
        [floats("w", &[3], &[300.0, 0.3, 2.5]), floats("scale", &[], &[1.0]), raw("zero", 3, &[], &[0])];
    let imported =
        read(&file(&[-1, 3], &nodes, &tensors, &[value("y", &[-1, 3])]), &ReadOptions::default()).unwrap();
    close(&run(&imported, &[1, 3], &[1.0; 3]).1, &[127.0, 0.0, 2.0], "there and back");

    let on_data = [node("QuantizeLinear", &["x", "scale"], "y", &[])];
    let line = refusal(&file(&[-1, 3], &on_data, &[floats("scale", &[], &[1.0])], &[value("y", &[-1, 3])]));
    assert!(line.contains("only weights may be quantized"), "{line}");
}

#[test]
fn uint8_input_is_supported_if_cast_to_float() {
    let file = |nodes: &[Message]| {
        let graph = nodes.iter().fold(Message::new(), |graph, node| graph.message(1, node));
        let graph =
            graph.message(5, &floats("scale", &[], &[0.5])).message(5, &floats("mean", &[2], &[1.0, 2.0]));
        let graph = graph.message(11, &value_of(2, "x", &[-1, 1, 2])).message(12, &value("y", &[-1, 2, 1]));
        model_of(17, &graph).bytes
    };
    let turn = node("Transpose", &["x"], "t", &[ints_attribute("perm", &[0, 2, 1])]);
    let cast = node("Cast", &["t"], "f", &[int("to", 1)]);
    let scaled = node("Mul", &["f", "scale"], "y", &[]);
    let imported = read(&file(&[turn, cast, scaled]), &ReadOptions::default()).unwrap();
    let (shape, y) = run(&imported, &[1, 1, 2], &[255.0, 4.0]);
    assert_eq!(shape, [1, 2, 1]);
    close(&y, &[127.5, 2.0], "bytes");
    assert_eq!(imported.integers, Some(IntegerType::BYTES));
    let note = "its input x takes bytes (uint8), from 0 to 255, which Striate passes as floats";
    assert!(imported.notes.iter().any(|line| line == note), "{:?}", imported.notes);
    let line = refusal(&file(&[node("Div", &["x", "scale"], "y", &[])]));
    assert!(line.contains("computes with integers; only a cast to floats is supported"), "{line}");
}

#[test]
fn scores_are_used_among_several_outputs_unless_another_is_selected() {
    let nodes = [
        node("GlobalAveragePool", &["x"], "features", &[]),
        node("Flatten", &["features"], "rows", &[]),
        node("Gemm", &["rows", "w"], "scores", &[int("transB", 1)]),
        node("ArgMax", &["scores"], "label", &[]),
    ];
    let tensors = [floats("w", &[2, 3], &[1.0; 6])];
    let outputs = [value("label", &[-1]), value("features", &[-1, 3, 1, 1]), value("scores", &[-1, 2])];
    let bytes = file(&[-1, 3, 4, 4], &nodes, &tensors, &outputs);
    let imported = read(&bytes, &ReadOptions::default()).unwrap();
    assert_eq!(imported.network.classes().unwrap(), 2);
    let note = "of its 3 outputs (label, features, scores), scores is used; --output NAME selects another";
    assert!(imported.notes.iter().any(|line| line == note), "{:?}", imported.notes);
    let named = |name: &str| ReadOptions { output: Some(name.into()), ..ReadOptions::default() };
    assert_eq!(read(&bytes, &named("features")).unwrap().network.classes().unwrap(), 3);
    assert_eq!(read(&bytes, &named("rows")).unwrap().network.classes().unwrap(), 3, "a tensor within");
    for (name, expected) in [
        ("nobody", "has no tensor nobody; its outputs are label, features, scores"),
        (
            "label",
            "its output label contains class indices (ArgMax of scores); select the tensor with the scores: --output scores",
        ),
    ] {
        let line = read(&bytes, &named(name)).map(|_| ()).unwrap_err().to_string();
        assert_eq!(line, expected);
    }
}

#[test]
fn open_extents_can_be_set_and_fixed_ones_replaced() {
    let given = |input: &[usize]| ReadOptions { input: Some(input.to_vec()), ..ReadOptions::default() };
    let pooled = [node("GlobalAveragePool", &["x"], "y", &[])];
    let open = file(&[-1, 3, -1, -1], &pooled, &[], &[value("y", &[-1])]);
    let line = refusal(&open);
    assert!(
        line.contains("[N, 3, ?, ?], which is open or out of range; set it with --input C,H,W"),
        "{line}"
    );
    assert_eq!(read(&open, &given(&[3, 5, 7])).unwrap().network.input, Shape::from([3, 5, 7]));
    let fixed = file(&[1, 3, 8, 8], &pooled, &[], &[value("y", &[1])]);
    assert_eq!(read(&fixed, &given(&[3, 16, 4])).unwrap().network.input, Shape::from([3, 16, 4]));
    let rows = [node("Flatten", &["x"], "f", &[]), node("MatMul", &["f", "w"], "y", &[])];
    let fixed = file(&[1, 3, 2, 2], &rows, &[floats("w", &[12, 2], &[0.0; 24])], &[value("y", &[1])]);
    let line = read(&fixed, &given(&[3, 4, 4])).map(|_| ()).unwrap_err().to_string();
    assert!(line.contains("with --input [3, 4, 4] instead of [3, 2, 2]"), "{line}");
    let line = read(&fixed, &given(&[12])).map(|_| ()).unwrap_err().to_string();
    assert!(line.contains("has the shape [N, 3, 2, 2], but --input has 1 number"), "{line}");
}

#[test]
fn all_unknown_operators_are_named_at_once() {
    let nodes = [
        node("Relu", &["x"], "a", &[]),
        node("Zebra", &["a"], "b", &[]),
        node_called("", "Okapi", &["b"], "c", &[]).text(7, "zoo"),
        node("Zebra", &["c"], "y", &[]),
        node("Unicorn", &["x"], "unused", &[]),
    ];
    let line = refusal(&model(&nodes, &[]));
    assert_eq!(line, "uses operators that are not supported: Zebra (2), zoo.Okapi (1)");
}

#[test]
fn shared_weights_stay_shared() {
    let nodes = [
        node("Conv", &["x", "a.weight", "a.bias"], "c", &[ints_attribute("pads", &[1; 4])]),
        node("Relu", &["c"], "d", &[]),
        node("Conv", &["d", "a.weight", "a.bias"], "e", &[ints_attribute("strides", &[2, 2])]),
        node("GlobalAveragePool", &["e"], "g", &[]),
        node("Flatten", &["g"], "f", &[]),
        node("MatMul", &["f", "m"], "h", &[]),
        node("MatMul", &["h", "m"], "y", &[]),
    ];
    let kernel: Vec<f32> = (0..81).map(|i| (i % 7) as f32 / 20.0 - 0.1).collect();
    let matrix: Vec<f32> = (0..9).map(|i| i as f32 / 10.0).collect();
    let tensors = [
        floats("a.weight", &[3, 3, 3, 3], &kernel),
        floats("a.bias", &[3], &[0.1, 0.2, 0.3]),
        floats("m", &[3, 3], &matrix),
    ];
    let imported = read_onnx_bytes(&model(&nodes, &tensors), "shared", LIMIT).unwrap();
    assert_eq!(imported.weights.len(), 3, "{:?}", imported.weights.keys());
    assert_eq!(imported.notes.iter().filter(|note| note.contains("shares the weights of")).count(), 2);
    let graph = imported.network.graph(2).unwrap();
    assert_eq!(graph.variables(Role::Parameter).count(), 3);
    let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    assert_eq!(training_graph(&graph, &TrainingSpec::new(sgd)).unwrap().gradients.len(), 3);
    let x: Vec<f32> = (0..192).map(|i| (i % 11) as f32 / 11.0).collect();
    let y = run(&imported, &[1, 3, 8, 8], &x).1;
    let again = onnx_bytes(&imported.network, &imported.weights).unwrap();
    let again = read(&again, &ReadOptions::default()).unwrap();
    assert_eq!(again.weights, imported.weights);
    close(&run(&again, &[1, 3, 8, 8], &x).1, &y, "written and read");
}

#[test]
fn arithmetic_beyond_the_work_limit_is_refused() {
    let filled = |shape: &str, to: &str| node("ConstantOfShape", &[shape], to, &[]);
    let nodes = [
        filled("s", "c"),
        node("Mul", &["c", "row"], "w", &[]),
        node("Transpose", &["w"], "v", &[]),
        node("Add", &["x", "v"], "y", &[]),
    ];
    let tensors = [
        integers("s", &[8], &[1, 2, 4, 8, 16, 16, 32, 512]),
        floats("row", &[1, 2, 1, 1, 1, 1, 1, 1], &[1.0, 2.0]),
    ];
    let bytes = model(&nodes, &tensors);
    assert!(bytes.len() < 500, "{} bytes", bytes.len());
    let error = read_onnx_bytes(&bytes, "work", 1 << 29).map(|_| ()).unwrap_err();
    assert!(error.is_input() && error.to_string().contains("more arithmetic on constants"), "{error}");
}
