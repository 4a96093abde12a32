//! The naive kernels in f64 against PyTorch's operators: outputs and gradients. The expected values come from
//! `scripts/reference/operators_pytorch.py`, which describes the file.

mod windows;

use std::collections::BTreeMap;

use serde_json::Value;
use striate_graph::ops::ScatterKernels;
use striate_kernels::activation::Activation;
use striate_kernels::batch_norm::BatchNormDesc;
use striate_kernels::batch_norm::reference as batch_norm;
use striate_kernels::channel_sum::reference as channel_sum;
use striate_kernels::class_loss::reference as class_loss;
use striate_kernels::class_loss::{ClassLossDesc, Criterion};
use striate_kernels::concat::reference as concat;
use striate_kernels::conv::ConvDesc;
use striate_kernels::conv::reference as conv;
use striate_kernels::cross_entropy::CrossEntropyDesc;
use striate_kernels::cross_entropy::reference as cross_entropy;
use striate_kernels::elementwise::Elementwise;
use striate_kernels::elementwise::reference as elementwise;
use striate_kernels::linear::LinearDesc;
use striate_kernels::linear::reference as linear;
use striate_kernels::locally_connected::reference as local;
use striate_kernels::lrn::LrnDesc;
use striate_kernels::lrn::reference as lrn;
use striate_kernels::pad_channels::PadChannelsDesc;
use striate_kernels::pad_channels::reference as pad_channels;
use striate_kernels::pooling::reference as pooling;
use striate_kernels::pooling::{PoolDesc, PoolKind};
use striate_kernels::rbf::RbfDesc;
use striate_kernels::rbf::reference as rbf;
use striate_kernels::scale::reference as scale;
use striate_kernels::scatter::ScatterDesc;
use striate_kernels::softmax::reference as softmax;
use striate_tensor::Shape;
use striate_testkit::formula;

/// The largest difference, relative to the largest element of a result or to 1. Both sides compute in f64 and differ
/// only in the order of summation.
const TOLERANCE: f64 = 1e-12;

/// A case of the file, and the results that have been checked.
struct Case<'a> {
    json: &'a Value,
    checked: Vec<String>,
}

impl Case<'_> {
    fn place(&self) -> String {
        format!("{} {}", self.json["op"], self.json["name"])
    }

    fn has(&self, input: &str) -> bool {
        self.json["inputs"].get(input).is_some()
    }

    fn input(&self, name: &str) -> Vec<f64> {
        let input = &self.json["inputs"][name];
        let count = extents(&input["shape"]).iter().product();
        let number = |key: &str| input[key].as_f64().unwrap();
        formula::uniform(input["tensor"].as_u64().unwrap() as u32, count, number("low"), number("high"))
    }

    fn shape<const N: usize>(&self, input: &str) -> [usize; N] {
        extents(&self.json["inputs"][input]["shape"]).try_into().unwrap()
    }

    fn output_shape<const N: usize>(&self) -> [usize; N] {
        extents(&self.json["outputs"]["y"]["shape"]).try_into().unwrap()
    }

    fn attribute(&self, name: &str) -> &Value {
        self.json["attributes"].get(name).unwrap_or_else(|| panic!("{}: {name}", self.place()))
    }

    fn pair(&self, name: &str) -> [usize; 2] {
        extents(self.attribute(name)).try_into().unwrap()
    }

    /// A number that is exact in f32.
    fn single(&self, name: &str) -> f32 {
        let wide = self.attribute(name).as_f64().unwrap();
        assert_eq!(f64::from(wide as f32), wide, "{}: {name}", self.place());
        wide as f32
    }

    fn output(&mut self, name: &str, got: &[f64]) {
        self.check(name.to_owned(), got, &self.json["outputs"][name]["values"]);
    }

    fn gradient(&mut self, name: &str, got: &[f64]) {
        self.check(format!("gradient.{name}"), got, &self.json["gradients"][name]);
    }

    fn check(&mut self, name: String, got: &[f64], expected: &Value) {
        let place = format!("{}, {name}", self.place());
        let expected: Vec<f64> = expected.as_array().expect(&place).iter().map(number).collect();
        assert_eq!(got.len(), expected.len(), "{place}");
        let largest = expected.iter().fold(1.0f64, |most, x| most.max(x.abs()));
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let error = (got - expected).abs();
            assert!(error <= TOLERANCE * largest, "{place}[{i}]: got {got}, expected {expected}");
        }
        self.checked.push(name);
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn extents(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|extent| extent.as_u64().unwrap() as usize).collect()
}

