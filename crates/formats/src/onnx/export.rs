//! Writes networks with their weights as ONNX files of opset 17 (20 if they contain GELU), for any batch size.

use std::collections::HashSet;

use striate_graph::Network;
use striate_graph::ops::{self, Approximation, Elu, ScatterKernels, UnaryFunction};
use striate_graph::{Graph, Node, Op, Padding, PerAxis, ValueId};
use striate_tensor::{Error, Result, Shape};

use crate::Weights;
use crate::protobuf::Message;

const OPSET: i64 = 17;
/// The opset of networks with GELU, which older ones do not have.
const OPSET_WITH_GELU: i64 = 20;
/// The kind of file, for messages.
const FILE: &str = "an ONNX file";
/// ONNX's codes of element types.
const FLOAT: i64 = 1;
const INT64: i64 = 7;

/// Returns the bytes of an ONNX file with `network`, without its auxiliary heads.
///
/// # Errors
/// If weights are missing, or the file would be too large for the format (2 GiB).
pub fn onnx_bytes(network: &Network, weights: &Weights) -> Result<Vec<u8>> {
    let graph = network.graph(1)?;
    let mut names: Vec<&str> = graph.values.iter().map(|value| value.name.as_str()).collect();
    names.sort_unstable();
    let has_gelu = graph.nodes.iter().any(|node| matches!(node.op, Op::Gelu(_)));
    // The version of the file format goes with the opset.
    let (opset, ir_version) = if has_gelu { (OPSET_WITH_GELU, 9) } else { (OPSET, 8) };
    let mut export = Export { graph: &graph, opset, body: Message::default(), names, stems: HashSet::new() };
    for node in &graph.nodes {
        export.node(node).map_err(|e| e.at(format!("layer {}", node.name)))?;
    }
    for (name, shape) in network.variables()? {
        let Some((given, values)) = weights.get(&name) else {
            return Err(Error::input(format!("network {}: no weights for {name}", network.name)));
        };
        if *given != shape {
            return Err(Error::input(format!("{name} has shape {given}; expected {shape}")));
        }
        export.initializer(&name, &shape, values);
    }
    let ends = [(11, graph.inputs[0]), (12, graph.outputs[0])];
    let mut body = export.body.bytes(2, &network.name);
    for (field, id) in ends {
        body = body.bytes(field, value_info(&graph.value(id).name, graph.shape(id)).0);
    }
    let opset = Message::default().bytes(1, "").int(2, opset);
    let model = Message::default().int(1, ir_version).bytes(2, "striate").bytes(3, env!("CARGO_PKG_VERSION"));
    model.bytes(8, opset.0).bytes(7, body.0).finish(FILE)
}

/// Returns the bytes of `model` with `entries` added to its metadata.
///
/// # Errors
/// If the file would be too large for the format (2 GiB).
pub(super) fn with_metadata<'a>(
    model: Vec<u8>,
    entries: impl Iterator<Item = (&'a str, String)>,
) -> Result<Vec<u8>> {
    // The fields of a message may come in any order.
    let entry = |(key, value): (&str, String)| Message::default().bytes(1, key).bytes(2, value).0;
    entries.fold(Message(model), |model, held| model.bytes(14, entry(held))).finish(FILE)
}

/// Describes an input or output; its batch is open.
fn value_info(name: &str, shape: &Shape) -> Message {
    let mut extents = Message::default().bytes(1, Message::default().bytes(2, "N").0);
    for extent in shape.iter().skip(1) {
        extents = extents.bytes(1, Message::default().int(1, *extent as i64).0);
    }
    let tensor = Message::default().int(1, FLOAT).bytes(2, extents.0);
    Message::default().bytes(1, name).bytes(2, Message::default().bytes(1, tensor.0).0)
}

