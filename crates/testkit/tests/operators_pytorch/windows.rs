//! Convolutions and pools of signals, maps and volumes as layers of a network: shapes, values and gradients. The
//! gradients are computed with the operations that the gradient rules generate.

use striate_graph::ops::{
    AveragePool, AveragePoolGradient, ChannelSum, Conv, ConvDataGradient, ConvWeightGradient, MaxPool,
    MaxPoolGradient,
};
use striate_graph::{Builder, Graph, Kind, Op, Padding, PerAxis, Segment};
use striate_tensor::{DType, Shape};
use striate_testkit::{Interpreter, Values};

use super::{Case, extents};

pub(crate) fn conv(case: &mut Case) {
    let w = shape(case, "w");
    let op = Conv {
        stride: each(case, "stride"),
        padding: padding(case),
        dilation: each(case, "dilation"),
        groups: case.attribute("groups").as_u64().unwrap() as usize,
        bias: case.has("b"),
        ..Conv::new(w[0], PerAxis::of(&w[2..]))
    };
    let given = [("layer.weight", "w"), ("layer.bias", "b")];
    let Op::Conv(op) = layer(case, op, &given) else { panic!("the layer is a convolution") };
    let [dx, dw] = ["x", "w"].map(|name| shape(case, name));
    let dx = computed(case, ConvDataGradient(op.clone()), &["dy", "w"], dx);
    case.gradient("x", &dx);
    let dw = computed(case, ConvWeightGradient(op.clone()), &["x", "dy"], dw);
    case.gradient("w", &dw);
    if op.bias {
        let db = computed(case, ChannelSum, &["dy"], Shape::from([op.out_channels]));
        case.gradient("b", &db);
    }
}

pub(crate) fn max_pool(case: &mut Case) {
    let op = MaxPool {
        kernel_size: each(case, "kernel_size"),
        stride: each(case, "stride"),
        dilation: each(case, "dilation"),
        padding: padding(case),
        ceil_mode: flag(case, "ceil_mode"),
    };
    let Op::MaxPool(op) = layer(case, op, &[]) else { panic!("the layer is a pool") };
    let dx = computed(case, MaxPoolGradient::new(op), &["x", "dy"], shape(case, "x"));
    case.gradient("x", &dx);
}

pub(crate) fn average_pool(case: &mut Case) {
    let op = AveragePool {
        kernel_size: each(case, "kernel_size"),
        stride: each(case, "stride"),
        dilation: PerAxis::ONE,
        padding: padding(case),
        ceil_mode: flag(case, "ceil_mode"),
        count_include_pad: flag(case, "count_include_pad"),
    };
    let Op::AveragePool(op) = layer(case, op, &[]) else { panic!("the layer is a pool") };
    let dx = computed(case, AveragePoolGradient::new(op), &["dy"], shape(case, "x"));
    case.gradient("x", &dx);
}

/// Checks shapes and values of a network that consists of `op`, whose variables are the inputs listed in `variables`;
/// returns the operation of the graph.
fn layer(case: &mut Case, op: impl Into<Op>, variables: &[(&str, &str)]) -> Op {
    let x = shape(case, "x");
    let net = Builder::new("layer", &x[1..]);
    let network = net.input().then(op).named("layer").finish().unwrap();
    let graph = network.graph(x[0]).unwrap();
    assert_eq!(graph.shape(graph.outputs[0]).to_vec(), extents(&case.json["outputs"]["y"]["shape"]));
    let mut given = Values::from([("input".to_owned(), case.input("x"))]);
    for (variable, input) in variables.iter().filter(|(_, input)| case.has(input)) {
        let value = graph.find(variable).expect("the layer has this variable");
        assert_eq!(graph.shape(value), &shape(case, input));
        given.insert((*variable).to_owned(), case.input(input));
    }
    case.output("y", Interpreter::run(&graph, &given).output(0));
    graph.nodes[0].op.clone()
}

/// Computes `op` on the inputs named `operands`.
fn computed(case: &Case, op: impl Into<Op>, operands: &[&str], output: Shape) -> Vec<f64> {
    let mut graph = Graph::default();
    let input = |name: &&str| graph.add_value(*name, shape(case, name), DType::F32, Kind::Input);
    let inputs: Vec<_> = operands.iter().map(input).collect();
    let result = graph.add_computed("result", output);
    graph.inputs.clone_from(&inputs);
    graph.add_node("node", op, inputs, vec![result], Segment::Accumulate);
    graph.outputs.push(result);
    let given: Values = operands.iter().map(|name| ((*name).to_owned(), case.input(name))).collect();
    Interpreter::run(&graph, &given).output(0).to_vec()
}

fn shape(case: &Case, input: &str) -> Shape {
    Shape::new(extents(&case.json["inputs"][input]["shape"]))
}

fn flag(case: &Case, name: &str) -> bool {
    case.attribute(name).as_bool().unwrap()
}

/// A number for each axis, or a single number for the only axis; 1 if the case has none.
fn each(case: &Case, name: &str) -> PerAxis {
    match case.json["attributes"].get(name) {
        Some(one) if one.is_u64() => PerAxis::of(&[one.as_u64().unwrap() as usize]),
        Some(all) => PerAxis::of(&extents(all)),
        None => PerAxis::ONE,
    }
}

/// The padding: `pads` for both sides if the case has them, otherwise `padding` on both sides.
fn padding(case: &Case) -> Padding {
    let sides: Vec<[usize; 2]> = match case.json["attributes"].get("pads") {
        Some(pads) => pads.as_array().unwrap().iter().map(|side| extents(side).try_into().unwrap()).collect(),
        None => {
            let PerAxis { d, h, w } = match case.attribute("padding") {
                one if one.is_u64() => PerAxis { d: 0, h: 0, w: one.as_u64().unwrap() as usize },
                all => PerAxis::of(&[vec![0; 3], extents(all)].concat()[extents(all).len()..]),
            };
            vec![[d; 2], [h; 2], [w; 2]]
        }
    };
    Padding::of(&sides)
}