fn conv2d(case: &mut Case) {
    let ([batch, in_channels, ih, iw], [out_channels, _, kh, kw]) = (case.shape("x"), case.shape("w"));
    let [_, _, oh, ow] = case.output_shape();
    let d = ConvDesc {
        batch,
        in_channels,
        out_channels,
        groups: case.attribute("groups").as_u64().unwrap() as usize,
        input: [ih, iw],
        output: [oh, ow],
        kernel: [kh, kw],
        stride: case.pair("stride"),
        dilation: case.pair("dilation"),
        padding: case.pair("padding"),
        bias: case.has("b"),
        residual: false,
        activation: Activation::None,
    };
    let (x, w, dy) = (case.input("x"), case.input("w"), case.input("dy"));
    let bias = d.bias.then(|| case.input("b"));
    let mut y = vec![f64::NAN; dy.len()];
    conv::forward(&d, &x, &w, bias.as_deref(), None, &mut y);
    case.output("y", &y);
    let (mut dx, mut dw) = (vec![f64::NAN; x.len()], vec![f64::NAN; w.len()]);
    conv::data_gradient(&d, &dy, &w, None, &mut dx);
    case.gradient("x", &dx);
    conv::weight_gradient(&d, &x, &dy, &mut dw);
    case.gradient("w", &dw);
    bias_gradient(case, [batch, out_channels, oh, ow], &dy);
}

/// Checks the gradient of the bias, if the case has one: the sum of each channel of dy.
fn bias_gradient(case: &mut Case, shape: [usize; 4], dy: &[f64]) {
    if case.has("b") {
        let mut db = vec![f64::NAN; shape[1]];
        channel_sum::channel_sum(shape, dy, None, &mut db);
        case.gradient("b", &db);
    }
}

fn fully_connected(case: &mut Case) {
    let ([batch, in_features], [out_features, _]) = (case.shape("x"), case.shape("w"));
    let d =
        LinearDesc { batch, in_features, out_features, bias: case.has("b"), activation: Activation::None };
    let (x, w, dy) = (case.input("x"), case.input("w"), case.input("dy"));
    let bias = d.bias.then(|| case.input("b"));
    let mut y = vec![f64::NAN; dy.len()];
    linear::forward(&d, &x, &w, bias.as_deref(), &mut y);
    case.output("y", &y);
    let (mut dx, mut dw) = (vec![f64::NAN; x.len()], vec![f64::NAN; w.len()]);
    linear::data_gradient(&d, &dy, &w, &mut dx);
    case.gradient("x", &dx);
    linear::weight_gradient(&d, &x, &dy, &mut dw);
    case.gradient("w", &dw);
    bias_gradient(case, [batch, out_features, 1, 1], &dy);
}

fn pool(case: &mut Case, kind: PoolKind) {
    let ([batch, channels, ih, iw], [_, _, oh, ow]) = (case.shape("x"), case.output_shape());
    let d = PoolDesc {
        kind,
        batch,
        channels,
        input: [ih, iw],
        output: [oh, ow],
        kernel: case.pair("kernel_size"),
        stride: case.pair("stride"),
        padding: case.pair("padding"),
        activation: Activation::None,
    };
    let (x, dy) = (case.input("x"), case.input("dy"));
    let (mut y, mut dx) = (vec![f64::NAN; dy.len()], vec![f64::NAN; x.len()]);
    pooling::forward(&d, &x, &mut y);
    case.output("y", &y);
    match kind {
        PoolKind::Max => pooling::max_gradient(&d, &x, &dy, &mut dx),
        PoolKind::Average { .. } => pooling::average_gradient(&d, &dy, None, &mut dx),
    }
    case.gradient("x", &dx);
}

fn activation(case: &mut Case, activation: Activation) {
    let (x, dy) = (case.input("x"), case.input("dy"));
    let (mut y, mut dx) = (vec![f64::NAN; x.len()], vec![f64::NAN; x.len()]);
    elementwise::elementwise(Elementwise::Apply(activation), &x, None, &mut y);
    case.output("y", &y);
    elementwise::elementwise(Elementwise::Gradient(activation), &y, Some(&dy), &mut dx);
    case.gradient("x", &dx);
}

