//! Imported ONNX graphs train: gradients equal the native network's in f64, steps reduce the loss, and
//! constants that are not parameters keep their values.

use std::collections::BTreeMap;

use striate_engine::{Cpu, Training};
use striate_formats::{Imported, Weights, onnx_bytes, read_onnx_bytes};
use striate_graph::{Builder, Graph, Network, Optimizer, Role, TrainingSpec, concat, training_graph};
use striate_testkit::onnx::{floats, int, integers, ints, model_of, node_called, tensor, value};
use striate_testkit::protobuf::Message;
use striate_testkit::{Interpreter, Values, networks};

const BATCH: usize = 6;

fn spec() -> TrainingSpec {
    TrainingSpec::new(Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 })
}

/// The training graph of `network`.
fn in_training(network: &Network) -> Graph {
    training_graph(&network.graph(BATCH).unwrap(), &spec()).unwrap()
}

/// Loss and gradients, by the parameters' names, in f64.
fn gradients(network: &Network, weights: &Weights) -> (f64, BTreeMap<String, Vec<f64>>) {
    let wide = |values: &[f32]| values.iter().map(|x| f64::from(*x)).collect();
    let mut given: Values = weights.iter().map(|(name, (_, values))| (name.clone(), wide(values))).collect();
    let labels = networks::labels(BATCH, network.classes().unwrap());
    given.insert("labels".into(), labels.iter().map(|label| *label as f64).collect());
    given.insert("input".into(), networks::images(network, BATCH));
    let graph = in_training(network);
    let run = Interpreter::run(&graph, &given);
    let one = |(parameter, gradient): &(_, _)| {
        let gradient = run.get(&graph.value(*gradient).name).to_vec();
        (graph.value(*parameter).name.clone(), gradient)
    };
    (run.output(0)[0], graph.gradients.iter().map(one).collect())
}

/// The losses of 60 steps on one batch, and the resulting weights.
fn trained(network: &Network, weights: &Weights) -> (Vec<f32>, Weights) {
    let shape = network.input_shape(BATCH);
    let images: Vec<f32> = networks::images(network, BATCH).iter().map(|x| *x as f32).collect();
    let labels = networks::labels(BATCH, network.classes().unwrap());
    let mut training = Training::new(network.clone(), spec(), &shape, 0, Cpu::new(1).unwrap()).unwrap();
    training.set_variables(weights).unwrap();
    let steps = 0..60;
    let losses = steps.map(|step| training.step(&shape, &images, &labels, 0.05, step).unwrap()).collect();
    (losses, training.variables(&[Role::Parameter, Role::Buffer]).unwrap())
}

fn weights_of(network: &Network) -> Weights {
    let values = networks::variables(network);
    let floats = |name: &String| values[name].iter().map(|x| *x as f32).collect();
    network
        .variables()
        .unwrap()
        .into_iter()
        .map(|(name, shape)| (name.clone(), (shape, floats(&name))))
        .collect()
}

/// Names of the variables of a role, sorted.
fn variables(network: &Network, role: Role) -> Vec<String> {
    let graph = network.graph(1).unwrap();
    let mut names: Vec<String> = graph.variables(role).map(|(_, value)| value.name.clone()).collect();
    names.sort();
    names
}