/// An attribute of a node.
enum Attribute<'a> {
    Int(&'a str, i64),
    Float(&'a str, f32),
    Ints(&'a str, Vec<i64>),
    Text(&'a str, &'a str),
}

use Attribute::{Float, Int, Ints, Text};

struct Export<'g> {
    graph: &'g Graph,
    opset: i64,
    body: Message,
    /// The names of the graph's values, sorted.
    names: Vec<&'g str>,
    /// The stems of generated names.
    stems: HashSet<String>,
}

impl Export<'_> {
    fn name(&self, id: ValueId) -> String {
        self.graph.value(id).name.clone()
    }

    fn initializer(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, shape, FLOAT, &raw);
    }

    fn integers(&mut self, name: &str, values: &[i64]) {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, &[values.len()], INT64, &raw);
    }

    fn tensor(&mut self, name: &str, shape: &[usize], kind: i64, raw: &[u8]) {
        let tensor = shape.iter().fold(Message::default(), |tensor, extent| tensor.int(1, *extent as i64));
        let tensor = tensor.int(2, kind).bytes(8, name).bytes(9, raw);
        self.body = std::mem::take(&mut self.body).bytes(5, tensor.0);
    }

    fn add(&mut self, op: &str, inputs: &[String], output: &str, attributes: &[Attribute]) {
        let node = inputs.iter().fold(Message::default(), |node, input| node.bytes(1, input));
        let mut node = node.bytes(2, output).bytes(3, output).bytes(4, op);
        for attribute in attributes {
            let message = Message::default();
            let message = match attribute {
                Int(name, value) => message.bytes(1, name).int(3, *value).int(20, 2),
                Float(name, value) => message.bytes(1, name).float(2, *value).int(20, 1),
                Text(name, value) => message.bytes(1, name).bytes(4, value).int(20, 3),
                Ints(name, values) => values
                    .iter()
                    .fold(message.bytes(1, name), |message, value| message.int(8, *value))
                    .int(20, 7),
            };
            node = node.bytes(5, message.0);
        }
        self.body = std::mem::take(&mut self.body).bytes(1, node.0);
    }

    /// Returns a stem for names derived from `y`: `y` itself, or with a number if names with that stem exist.
    fn stem(&mut self, y: &str) -> String {
        let is_free = |stem: &String| {
            let start = format!("{stem}/");
            let next = self.names.get(self.names.partition_point(|name| *name < start.as_str()));
            !self.stems.contains(stem) && next.is_none_or(|name| !name.starts_with(&start))
        };
        let numbered = (2usize..).map(|number| format!("{y}_{number}"));
        let stem = std::iter::once(y.to_owned()).chain(numbered).find(is_free).expect("some number is free");
        self.stems.insert(stem.clone());
        stem
    }

    /// Adds the ONNX nodes for `node`.
    fn node(&mut self, node: &Node) -> Result<()> {
        let inputs: Vec<String> = node.inputs.iter().map(|id| self.name(*id)).collect();
        let y = self.name(node.outputs[0]);
        let stem = self.stem(&y);
        let part = |what: &str| format!("{stem}/{what}");
        let plain = |export: &mut Self, op: &str, inputs: &[String]| export.add(op, inputs, &y, &[]);
        match &node.op {
            Op::Conv(conv) => {
                let axes = self.axes(node);
                let attributes = [
                    Ints("kernel_shape", inner(conv.kernel_size, axes)),
                    Ints("strides", inner(conv.stride, axes)),
                    Ints("dilations", inner(conv.dilation, axes)),
                    Ints("pads", pads(conv.padding, axes)),
                    Int("group", conv.groups as i64),
                ];
                self.add("Conv", &inputs, &y, &attributes);
            }
            Op::Linear(_) => self.add("Gemm", &inputs, &y, &[Int("transB", 1)]),
            Op::MaxPool(pool) => {
                let sizes = [pool.kernel_size, pool.stride, pool.dilation];
                let window = window(sizes, pool.padding, pool.ceil_mode, self.axes(node));
                self.add("MaxPool", &inputs, &y, &window);
            }
            Op::AveragePool(pool) => {
                let sizes = [pool.kernel_size, pool.stride, pool.dilation];
                let mut window = window(sizes, pool.padding, pool.ceil_mode, self.axes(node));
                if pool.dilation != PerAxis::ONE {
                    let what = format!("a dilated average pool does not exist in ONNX's opset {OPSET}");
                    return Err(Error::input(what));
                }
                window.push(Int("count_include_pad", i64::from(pool.count_include_pad)));
                self.add("AveragePool", &inputs, &y, &window);
            }
            Op::GlobalAveragePool(_) => plain(self, "GlobalAveragePool", &inputs),
            Op::Relu(_) => plain(self, "Relu", &inputs),
            Op::Relu6(_) => self.limits(inputs, &y, &stem, 0.0, 6.0),
            Op::Clip(clip) => self.limits(inputs, &y, &stem, clip.min, clip.max),
            Op::Tanh(_) => plain(self, "Tanh", &inputs),
            Op::Sigmoid(_) => plain(self, "Sigmoid", &inputs),
            Op::ScaledTanh(_) => {
                self.initializer(&part("slope"), &[], &[2.0 / 3.0]);
                self.initializer(&part("amplitude"), &[], &[1.7159]);
                self.add("Mul", &[inputs[0].clone(), part("slope")], &part("inner"), &[]);
                self.add("Tanh", &[part("inner")], &part("outer"), &[]);
                plain(self, "Mul", &[part("outer"), part("amplitude")]);
            }
            Op::Scale(_) => self.scale(node, &inputs, &y, &stem),
            Op::ScatterKernels(spread) => self.spread(node, spread, &y, &stem),
            Op::MultiplyBy(by) => {
                self.initializer(&part("factor"), &[], &[by.factor]);
                plain(self, "Mul", &[inputs[0].clone(), part("factor")]);
            }
            Op::Lrn(lrn) => {
                let numbers = [Float("alpha", lrn.alpha), Float("beta", lrn.beta), Float("bias", lrn.k)];
                let [alpha, beta, bias] = numbers;
                self.add("LRN", &inputs, &y, &[Int("size", lrn.size as i64), alpha, beta, bias]);
            }
            Op::BatchNorm(norm) => {
                let attributes = [Float("epsilon", norm.epsilon), Float("momentum", 1.0 - norm.momentum)];
                self.add("BatchNormalization", &inputs, &y, &attributes);
            }
            Op::PadChannels(pad) => {
                let mut sides = vec![0; 2 * self.graph.shape(node.inputs[0]).len()];
                let rank = sides.len() / 2;
                (sides[1], sides[rank + 1]) = (pad.before as i64, pad.after as i64);
                self.integers(&part("pads"), &sides);
                plain(self, "Pad", &[inputs[0].clone(), part("pads")]);
            }
            Op::Pad(pad) => {
                let sides: Vec<i64> = pad.before.iter().chain(&pad.after).map(|side| *side as i64).collect();
                self.integers(&part("pads"), &sides);
                self.initializer(&part("value"), &[], &[pad.value]);
                plain(self, "Pad", &[inputs[0].clone(), part("pads"), part("value")]);
            }
            Op::LeakyRelu(op) => self.add("LeakyRelu", &inputs, &y, &[Float("alpha", op.negative_slope)]),
            Op::Elu(elu) => self.elu(&inputs, &y, elu)?,
            Op::HardSigmoid(op) => {
                let attributes = [Float("alpha", op.slope), Float("beta", op.offset)];
                self.add("HardSigmoid", &inputs, &y, &attributes);
            }
            Op::HardSwish(_) => plain(self, "HardSwish", &inputs),
            Op::Gelu(gelu) => {
                let approximate = match gelu.approximate {
                    Approximation::None => "none",
                    Approximation::Tanh => "tanh",
                };
                self.add("Gelu", &inputs, &y, &[Text("approximate", approximate)]);
            }
            Op::Unary(unary) => {
                let op = match unary.function {
                    UnaryFunction::Exp => "Exp",
                    UnaryFunction::Log => "Log",
                    UnaryFunction::Sqrt => "Sqrt",
                    UnaryFunction::Abs => "Abs",
                    UnaryFunction::Erf => "Erf",
                };
                plain(self, op, &inputs);
            }
            Op::Power(power) => {
                self.initializer(&part("exponent"), &[], &[power.exponent]);
                plain(self, "Pow", &[inputs[0].clone(), part("exponent")]);
            }
            Op::Gather(gather) => {
                let indices: Vec<i64> = gather.indices.iter().map(|index| *index as i64).collect();
                self.integers(&part("indices"), &indices);
                let operands = [inputs[0].clone(), part("indices")];
                self.add("Gather", &operands, &y, &[Int("axis", gather.axis as i64)]);
            }
            Op::Max(_) => plain(self, "Max", &inputs),
            Op::Min(_) => plain(self, "Min", &inputs),
            Op::Add(_) => plain(self, "Add", &inputs),
            Op::Sub(_) => plain(self, "Sub", &inputs),
            Op::Mul(_) => plain(self, "Mul", &inputs),
            Op::Div(_) => plain(self, "Div", &inputs),
            Op::MatMul(_) => plain(self, "MatMul", &inputs),
            Op::Constant(_) => plain(self, "Identity", &inputs),
            Op::Transpose(transpose) => {
                let axes = transpose.permutation.iter().map(|axis| *axis as i64).collect();
                self.add("Transpose", &inputs, &y, &[Ints("perm", axes)]);
            }
            Op::Reshape(reshape) => {
                self.integers(&part("shape"), &reshape.shape);
                plain(self, "Reshape", &[inputs[0].clone(), part("shape")]);
            }
            Op::Slice(slice) => self.slice(inputs, &y, &stem, slice),
            Op::ReduceMean(mean) => {
                let axes: Vec<i64> = mean.axes.iter().map(|axis| *axis as i64).collect();
                if self.opset == OPSET {
                    self.add("ReduceMean", &inputs, &y, &[Ints("axes", axes), Int("keepdims", 1)]);
                } else {
                    self.integers(&part("axes"), &axes);
                    let operands = [inputs[0].clone(), part("axes")];
                    self.add("ReduceMean", &operands, &y, &[Int("keepdims", 1)]);
                }
            }
            Op::Concat(_) => self.add("Concat", &inputs, &y, &[Int("axis", 1)]),
            Op::Flatten(_) => self.add("Flatten", &inputs, &y, &[Int("axis", 1)]),
            Op::Dropout(dropout) => {
                self.initializer(&part("ratio"), &[], &[dropout.probability]);
                plain(self, "Dropout", &[inputs[0].clone(), part("ratio")]);
            }
            Op::Rbf(_) => {
                self.integers(&part("rows"), &[0, 1, -1]);
                self.integers(&part("axis"), &[2]);
                self.add("Reshape", &[inputs[0].clone(), part("rows")], &part("input"), &[]);
                self.add("Sub", &[part("input"), inputs[1].clone()], &part("difference"), &[]);
                self.add("Mul", &[part("difference"), part("difference")], &part("square"), &[]);
                let sum = [part("square"), part("axis")];
                self.add("ReduceSum", &sum, &part("distance"), &[Int("keepdims", 0)]);
                plain(self, "Neg", &[part("distance")]);
            }
            Op::Softmax(_) => self.add("Softmax", &inputs, &y, &[Int("axis", 1)]),
            Op::LogSoftmax(_) => self.add("LogSoftmax", &inputs, &y, &[Int("axis", 1)]),
            other => return Err(Error::input(format!("{} cannot be written as ONNX", other.name()))),
        }
        Ok(())
    }

    /// Adds ONNX's exponential activation with these factors.
    fn elu(&mut self, inputs: &[String], y: &str, elu: &Elu) -> Result<()> {
        let alpha = Float("alpha", elu.alpha);
        match (elu.scale == 1.0, elu.rate) {
            (true, 1.0) => self.add("Elu", inputs, y, &[alpha]),
            (false, 1.0) => self.add("Selu", inputs, y, &[alpha, Float("gamma", elu.scale)]),
            (true, rate) if (rate * elu.alpha - 1.0).abs() < 1e-6 => self.add("Celu", inputs, y, &[alpha]),
            _ => return Err(Error::input("an elu with this rate does not exist in ONNX")),
        }
        Ok(())
    }

    /// Returns the number of axes of the input of `node` after batch and channels.
    fn axes(&self, node: &Node) -> usize {
        self.graph.shape(node.inputs[0]).len() - 2
    }

    fn limits(&mut self, mut inputs: Vec<String>, y: &str, stem: &str, min: f32, max: f32) {
        for (what, value) in [("min", min), ("max", max)] {
            let name = format!("{stem}/{what}");
            self.initializer(&name, &[], &[value]);
            inputs.push(name);
        }
        self.add("Clip", &inputs, y, &[]);
    }

    fn slice(&mut self, mut inputs: Vec<String>, y: &str, stem: &str, slice: &ops::Slice) {
        let (start, step) = (slice.start as i64, slice.step as i64);
        let end = start + step * slice.length as i64;
        // −1 would mean the last element; a very negative end means before the first.
        let end = if end < 0 { i64::MIN + 1 } else { end };
        for (what, value) in [("starts", start), ("ends", end), ("axes", slice.axis as i64), ("steps", step)]
        {
            let name = format!("{stem}/{what}");
            self.integers(&name, &[value]);
            inputs.push(name);
        }
        self.add("Slice", &inputs, y, &[]);
    }

    /// Scatters kernels among zeros: each position gathers its kernel, or the zeros after the last one.
    fn spread(&mut self, node: &Node, spread: &ScatterKernels, y: &str, stem: &str) {
        let part = |what: &str| format!("{stem}/{what}");
        let (kernels, whole) = (self.graph.shape(node.inputs[0]), self.graph.shape(node.outputs[0]));
        let (count, channels) = (kernels[0], whole[1]);
        let zeros: Vec<usize> = std::iter::once(1).chain(kernels[1..].iter().copied()).collect();
        let mut taken = vec![count as i64; whole[0] * channels];
        let places = spread.places(channels);
        places.into_iter().enumerate().for_each(|(kernel, place)| taken[place] = kernel as i64);
        let shape: Vec<i64> = whole.iter().map(|extent| *extent as i64).collect();
        self.initializer(&part("zeros"), &zeros, &vec![0.0; zeros.iter().product()]);
        self.integers(&part("taken"), &taken);
        self.integers(&part("shape"), &shape);
        self.add("Concat", &[self.name(node.inputs[0]), part("zeros")], &part("all"), &[Int("axis", 0)]);
        self.add("Gather", &[part("all"), part("taken")], &part("rows"), &[Int("axis", 0)]);
        self.add("Reshape", &[part("rows"), part("shape")], y, &[]);
    }

    /// Adds a coefficient for each channel: a depthwise 1×1 convolution, so that weight and bias are still parameters;
    /// for rows, a product.
    fn scale(&mut self, node: &Node, inputs: &[String], y: &str, stem: &str) {
        let part = |what: &str| format!("{stem}/{what}");
        let rank = self.graph.shape(node.inputs[0]).len();
        let channels = self.graph.shape(node.inputs[1])[0] as i64;
        if rank > 2 {
            let shape = [&[channels][..], &vec![1; rank - 1]].concat();
            self.integers(&part("shape"), &shape);
            self.add("Reshape", &[inputs[1].clone(), part("shape")], &part("kernels"), &[]);
            let operands = [&[inputs[0].clone(), part("kernels")], &inputs[2..]].concat();
            return self.add("Conv", &operands, y, &[Int("group", channels)]);
        }
        let Some(bias) = inputs.get(2) else { return self.add("Mul", &inputs[..2], y, &[]) };
        self.add("Mul", &inputs[..2], &part("product"), &[]);
        self.add("Add", &[part("product"), bias.clone()], y, &[]);
    }
}

/// Returns the sizes of the innermost `axes` axes.
fn inner(each: PerAxis, axes: usize) -> Vec<i64> {
    each.array()[3 - axes..].iter().map(|size| *size as i64).collect()
}

fn pads(p: Padding, axes: usize) -> Vec<i64> {
    let sides = [&p.before()[3 - axes..], &p.after()[3 - axes..]].concat();
    sides.into_iter().map(|side| side as i64).collect()
}

/// Returns the attributes of a pool with this kernel, stride and dilation.
fn window(
    [kernel, stride, dilation]: [PerAxis; 3],
    padding: Padding,
    ceil: bool,
    axes: usize,
) -> Vec<Attribute<'static>> {
    let mut attributes = vec![
        Ints("kernel_shape", inner(kernel, axes)),
        Ints("strides", inner(stride, axes)),
        Ints("pads", pads(padding, axes)),
        Int("ceil_mode", i64::from(ceil)),
    ];
    if dilation != PerAxis::ONE {
        attributes.push(Ints("dilations", inner(dilation, axes)));
    }
    attributes
}
