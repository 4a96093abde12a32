//! Small networks that together use every layer, with channel counts that do not fill blocks.

use striate_graph::ops::{
    Approximation, Clip, Elu, Gather, Gelu, HardSigmoid, HardSwish, LeakyRelu, Linear, LogSoftmax, MatMul,
    Max, Min, Pad, Power, ReduceMean, Reshape, Slice, Step, Transpose, Unary, UnaryFunction,
};
use striate_graph::{Builder, Graph, Kind, Network, Padding, Role, Tensor, concat, initial_values};

use striate_tensor::Shape;

use crate::Values;
use crate::formula::{unit, weights};

fn build(name: &str, input: impl Into<Shape>, body: impl for<'b> Fn(Tensor<'b>) -> Tensor<'b>) -> Network {
    let builder = Builder::new(name, input);
    body(builder.input()).finish().unwrap_or_else(|e| panic!("{e}"))
}

/// Returns the networks; the output of each is scores `[N, K]`.
pub fn all() -> Vec<Network> {
    vec![
        build("lenet-like", [1, 14, 14], |x| {
            let x = x.conv(3, 5).tanh().average_pool(2, 2).conv(5, 3).sigmoid();
            x.flatten().linear(7).tanh().linear(4)
        }),
        build("residual", [3, 9, 9], |x| {
            let x = x.conv(9, 3).pad(1).no_bias().batch_norm().relu();
            let y =
                x.conv(9, 3).pad(1).no_bias().batch_norm().relu().conv(9, 3).pad(1).no_bias().batch_norm();
            let x = (y + x).relu();
            let short = x.conv(20, 1).stride(2).no_bias().batch_norm();
            let x = (x.conv(20, 3).stride(2).pad(1).no_bias().batch_norm() + short).relu();
            x.global_average_pool().flatten().linear(5)
        }),
        // Large enough for Winograd convolution.
        build("vgg-like", [3, 12, 12], |x| {
            let x = x.conv(32, 3).pad(1).relu().conv(33, 3).pad(1).no_bias().batch_norm().relu();
            let x = (x.conv(33, 3).pad(1) + x).relu();
            x.max_pool(2, 2).conv(8, 3).relu().flatten().linear(4)
        }),
        build("inception", [2, 8, 10], |x| {
            let a = x.conv(5, 1).relu();
            let b = x.conv(3, 1).relu().conv(17, 3).pad(1).relu();
            let c = x.max_pool(3, 1).pad(1).conv(6, 1).relu6();
            let x = concat([a, b, c]);
            x.max_pool(3, 2).ceil().flatten().dropout(0.4).linear(6)
        }),
        // Branches that fill whole blocks of channels; one is itself joined, and one reads what it is joined to.
        build("branches", [3, 5, 4], |x| {
            let x = x.conv(16, 3).pad(1).relu();
            let y = x.conv(16, 1).no_bias().batch_norm().relu();
            let y = concat([y.conv(16, (1, 3)).pad((0, 1)).relu(), y.conv(32, (3, 1)).pad((1, 0))]);
            let x = concat([x.conv(16, 1).relu(), y, x.max_pool(3, 1).pad(1), x.conv(9, 5).pad(2).tanh()]);
            let x = x.conv(16, 1).no_bias().batch_norm().relu();
            let x = concat([x, x.conv(16, 3).pad(1).no_bias().batch_norm().relu()]);
            x.average_pool(2, 2).conv(8, 1).global_average_pool().flatten().linear(4)
        }),
        build("shapes", [16, 11, 7], |x| {
            let x = x.conv(16, (3, 2)).groups(2).dilation((1, 2)).pad((2, 1)).relu();
            let x = x.conv(24, 3).stride((2, 1)).pad(1).groups(4).tanh();
            x.average_pool((3, 2), 2).pad(1).ceil().flatten().linear(8).batch_norm().sigmoid().linear(3)
        }),
        build("efficientnet-like", [3, 12, 11], |x| {
            let x = x.conv(10, 3).stride(2).pad((0, 1)).no_bias().batch_norm().relu6();
            let y = x.conv(10, 5).groups(10).pad(2).no_bias().batch_norm().relu6();
            let x = y.conv(10, 1).no_bias().batch_norm() + x;
            let x = x.conv(20, 1).relu6().conv(20, 3).groups(20).stride(2).pad(1).sigmoid();
            x.global_average_pool().flatten().linear(4)
        }),
        build("locally-connected", [3, 8, 9], |x| {
            let x = x.conv(4, 3).relu().locally_connected(5, 3).stride((1, 2)).pad((1, 0)).tanh();
            x.locally_connected(3, 2).no_bias().flatten().linear(4)
        }),
        build("signals", [3, 23], |x| {
            let x = x.conv(10, 5).pad(2).no_bias().batch_norm().relu().max_pool(3, 2).pad(1);
            let y = x.conv(10, 3).groups(10).pad(1).relu6();
            let x = (x + y).lrn(3, 0.5, 0.75, 1.0).conv(18, 3).stride(2).dilation(2);
            x.average_pool(2, 1).tanh().global_average_pool().flatten().linear(4)
        }),
        build("volumes", [2, 5, 7, 6], |x| {
            let x = x.conv(6, 3).pad((1, 1, 0)).no_bias().batch_norm().relu().max_pool(2, (1, 2, 1));
            let y = x.conv(6, (3, 1, 2)).groups(2).pad(Padding { front: 2, right: 1, ..Padding::default() });
            let x = (y + x).relu();
            let z = x.conv(5, (2, 3, 3)).stride((2, 1, 1)).dilation((1, 1, 2)).pad((1, 1, 2)).tanh();
            let x = z.average_pool((2, 3, 2), (1, 2, 2)).pad((1, 1, 0)).ceil().exclude_padding();
            let x = concat([x.conv(3, 1).lrn(3, 0.5, 0.75, 1.0).scale(), x.sigmoid().pad_channels(1, 0)]);
            let x = x.conv(4, 1).connections(&[&[0, 4], &[1, 2, 8], &[3], &[5, 6, 7]]).dropout(0.2);
            concat([x.global_average_pool().flatten(), x.flatten()]).linear(4)
        }),
        build("dilated-pools", [3, 9, 11], |x| {
            let x = x.conv(5, 3).tanh().max_pool((3, 2), (1, 2)).dilation((2, 1)).pad(1).ceil();
            let asymmetric = Padding { top: 1, right: 1, ..Padding::default() };
            x.average_pool(2, 1).dilation((1, 2)).average_pool(2, 2).pad(asymmetric).flatten().linear(4)
        }),
        build("flat", [1, 3, 4], |x| {
            x.flatten().linear(9).relu().dropout(0.3).linear(6).softmax().linear(4).no_bias()
        }),
        build("arithmetic", [3, 5, 4], |x| {
            let builder = x.builder();
            let scale = builder.constant([3, 1, 1], true).named("scale");
            let x =
                (x.conv(3, 1) * scale - builder.constant([5, 1], true)).tanh() + builder.constant([1], true);
            let gate = x.sigmoid();
            let x = x / (gate + builder.constant([1, 3, 1, 4], false).named("offset.var"));
            let x = builder.constant([5, 4], true) * x.then(Clip { min: -0.7, max: 0.9 });
            x.flatten().linear(5).then(LogSoftmax {})
        }),
        build("order", [4, 5, 6], |x| {
            let x = x.conv(4, 1).then(Transpose { permutation: vec![0, 2, 3, 1] });
            let x = x.then(Slice { axis: 1, start: 4, length: 2, step: -3 });
            let x = x.then(Pad { before: vec![0, 1, 0, 0], after: vec![0, 0, 2, 0], value: 0.5 });
            let x = x.then(Reshape { shape: vec![0, 3, 2, -1, 4] }).tanh();
            let x = x.then(Transpose { permutation: vec![0, 3, 1, 4, 2] });
            let mean = x.then(ReduceMean { axes: vec![1, 3] });
            (x - mean).flatten().linear(4)
        }),
        build("products", [3, 4, 6], |x| {
            let builder = x.builder();
            let x = x.then_with(MatMul::default(), builder.constant([6, 5], true));
            let transposed = x.then(Transpose { permutation: vec![0, 1, 3, 2] });
            let x = x.then_with(MatMul::default(), transposed).tanh();
            let x = builder.constant([1, 2, 4], true).then_with(MatMul::default(), x);
            x.flatten().linear(3)
        }),
        build("perceptron-like", [2, 5, 4], |x| {
            let association = Linear { bias: false, random_connections: Some(7), ..Linear::new(24) };
            x.flatten().then(association).then(Step { threshold: 0.1 }).linear(9).tanh().linear(5)
        }),
        build("functions", [3, 9, 8], |x| {
            let unary = |function| Unary { function };
            let x = x
                .conv(10, 3)
                .then(HardSwish {})
                .conv(10, 3)
                .pad(1)
                .groups(10)
                .then(LeakyRelu { negative_slope: 0.2 });
            let gate = x.global_average_pool().conv(10, 1).then(HardSigmoid { slope: 0.3, offset: 0.4 });
            let x = (x * gate).conv(6, 1).then(Elu { alpha: 1.5, scale: 1.1, rate: 0.8 });
            let x = x.conv(5, 1).then(Gelu { approximate: Approximation::None }).conv(5, 1);
            let x = x.then(Gelu { approximate: Approximation::Tanh }).conv(4, 1);
            let y = x.multiply_by(0.4).then(unary(UnaryFunction::Exp)).then(unary(UnaryFunction::Sqrt));
            let z = x.then(unary(UnaryFunction::Erf)).then(unary(UnaryFunction::Abs));
            let x = (y + z).then(Power { exponent: 1.3 }).then(unary(UnaryFunction::Log));
            x.flatten().linear(4)
        }),
        build("choices", [6, 7, 5], |x| {
            let builder = x.builder();
            let x = x.conv(6, 3).pad(1).then(Gather { axis: 1, indices: vec![3, 0, 0, 5, 1] });
            let x = x.then(Gather { axis: 3, indices: vec![1, 0, 1, 2, 4, 3] }).tanh();
            let x = x.then_with(Max {}, builder.constant([5, 1, 1], true).named("floor"));
            let x = x.then_with(Min {}, builder.constant([7, 6], true).named("ceiling"));
            let y = x.conv(5, 1).then_with(Max {}, x.conv(5, 1));
            y.flatten().linear(4)
        }),
        shared(),
        shared_batch_norm(),
        build("pools-first", [3, 9, 8], |x| {
            let x = x.average_pool(2, 1).batch_norm().max_pool(2, 2);
            let y = x.conv(3, 1).multiply_by(0.3);
            (x + y).tanh().flatten().linear(3).softmax()
        }),
        build("lenet5-1998-like", [1, 12, 12], |x| {
            let x = x.conv(3, 3).scaled_tanh().average_pool(2, 2).scale().scaled_tanh();
            let x = x.conv(5, 3).connections(&[&[0], &[0, 2], &[1], &[0, 1, 2], &[1, 2]]);
            let x = x.average_pool(2, 1).scale().no_bias().scaled_tanh();
            x.flatten().linear(6).scaled_tanh().scale().rbf(4)
        }),
        build("alexnet-2012-like", [3, 11, 10], |x| {
            let x = x.conv(20, 3).relu().lrn(5, 0.5, 0.75, 2.0).max_pool(3, 2);
            let x = x.conv(36, 3).pad(1).relu().lrn(3, 1.5, 0.5, 1.0);
            let short = x.max_pool(1, 2).pad_channels(3, 9);
            let x = x.conv(48, 3).stride(2).pad(1).batch_norm() + short;
            x.relu().lrn(7, 0.25, 0.6, 1.5).global_average_pool().flatten().pad_channels(1, 2).linear(5)
        }),
        build("auxiliary-heads", [2, 7, 8], |x| {
            let x = x.conv(5, 3).no_bias().batch_norm().relu();
            x.average_pool(3, 2).conv(4, 1).relu().flatten().linear(3).softmax().auxiliary(0.3);
            let x = x.max_pool(3, 2).ceil().conv(6, 2).relu();
            x.global_average_pool().flatten().linear(3).auxiliary(0.5);
            x.flatten().dropout(0.2).linear(3)
        }),
    ]
}