/// Compares the imported network with the native one, in f64 within `tolerance`; `native` gives the native name of a
/// parameter.
fn assert_same_training(
    own: (&Network, &Weights),
    imported: &Imported,
    tolerance: f64,
    native: impl Fn(&str) -> String,
) {
    let (expected_loss, expected) = gradients(own.0, own.1);
    let (loss, got) = gradients(&imported.network, &imported.weights);
    assert!((loss - expected_loss).abs() <= tolerance * expected_loss, "{loss} instead of {expected_loss}");
    assert_eq!(got.len(), expected.len(), "{:?} and {:?}", got.keys(), expected.keys());
    for (name, gradient) in &got {
        let expected = &expected[&native(name)];
        let largest = expected.iter().fold(0f64, |most, x| most.max(x.abs()));
        assert!(
            largest > 1e-6 || name.ends_with("bias"),
            "{name}: its gradient is all but zero, which shows nothing"
        );
        let worst = gradient.iter().zip(expected).fold(0f64, |most, (a, b)| most.max((a - b).abs()));
        assert!(
            gradient.len() == expected.len() && worst <= tolerance * largest.max(1e-3),
            "{name}: {worst:e}"
        );
    }
    let (expected, _) = trained(own.0, own.1);
    let (losses, after) = trained(&imported.network, &imported.weights);
    assert!(losses[59] < 0.6 * losses[0], "{losses:?}");
    for (step, (got, expected)) in losses.iter().zip(&expected).enumerate().take(10) {
        assert!(
            (got - expected).abs() <= 1e-3 * expected.max(1e-2),
            "step {step}: {got} instead of {expected}"
        );
    }
    for (name, (_, values)) in &after {
        let changed = *values != imported.weights[name].1;
        assert_eq!(changed, got.contains_key(name) || name.contains("running_"), "{name}");
    }
}

#[test]
fn exported_network_trains_like_the_original() {
    let net = Builder::new("exported", [2, 10, 10]);
    let x = net.input().conv(4, 3).pad(1).no_bias().named("first").batch_norm().named("norm").relu();
    let y = x.conv(4, 3).pad(1).groups(2).named("grouped").scaled_tanh();
    let x = (x + y).average_pool(2, 2).scale().named("subsampling").scaled_tanh();
    let z = x.conv(3, 1).named("side");
    let x = concat([x, z]).max_pool(3, 2).ceil();
    let network =
        x.flatten().linear(9).named("hidden").tanh().linear(5).named("last").softmax().finish().unwrap();
    let weights = weights_of(&network);
    let bytes = onnx_bytes(&network, &weights).unwrap();
    let imported = read_onnx_bytes(&bytes, "exported", 1 << 20).unwrap();
    assert_eq!(imported.weights, weights);
    for role in [Role::Parameter, Role::Buffer] {
        assert_eq!(variables(&imported.network, role), variables(&network, role));
    }
    assert_eq!(imported.network.layers.last().unwrap().op.name(), "softmax");
    let ops: Vec<&str> = in_training(&imported.network).nodes.iter().map(|node| node.op.name()).collect();
    assert!(ops.contains(&"cross_entropy") && !ops.contains(&"softmax"), "the softmax gives way to the loss");
    // The factors of the scaled tanh are f32 in the file, but exact in f64.
    assert_same_training((&network, &weights), &imported, 1e-6, str::to_owned);
}