fn scale(case: &mut Case) {
    let shape = case.shape("x");
    let (x, w, dy) = (case.input("x"), case.input("w"), case.input("dy"));
    let bias = case.has("b").then(|| case.input("b"));
    let mut y = vec![f64::NAN; x.len()];
    scale::scale(shape, &x, &w, bias.as_deref(), &mut y);
    case.output("y", &y);
    let (mut dx, mut dw) = (vec![f64::NAN; x.len()], vec![f64::NAN; w.len()]);
    scale::scale(shape, &dy, &w, None, &mut dx);
    case.gradient("x", &dx);
    channel_sum::channel_sum(shape, &x, Some(&dy), &mut dw);
    case.gradient("w", &dw);
    bias_gradient(case, shape, &dy);
}

fn local_response_norm(case: &mut Case) {
    let size = case.attribute("size").as_u64().unwrap() as usize;
    let [alpha, beta, k] = ["alpha", "beta", "k"].map(|name| case.single(name));
    let d = LrnDesc { shape: case.shape("x"), size, alpha, beta, k };
    let (x, dy) = (case.input("x"), case.input("dy"));
    let (mut y, mut dx) = (vec![f64::NAN; x.len()], vec![f64::NAN; x.len()]);
    lrn::forward(&d, &x, &mut y);
    case.output("y", &y);
    lrn::gradient(&d, &x, &dy, &mut dx);
    case.gradient("x", &dx);
}

fn channel_padding(case: &mut Case) {
    let before = case.attribute("before").as_i64().unwrap() as isize;
    let (shape, padded): ([usize; 4], [usize; 4]) = (case.shape("x"), case.output_shape());
    let (x, dy) = (case.input("x"), case.input("dy"));
    let (mut y, mut dx) = (vec![f64::NAN; dy.len()], vec![f64::NAN; x.len()]);
    pad_channels::pad_channels(&PadChannelsDesc { shape, channels: padded[1], before }, &x, &mut y);
    case.output("y", &y);
    let d = PadChannelsDesc { shape: padded, channels: shape[1], before: -before };
    pad_channels::pad_channels(&d, &dy, &mut dx);
    case.gradient("x", &dx);
}

fn add(case: &mut Case) {
    let (a, b, dy) = (case.input("a"), case.input("b"), case.input("dy"));
    let mut y = vec![f64::NAN; a.len()];
    elementwise::elementwise(Elementwise::Add, &a, Some(&b), &mut y);
    case.output("y", &y);
    // The gradient of a sum is dy for both operands.
    case.gradient("a", &dy);
    case.gradient("b", &dy);
}

fn normalize(case: &mut Case) {
    let d = BatchNormDesc {
        shape: Shape::new(extents(&case.json["inputs"]["x"]["shape"])).nchw(),
        epsilon: case.single("eps"),
        momentum: case.single("momentum"),
        residual: false,
        activation: Activation::None,
    };
    let [x, gamma, beta] = ["x", "gamma", "beta"].map(|name| case.input(name));
    let [mut running_mean, mut running_var] = ["running_mean", "running_var"].map(|name| case.input(name));
    let mut y = vec![f64::NAN; x.len()];
    if !case.attribute("training").as_bool().unwrap() {
        batch_norm::inference(&d, &x, &gamma, &beta, &running_mean, &running_var, &mut y);
        case.output("y", &y);
        return;
    }
    let [mut mean, mut inverse, mut dgamma, mut dbeta] = [(); 4].map(|()| vec![f64::NAN; gamma.len()]);
    let statistics = batch_norm::Statistics {
        mean: &mut mean,
        inverse_deviation: &mut inverse,
        running_mean: &mut running_mean,
        running_var: &mut running_var,
    };
    batch_norm::training(&d, (&x, &gamma, &beta), None, &mut y, statistics);
    case.output("y", &y);
    case.output("running_mean", &running_mean);
    case.output("running_var", &running_var);
    let (dy, mut dx) = (case.input("dy"), vec![f64::NAN; x.len()]);
    let gradients = (&mut dx[..], &mut dgamma[..], &mut dbeta[..]);
    batch_norm::gradient(&d, (&x, &dy, &gamma), (&mean, &inverse, None), gradients);
    case.gradient("x", &dx);
    case.gradient("gamma", &dgamma);
    case.gradient("beta", &dbeta);
}