/// A convolution and a linear layer whose variables are used twice.
fn shared() -> Network {
    let text = r#"
        name = "shared"
        input = [4, 6, 5]
        layers = [
            { name = "a", op = "conv", out_channels = 4, kernel_size = 3, padding = 1 },
            { op = "tanh" },
            { name = "b", op = "conv", out_channels = 4, kernel_size = 3, padding = 1, stride = 2, shares = "a" },
            { op = "relu" },
            { op = "flatten" },
            { name = "c", op = "linear", out_features = 36 },
            { op = "sigmoid" },
            { name = "d", op = "linear", out_features = 36, shares = "c" },
            { op = "tanh" },
            { op = "linear", out_features = 3 },
        ]"#;
    Network::from_text(text).unwrap_or_else(|e| panic!("{e}"))
}

/// A batch norm whose variables, including the running statistics, are used twice.
fn shared_batch_norm() -> Network {
    let text = r#"
        name = "shared-batch-norm"
        input = [3, 6, 7]
        layers = [
            { op = "conv", out_channels = 5, kernel_size = 3, padding = 1, bias = false },
            { name = "norm", op = "batch_norm" },
            { op = "relu" },
            { op = "conv", out_channels = 5, kernel_size = 3, padding = 1, bias = false },
            { name = "again", op = "batch_norm", shares = "norm" },
            { op = "relu" },
            { op = "flatten" },
            { op = "linear", out_features = 4 },
        ]"#;
    Network::from_text(text).unwrap_or_else(|e| panic!("{e}"))
}

