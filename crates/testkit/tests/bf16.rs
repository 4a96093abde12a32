//! Inference with convolutions in `bf16`: the results of the interpreter, which rounds where the graph says so.

use striate_engine::passes::run_neutral;
use striate_engine::{Cpu, Device, Inference, Isa, Precision, Training, Variables};
use striate_graph::{Builder, Graph, Network, Optimizer, TrainingSpec};
use striate_tensor::DType;
use striate_testkit::{Interpreter, Values, networks};

const BATCH: usize = 3;

/// Chains of convolutions, a residual, a pool between convolutions, groups, strides, smooth activations, and channels
/// that do not fill a block.
fn network() -> Network {
    let net = Builder::new("mixed", [3, 19, 17]);
    let x = net.input().conv(24, 3).pad(1).no_bias().batch_norm().relu();
    let x = x.conv(40, 3).pad(1).relu().conv(40, 1).relu().max_pool(2, 2);
    let side = x.conv(40, 3).pad(1).tanh().conv(40, 3).pad(1);
    let x = (x + side).relu().conv(64, 3).stride(2).pad(1).relu();
    let x = x.conv(64, 3).pad(1).groups(4).relu().conv(9, 1);
    x.global_average_pool().flatten().linear(4).finish().unwrap()
}

fn given(network: &Network) -> Values {
    let mut given = networks::variables(network);
    let images = networks::images(network, BATCH);
    given.insert("input".into(), images.iter().map(|x| f64::from(*x as f32)).collect());
    given
}

fn weights(network: &Network, values: &Values) -> Variables {
    let variables = network.variables().unwrap().into_iter();
    let floats = |name: &str| values[name].iter().map(|x| *x as f32).collect();
    variables.map(|(name, shape)| (name.clone(), (shape, floats(&name)))).collect()
}

fn cpu(threads: usize, isa: Isa) -> Cpu {
    Cpu::with_isa(threads, isa).with_precision(Precision::Bf16)
}

/// The graph whose convolutions are in `bf16`.
fn cast_graph(network: &Network) -> Graph {
    let mut graph = network.graph(BATCH).unwrap();
    run_neutral(&mut graph, cpu(1, Isa::Scalar).disabled());
    let [graph, _] = cpu(1, Isa::Scalar).stages(graph).unwrap();
    graph
}

/// The largest difference, relative to the largest expected value.
fn error(got: &[f32], expected: &[f64]) -> f64 {
    let largest = expected.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let differences = got.iter().zip(expected).map(|(got, expected)| (f64::from(*got) - expected).abs());
    differences.fold(0.0f64, f64::max) / largest
}

#[test]
fn convolutions_in_bf16_give_the_results_of_the_interpreter() {
    let network = network();
    let given = given(&network);
    let exact = Interpreter::run(&network.graph(BATCH).unwrap(), &given).output(0).to_vec();
    let rounded = Interpreter::run(&cast_graph(&network), &given).output(0).to_vec();
    let (shape, input) = (network.input_shape(BATCH), networks::images(&network, BATCH));
    let input: Vec<f32> = input.iter().map(|x| *x as f32).collect();
    let weights = weights(&network, &given);
    for isa in Isa::available() {
        let run = |threads: usize| {
            let inference = Inference::new(network.clone(), &weights, cpu(threads, isa)).unwrap();
            inference.run(&shape, &input).unwrap().1
        };
        let scores = run(1);
        assert_eq!(scores, run(2), "{isa}: bits of 2 threads");
        // A sum that lies between two numbers of bf16 may be rounded to either.
        let (from_rounded, from_exact) = (error(&scores, &rounded), error(&scores, &exact));
        assert!(from_rounded < 4e-3, "{isa}: scores differ by {from_rounded}");
        assert!((1e-5..2e-2).contains(&from_exact), "{isa}: scores differ by {from_exact} from exact ones");
    }
}

#[test]
fn convolutions_with_enough_channels_are_cast_and_write_bf16_to_each_other() {
    let graph = cast_graph(&network());
    let convolutions: Vec<[DType; 2]> = (graph.nodes.iter())
        .filter(|node| node.op.name() == "conv")
        .map(|node| [node.inputs[0], node.outputs[0]].map(|id| graph.value(id).dtype))
        .collect();
    let (f32, bf16) = (DType::F32, DType::BF16);
    let first = [f32, f32];
    // Others than convolutions read the result, or the activation is smooth.
    let [before_pool, smooth, last] = [[bf16, f32]; 3];
    let others = [bf16, bf16];
    assert_eq!(convolutions, [first, others, before_pool, smooth, others, others, others, last]);
    for isa in Isa::available() {
        let mut graph = network().graph(BATCH).unwrap();
        run_neutral(&mut graph, cpu(1, isa).disabled());
        let plan = cpu(1, isa).plan(graph).unwrap();
        let count = |name: &str| plan.steps.iter().filter(|step| step.algorithm == name).count();
        assert_eq!((count("conv_direct_bf16"), count("conv_direct_bf16_f32")), (4, 3), "{isa}");
    }
}

#[test]
fn training_in_bf16_is_refused() {
    let network = network();
    let spec = TrainingSpec::new(Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 });
    let shape = network.input_shape(BATCH);
    let refused = Training::new(network, spec, &shape, 1, cpu(1, Isa::Scalar)).err().unwrap();
    assert!(refused.to_string().contains("bf16 is only for inference"), "{refused}");
}