fn concatenate(case: &mut Case) {
    let names: Vec<String> = (0..).map(|i| format!("part{i}")).take_while(|name| case.has(name)).collect();
    let parts: Vec<Vec<f64>> = names.iter().map(|name| case.input(name)).collect();
    let channels: Vec<usize> = names.iter().map(|name| case.shape::<4>(name)[1]).collect();
    let (shape, dy) = (case.output_shape(), case.input("dy"));
    let mut y = vec![f64::NAN; dy.len()];
    let slices: Vec<&[f64]> = parts.iter().map(Vec::as_slice).collect();
    concat::forward(shape, &channels, &slices, &mut y);
    case.output("y", &y);
    let mut first = 0;
    for ((name, count), part) in names.iter().zip(&channels).zip(&parts) {
        let mut gradient = vec![f64::NAN; part.len()];
        concat::split(shape, first, *count, &dy, &mut gradient);
        case.gradient(name, &gradient);
        first += count;
    }
}

fn probabilities(case: &mut Case) {
    let [_, classes] = case.shape("x");
    let (x, dy) = (case.input("x"), case.input("dy"));
    let (mut y, mut dx) = (vec![f64::NAN; x.len()], vec![f64::NAN; x.len()]);
    softmax::forward(classes, &x, &mut y);
    case.output("y", &y);
    softmax::gradient(classes, &y, &dy, &mut dx);
    case.gradient("x", &dx);
}

fn loss(case: &mut Case) {
    let [rows, classes] = case.shape("x");
    let d = CrossEntropyDesc { rows, classes, smoothing: case.single("label_smoothing"), scale: 1.0 };
    let labels = case.attribute("labels").as_array().unwrap();
    let labels: Vec<i64> = labels.iter().map(|label| label.as_i64().unwrap()).collect();
    let x = case.input("x");
    let (mut probabilities, mut dx) = (vec![f64::NAN; x.len()], vec![f64::NAN; x.len()]);
    let loss = cross_entropy::forward(&d, &x, &labels, &mut probabilities);
    case.output("loss", &[loss]);
    cross_entropy::gradient(&d, &probabilities, &labels, &mut dx);
    case.gradient("x", &dx);
}

fn class_loss(case: &mut Case, criterion: Criterion) {
    let [rows, classes] = case.shape("x");
    let d = ClassLossDesc { rows, classes, criterion, scale: 1.0 };
    let labels: Vec<i64> = extents(case.attribute("labels")).iter().map(|label| *label as i64).collect();
    let x = case.input("x");
    let (mut probabilities, mut dx) = (vec![f64::NAN; x.len()], vec![f64::NAN; x.len()]);
    let loss = class_loss::forward(&d, &x, &labels, &mut probabilities);
    case.output("loss", &[loss]);
    assert!(probabilities.iter().all(|p| p.is_finite()), "{}", case.place());
    class_loss::gradient(&d, &x, &labels, &mut dx);
    case.gradient("x", &dx);
}

fn distances(case: &mut Case) {
    let ([rows, features], [units, _]) = (case.shape("x"), case.shape("codes"));
    let d = RbfDesc { rows, features, units };
    let (x, codes, dy) = (case.input("x"), case.input("codes"), case.input("dy"));
    let (mut y, mut dx) = (vec![f64::NAN; dy.len()], vec![f64::NAN; x.len()]);
    rbf::forward(&d, &x, &codes, &mut y);
    case.output("y", &y);
    rbf::gradient(&d, &x, &codes, &dy, &mut dx);
    case.gradient("x", &dx);
}

/// A convolution with a connection table.
fn conv_table(case: &mut Case) {
    let ([batch, in_channels, ih, iw], [_, _, kh, kw]) = (case.shape("x"), case.shape("w"));
    let [_, out_channels, oh, ow] = case.output_shape();
    let connections = case.attribute("connections").as_array().unwrap().iter().map(extents).collect();
    let places = ScatterKernels { connections }.places(in_channels);
    let table = ScatterDesc { kernel: kh * kw, places };
    let d = ConvDesc {
        batch,
        in_channels,
        out_channels,
        groups: 1,
        input: [ih, iw],
        output: [oh, ow],
        kernel: [kh, kw],
        stride: [1; 2],
        dilation: [1; 2],
        padding: [0; 2],
        bias: false,
        residual: false,
        activation: Activation::None,
    };
    let (x, w, dy) = (case.input("x"), case.input("w"), case.input("dy"));
    let mut whole = vec![f64::NAN; out_channels * in_channels * kh * kw];
    table.scatter(&w, &mut whole);
    let mut y = vec![f64::NAN; dy.len()];
    conv::forward(&d, &x, &whole, None, None, &mut y);
    case.output("y", &y);
    let (mut dx, mut dw) = (vec![f64::NAN; x.len()], vec![f64::NAN; w.len()]);
    conv::data_gradient(&d, &dy, &whole, None, &mut dx);
    case.gradient("x", &dx);
    conv::weight_gradient(&d, &x, &dy, &mut whole);
    table.gather(&whole, &mut dw);
    case.gradient("w", &dw);
}