/// The output of PyTorch's TorchScript exporter for a module in evaluation mode: batch norm folded into the
/// convolution, whose weight is named by a number; `x * gain + shift + 0.5` with parameters of the module and a
/// literal; `view(x.size(0), -1)` as arithmetic on shapes; a final softmax.
fn as_pytorch_writes_it(weights: &Weights) -> Vec<u8> {
    let nodes = [
        node_called(
            "/conv/Conv",
            "Conv",
            &["input", "onnx::Conv_30", "onnx::Conv_31"],
            "/conv/Conv_output_0",
            &[
                ints("dilations", &[1, 1]),
                int("group", 1),
                ints("kernel_shape", &[3, 3]),
                ints("pads", &[1, 1, 1, 1]),
                ints("strides", &[1, 1]),
            ],
        ),
        node_called("/relu/Relu", "Relu", &["/conv/Conv_output_0"], "/relu/Relu_output_0", &[]),
        node_called(
            "/pool/MaxPool",
            "MaxPool",
            &["/relu/Relu_output_0"],
            "/pool/MaxPool_output_0",
            &[
                int("ceil_mode", 0),
                ints("kernel_shape", &[2, 2]),
                ints("pads", &[0, 0, 0, 0]),
                ints("strides", &[2, 2]),
            ],
        ),
        node_called("/Mul", "Mul", &["/pool/MaxPool_output_0", "gain"], "/Mul_output_0", &[]),
        node_called("/Add", "Add", &["/Mul_output_0", "shift"], "/Add_output_0", &[]),
        node_called(
            "/Constant",
            "Constant",
            &[],
            "/Constant_output_0",
            &[tensor("value", &floats("", &[], &[0.5]))],
        ),
        node_called("/Add_1", "Add", &["/Add_output_0", "/Constant_output_0"], "/Add_1_output_0", &[]),
        node_called("/Shape", "Shape", &["/Add_1_output_0"], "/Shape_output_0", &[]),
        node_called(
            "/Constant_1",
            "Constant",
            &[],
            "/Constant_1_output_0",
            &[tensor("value", &integers("", &[], &[0]))],
        ),
        node_called(
            "/Gather",
            "Gather",
            &["/Shape_output_0", "/Constant_1_output_0"],
            "/Gather_output_0",
            &[int("axis", 0)],
        ),
        node_called(
            "/Unsqueeze",
            "Unsqueeze",
            &["/Gather_output_0", "onnx::Unsqueeze_17"],
            "/Unsqueeze_output_0",
            &[],
        ),
        node_called(
            "/Constant_2",
            "Constant",
            &[],
            "/Constant_2_output_0",
            &[tensor("value", &integers("", &[1], &[-1]))],
        ),
        node_called(
            "/Concat",
            "Concat",
            &["/Unsqueeze_output_0", "/Constant_2_output_0"],
            "/Concat_output_0",
            &[int("axis", 0)],
        ),
        node_called(
            "/Reshape",
            "Reshape",
            &["/Add_1_output_0", "/Concat_output_0"],
            "/Reshape_output_0",
            &[int("allowzero", 0)],
        ),
        node_called(
            "/fc/Gemm",
            "Gemm",
            &["/Reshape_output_0", "fc.weight", "fc.bias"],
            "/fc/Gemm_output_0",
            &[int("transB", 1)],
        ),
        node_called("/Softmax", "Softmax", &["/fc/Gemm_output_0"], "output", &[int("axis", 1)]),
    ];
    let graph = nodes.iter().fold(Message::new(), |graph, node| graph.message(1, node)).text(2, "main_graph");
    let held = [
        ("onnx::Conv_30", "conv.weight", &[4, 1, 3, 3][..]),
        ("onnx::Conv_31", "conv.bias", &[4]),
        ("gain", "gain.value", &[4, 1, 1]),
        ("shift", "shift.value", &[4, 1, 1]),
        ("fc.weight", "fc.weight", &[5, 64]),
        ("fc.bias", "fc.bias", &[5]),
    ];
    let initializers = held.map(|(name, own, dims)| floats(name, dims, &weights[own].1));
    let graph = initializers.iter().fold(graph, |graph, tensor| graph.message(5, tensor));
    let graph = graph.message(5, &integers("onnx::Unsqueeze_17", &[1], &[0]));
    let graph = graph.message(11, &value("input", &[-1, 1, 8, 8])).message(12, &value("output", &[-1, 5]));
    model_of(17, &graph).text(2, "pytorch").bytes
}

#[test]
fn graph_exported_by_pytorch_trains() {
    let net = Builder::new("native", [1, 8, 8]);
    let x = net.input().conv(4, 3).pad(1).named("conv").relu().max_pool(2, 2);
    let x = x * net.constant([4, 1, 1], false).named("gain") + net.constant([4, 1, 1], true).named("shift");
    let x = x + net.constant([1], false).named("half");
    let network = x.flatten().linear(5).named("fc").softmax().finish().unwrap();
    let mut weights = weights_of(&network);
    weights.get_mut("half.value").unwrap().1 = vec![0.5];

    let imported = read_onnx_bytes(&as_pytorch_writes_it(&weights), "written", 1 << 20).unwrap();
    let parameters = ["/conv/Conv.bias", "/conv/Conv.weight", "fc.bias", "fc.weight", "shift.value"];
    assert_eq!(variables(&imported.network, Role::Parameter), parameters);
    assert_eq!(variables(&imported.network, Role::Buffer), ["/Constant_output_0.value", "gain.value"]);
    assert_same_training((&network, &weights), &imported, 1e-12, |name| name.replace("/conv/Conv", "conv"));
}