/// The graph of the network for `batch` images with its auxiliary heads, from which training graphs are derived.
pub fn training_form(network: &Network, batch: usize) -> Graph {
    network.graph_with_heads(&network.input_shape(batch)).unwrap_or_else(|e| panic!("{e}"))
}

/// Values for the network's parameters and buffers, by formula. They vary within each variable and differ from the
/// initial values.
pub fn variables(network: &Network) -> Values {
    let graph = training_form(network, 1);
    let mut values = Values::new();
    for (index, value) in graph.values.iter().enumerate() {
        let Kind::Variable { role, ref fan, init } = value.kind else { continue };
        let count = value.shape.numel();
        let varied = weights(index as u32, count, 1.0);
        let start = match role {
            Role::Buffer if value.name.ends_with("var") => varied.iter().map(|x| 1.0 + x / 2.0).collect(),
            Role::Parameter if value.shape.len() > 1 => {
                let bound = (2.0 / fan.unit.0 as f64).sqrt();
                varied.iter().map(|x| x * bound).collect()
            }
            _ => {
                let initial = initial_values(init, &value.name, &value.shape, fan, 0);
                initial.iter().zip(&varied).map(|(initial, x)| f64::from(*initial) + x / 3.0).collect()
            }
        };
        // The engine gets values rounded to f32, so the reference starts from the same ones.
        let rounded = |x: f64| f64::from(x as f32);
        values.insert(value.name.clone(), Vec::into_iter(start).map(rounded).collect());
    }
    values
}

/// Images `[N, C, H, W]` for the network, by formula, in [−1, 1).
pub fn images(network: &Network, batch: usize) -> Vec<f64> {
    let count = batch * network.input.iter().product::<usize>();
    (0..count).map(|i| 2.0 * unit(1000, i as u32) - 1.0).collect()
}

/// Labels for `batch` images.
pub fn labels(batch: usize, classes: usize) -> Vec<i64> {
    (0..batch).map(|i| ((7 * i + 3) % classes) as i64).collect()
}