fn locally_connected(case: &mut Case) {
    let [batch, in_channels, ih, iw] = case.shape("x");
    let [_, out_channels, oh, ow] = case.output_shape();
    let d = ConvDesc {
        batch,
        in_channels,
        out_channels,
        groups: 1,
        input: [ih, iw],
        output: [oh, ow],
        kernel: case.pair("kernel_size"),
        stride: case.pair("stride"),
        dilation: [1; 2],
        padding: case.pair("padding"),
        bias: true,
        residual: false,
        activation: Activation::None,
    };
    let [x, w, b, dy] = ["x", "w", "b", "dy"].map(|name| case.input(name));
    let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
    local::forward(&d, &x, &w, Some(&b), &mut y);
    case.output("y", &y);
    local::data_gradient(&d, &dy, &w, &mut dx);
    case.gradient("x", &dx);
    local::weight_gradient(&d, &x, &dy, &mut dw);
    case.gradient("w", &dw);
    let db: Vec<f64> = (0..b.len()).map(|unit| dy.iter().skip(unit).step_by(b.len()).sum()).collect();
    case.gradient("b", &db);
}

fn run(case: &mut Case) {
    match case.json["op"].as_str().unwrap() {
        "conv2d" => conv2d(case),
        "linear" => fully_connected(case),
        "max_pool" => pool(case, PoolKind::Max),
        "avg_pool" => {
            let count_include_pad = case.attribute("count_include_pad").as_bool().unwrap();
            pool(case, PoolKind::Average { count_include_pad });
        }
        "relu" => activation(case, Activation::Relu),
        "relu6" => activation(case, Activation::Relu6),
        "tanh" => activation(case, Activation::Tanh),
        "sigmoid" => activation(case, Activation::Sigmoid),
        "scaled_tanh" => activation(case, Activation::ScaledTanh),
        "scale" => scale(case),
        "lrn" => local_response_norm(case),
        "pad_channels" => channel_padding(case),
        "add" => add(case),
        "batch_norm" => normalize(case),
        "concat" => concatenate(case),
        "softmax" => probabilities(case),
        "cross_entropy" => loss(case),
        "binary_cross_entropy" => class_loss(case, Criterion::BinaryCrossEntropy),
        "mean_squared" => class_loss(case, Criterion::MeanSquared),
        "perceptron" => class_loss(case, Criterion::Perceptron),
        "hinge" => {
            let power = case.attribute("power").as_u64().unwrap() as u8;
            let margin = case.single("margin");
            class_loss(case, Criterion::Hinge { margin, power });
        }
        "rbf_loss" => {
            let j = case.single("j");
            class_loss(case, Criterion::Rbf { j });
        }
        "rbf" => distances(case),
        "conv_table" => conv_table(case),
        "locally_connected" => locally_connected(case),
        "conv1d" | "conv3d" => windows::conv(case),
        "max_pool1d" | "max_pool2d" | "max_pool3d" => windows::max_pool(case),
        "avg_pool1d" | "avg_pool2d" | "avg_pool3d" => windows::average_pool(case),
        op => panic!("no check implemented for {op}"),
    }
}

#[test]
fn naive_kernels_match_pytorch() {
    let file = formula::reference("operators");
    let mut cases = BTreeMap::new();
    for json in file["cases"].as_array().unwrap() {
        let mut case = Case { json, checked: Vec::new() };
        run(&mut case);
        // `f32` lists every result of the case; all must have been checked.
        let mut stored: Vec<String> = json["f32"].as_object().unwrap().keys().cloned().collect();
        stored.sort();
        case.checked.sort();
        assert_eq!(case.checked, stored, "{}", case.place());
        *cases.entry(json["op"].as_str().unwrap()).or_insert(0) += 1;
    }
    assert_eq!(cases.len(), 33, "{cases:?}");
    assert!(cases["conv2d"] >= 19 && cases["max_pool"] >= 10 && cases["avg_pool"] >= 20, "{cases:?}");
    assert!(cases["conv3d"] >= 13 && cases["max_pool3d"] >= 9 && cases["avg_pool3d"] >= 16, "{cases:?}");
}
