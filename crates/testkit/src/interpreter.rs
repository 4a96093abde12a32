//! Computes a graph in f64, node by node, with the naive kernels. Ignores layouts, so it can run graphs at
//! every stage of compilation.

use std::collections::HashMap;

use striate_graph::ops::{self, Activation};
use striate_graph::{Graph, Kind, Node, Op, Role, ValueId};
use striate_kernels::batch_norm::reference::Statistics;
use striate_kernels::batch_norm::{self, BatchNormDesc};
use striate_kernels::broadcast::{self, Arithmetic, BroadcastDesc};
use striate_kernels::class_loss::{self, ClassLossDesc, Criterion};
use striate_kernels::cross_entropy::{self, CrossEntropyDesc};
use striate_kernels::dropout::{self, DropoutDesc};
use striate_kernels::elementwise::{self, Elementwise};
use striate_kernels::function::Function;
use striate_kernels::gather::{self, GatherDesc};
use striate_kernels::linear::{self, LinearDesc};
use striate_kernels::lrn::{self, LrnDesc};
use striate_kernels::optimizer::{self, AdamDesc, SgdDesc};
use striate_kernels::pad_channels::{self, PadChannelsDesc};
use striate_kernels::rbf::{self, RbfDesc};
use striate_kernels::scatter::ScatterDesc;
use striate_kernels::{concat, locally_connected, reduce, scale, softmax};

use crate::general;
use crate::windows::{self, kernel};

/// Values by name; labels and scalars are f64 as well.
pub type Values = HashMap<String, Vec<f64>>;

/// A run of a graph.
pub struct Interpreter<'g> {
    graph: &'g Graph,
    values: HashMap<ValueId, Vec<f64>>,
}

impl<'g> Interpreter<'g> {
    /// Runs all nodes of `graph` on `given`: inputs, parameters and buffers by name; other variables are
    /// initialized to zero.
    ///
    /// # Panics
    /// If an input or parameter is missing.
    pub fn run(graph: &'g Graph, given: &Values) -> Interpreter<'g> {
        let mut values = HashMap::new();
        for (index, value) in graph.values.iter().enumerate() {
            let start = match (given.get(&value.name), &value.kind) {
                (_, Kind::Computed) => continue,
                (Some(start), _) => start.clone(),
                (None, Kind::Variable { role: Role::Gradient | Role::State | Role::Scalar, .. }) => {
                    vec![0.0; value.shape.numel()]
                }
                (None, _) => panic!("{} is missing", value.name),
            };
            assert_eq!(start.len(), value.shape.numel(), "{}", value.name);
            values.insert(ValueId(index), start);
        }
        let mut interpreter = Interpreter { graph, values };
        for node in &graph.nodes {
            interpreter.step(node);
        }
        interpreter
    }

    /// The value named `name`.
    ///
    /// # Panics
    /// If no value has this name.
    pub fn get(&self, name: &str) -> &[f64] {
        let id = self.graph.find(name).unwrap_or_else(|| panic!("no value {name}"));
        &self.values[&id]
    }

    /// Output number `index` of the graph.
    pub fn output(&self, index: usize) -> &[f64] {
        &self.values[&self.graph.outputs[index]]
    }

    fn step(&mut self, node: &Node) {
        let r: Vec<&[f64]> = node.inputs.iter().map(|id| self.values[id].as_slice()).collect();
        let start = |id: &ValueId| {
            let empty = || vec![0.0; self.graph.shape(*id).numel()];
            self.values.get(id).cloned().unwrap_or_else(empty)
        };
        let mut writes: Vec<Vec<f64>> = node.outputs.iter().map(start).collect();
        let shape = |id: ValueId| self.graph.shape(id).nchw();
        let input = |i: usize| shape(node.inputs[i]);
        let output = |i: usize| shape(node.outputs[i]);
        let w = &mut writes;
        match &node.op {
            Op::Linear(op) => {
                let d = linear(input(0), output(0), op.bias, op.activation);
                linear::reference::forward(&d, r[0], r[1], op.bias.then(|| r[2]), &mut w[0]);
            }
            Op::LinearDataGradient(_) => {
                let d = linear(output(0), input(0), false, Activation::None);
                linear::reference::data_gradient(&d, r[0], r[1], &mut w[0]);
            }
            Op::LinearWeightGradient(_) => {
                let d = linear(input(0), input(1), false, Activation::None);
                linear::reference::weight_gradient(&d, r[0], r[1], &mut w[0]);
            }
            Op::Conv(_)
            | Op::ConvDataGradient(_)
            | Op::ConvWeightGradient(_)
            | Op::MaxPool(_)
            | Op::MaxPoolGradient(_)
            | Op::AveragePool(_)
            | Op::AveragePoolGradient(_)
            | Op::GlobalAveragePool(_) => windows::step(self.graph, node, &r, &mut w[0]),
            Op::LocallyConnected(op) => {
                let d = windows::maps(&op.as_conv(), input(0), output(0));
                let bias = op.bias.then(|| r[2]);
                locally_connected::reference::forward(&d, r[0], r[1], bias, &mut w[0]);
            }
            Op::LocallyConnectedDataGradient(op) => {
                let d = windows::maps(&op.0.as_conv(), output(0), input(0));
                locally_connected::reference::data_gradient(&d, r[0], r[1], &mut w[0]);
            }
            Op::LocallyConnectedWeightGradient(op) => {
                let d = windows::maps(&op.0.as_conv(), input(0), input(1));
                locally_connected::reference::weight_gradient(&d, r[0], r[1], &mut w[0]);
            }
            Op::ScatterKernels(op) => scatter(op, output(0)).scatter(r[0], &mut w[0]),
            Op::ScatterKernelsGradient(op) => scatter(&op.0, input(0)).gather(r[0], &mut w[0]),
            Op::Rbf(_) => rbf::reference::forward(&rbf(input(0), input(1)), r[0], r[1], &mut w[0]),
            Op::RbfGradient(_) => {
                rbf::reference::gradient(&rbf(input(0), input(1)), r[0], r[1], r[2], &mut w[0]);
            }
            Op::Scale(op) => {
                scale::reference::scale(input(0), r[0], r[1], op.bias.then(|| r[2]), &mut w[0]);
            }
            Op::MultiplyBy(op) => {
                let op = Elementwise::MultiplyBy(op.factor);
                elementwise::reference::elementwise(op, r[0], None, &mut w[0]);
            }
            Op::Lrn(op) => lrn::reference::forward(&lrn(op, input(0)), r[0], &mut w[0]),
            Op::LrnGradient(op) => lrn::reference::gradient(&lrn(&op.0, input(0)), r[0], r[1], &mut w[0]),
            Op::PadChannels(op) => {
                let d = shifted(input(0), output(0), op.before as isize);
                pad_channels::reference::pad_channels(&d, r[0], &mut w[0]);
            }
            Op::PadChannelsGradient(op) => {
                let d = shifted(input(0), output(0), -(op.0.before as isize));
                pad_channels::reference::pad_channels(&d, r[0], &mut w[0]);
            }
            Op::Relu(_) | Op::Relu6(_) | Op::Tanh(_) | Op::Sigmoid(_) | Op::ScaledTanh(_) => {
                let op = Elementwise::Apply(kernel(node.op.activation().expect("the node is an activation")));
                elementwise::reference::elementwise(op, r[0], None, &mut w[0]);
            }
            Op::ActivationGradient(op) => {
                let op = Elementwise::Gradient(kernel(op.0));
                elementwise::reference::elementwise(op, r[0], Some(r[1]), &mut w[0]);
            }
            Op::LeakyRelu(_)
            | Op::Elu(_)
            | Op::HardSigmoid(_)
            | Op::HardSwish(_)
            | Op::Gelu(_)
            | Op::Unary(_)
            | Op::Power(_) => {
                let op = Elementwise::Function(function(node.op.function().expect("is a function")));
                elementwise::reference::elementwise(op, r[0], None, &mut w[0]);
            }
            Op::FunctionGradient(op) => {
                let op = Elementwise::FunctionGradient(function(op.0));
                elementwise::reference::elementwise(op, r[0], Some(r[1]), &mut w[0]);
            }
            Op::ExtremumGradient(op) => {
                let op = if op.is_min { Arithmetic::Min } else { Arithmetic::Max };
                let [a, b] = [0, 1].map(|side| self.graph.shape(node.inputs[side]));
                let d = BroadcastDesc::new(op, a, b);
                broadcast::reference::extremum_gradient(&d, r[0], r[1], r[2], &mut w[0]);
            }
            Op::Gather(op) => {
                let x = self.graph.shape(node.inputs[0]);
                gather::reference::forward(&gather(x, op), r[0], &mut w[0]);
            }
            Op::GatherGradient(op) => {
                let x = self.graph.shape(node.outputs[0]);
                gather::reference::gradient(&gather(x, &op.0), r[0], &mut w[0]);
            }
            Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Div(_) | Op::Max(_) | Op::Min(_) => {
                let op = match &node.op {
                    Op::Max(_) => Arithmetic::Max,
                    Op::Min(_) => Arithmetic::Min,
                    Op::Sub(_) => Arithmetic::Sub,
                    Op::Mul(_) => Arithmetic::Mul,
                    Op::Div(_) => Arithmetic::Div,
                    _ => Arithmetic::Add,
                };
                let [a, b] = [0, 1].map(|side| self.graph.shape(node.inputs[side]));
                broadcast::reference::forward(&BroadcastDesc::new(op, a, b), r[0], r[1], &mut w[0]);
            }
            Op::BatchNorm(op) => {
                let d = norm(op, Activation::None, input(0));
                batch_norm::reference::inference(&d, r[0], r[1], r[2], r[3], r[4], &mut w[0]);
            }
            Op::BatchNormTraining(op) => {
                let d = norm(&op.norm, op.activation, input(0));
                let d = BatchNormDesc { residual: op.residual, ..d };
                let [y, mean, inverse_deviation, running_mean, running_var] = &mut w[..] else {
                    panic!("a training batch norm writes five values")
                };
                let statistics = Statistics { mean, inverse_deviation, running_mean, running_var };
                batch_norm::reference::training(&d, (r[0], r[1], r[2]), r.get(3).copied(), y, statistics);
            }
            Op::BatchNormGradient(op) => {
                let d = norm(&op.norm, op.activation, input(0));
                let [dx, dgamma, dbeta] = &mut w[..] else {
                    panic!("a batch norm's gradient writes three values")
                };
                let statistics = (r[3], r[4], r.get(5).copied());
                batch_norm::reference::gradient(&d, (r[0], r[1], r[2]), statistics, (dx, dgamma, dbeta));
            }
            Op::FoldBatchNorm(op) => {
                let [weight, bias] = &mut w[..] else { panic!("folding writes two values") };
                let statistics = [r[1], r[2], r[3], r[4]];
                batch_norm::reference::fold(
                    op.epsilon,
                    (r[0], r.get(5).copied()),
                    statistics,
                    (weight, bias),
                );
            }
            Op::Concat(_) => {
                let channels: Vec<usize> = (0..r.len()).map(|i| input(i)[1]).collect();
                concat::reference::forward(output(0), &channels, &r, &mut w[0]);
            }
            Op::ConcatGradient(_) => {
                let mut first = 0;
                for (index, part) in w.iter_mut().enumerate() {
                    let count = output(index)[1];
                    concat::reference::split(input(0), first, count, r[0], part);
                    first += count;
                }
            }
            Op::Softmax(_) => softmax::reference::forward(input(0)[1], r[0], &mut w[0]),
            Op::LogSoftmax(_) => softmax::reference::log_forward(input(0)[1], r[0], &mut w[0]),
            Op::LogSoftmaxGradient(_) => {
                softmax::reference::log_gradient(input(0)[1], r[0], r[1], &mut w[0]);
            }
            Op::SumTo(_)
            | Op::ReduceMean(_)
            | Op::ReduceMeanGradient(_)
            | Op::MatMul(_)
            | Op::Transpose(_)
            | Op::Slice(_)
            | Op::SliceGradient(_)
            | Op::Pad(_)
            | Op::PadGradient(_)
            | Op::Clip(_)
            | Op::ClipGradient(_) => general::step(self.graph, node, &r, &mut w[0]),
            Op::SoftmaxGradient(_) => softmax::reference::gradient(input(0)[1], r[0], r[1], &mut w[0]),
            Op::CrossEntropy(op) => {
                let labels: Vec<i64> = r[1].iter().map(|label| *label as i64).collect();
                let d = loss(op, input(0));
                w[0][0] = {
                    let mut probabilities = vec![0.0; r[0].len()];
                    let loss = cross_entropy::reference::forward(&d, r[0], &labels, &mut probabilities);
                    w[1] = probabilities;
                    loss
                };
            }
            Op::ClassLoss(op) => {
                let labels: Vec<i64> = r[1].iter().map(|label| *label as i64).collect();
                let [loss, probabilities] = &mut w[..] else { panic!("a loss writes two values") };
                loss[0] =
                    class_loss::reference::forward(&class_loss(op, input(0)), r[0], &labels, probabilities);
            }
            Op::ClassLossGradient(op) => {
                let labels: Vec<i64> = r[1].iter().map(|label| *label as i64).collect();
                class_loss::reference::gradient(&class_loss(&op.0, input(0)), r[0], &labels, &mut w[0]);
            }
            Op::CrossEntropyGradient(op) => {
                let labels: Vec<i64> = r[1].iter().map(|label| *label as i64).collect();
                cross_entropy::reference::gradient(&loss(&op.0, input(0)), r[0], &labels, &mut w[0]);
            }
            Op::ChannelSum(_) => reduce::reference::channel_sum(input(0), r[0], None, &mut w[0]),
            Op::ChannelProductSum(_) => {
                reduce::reference::channel_sum(input(0), r[0], Some(r[1]), &mut w[0]);
            }
            Op::Dropout(op) if r.len() == 3 => {
                let d = DropoutDesc { shape: input(0), probability: op.probability, salt: op.salt };
                dropout::reference::dropout(&d, r[0], r[1][0] as i64, r[2][0] as i64, &mut w[0]);
            }
            // Dropout without seed and step is that of inference, which does nothing.
            Op::Dropout(_) | Op::Flatten(_) | Op::Reshape(_) | Op::Constant(_) => {
                w[0].copy_from_slice(r[0]);
            }
            Op::Sgd(op) => {
                let d = SgdDesc {
                    len: r[0].len(),
                    momentum: op.momentum,
                    nesterov: op.nesterov,
                    weight_decay: op.weight_decay,
                };
                let (p, v) = w.split_at_mut(1);
                optimizer::reference::sgd(&d, r[0], r[1][0], &mut p[0], v.first_mut().map(|v| &mut v[..]));
            }
            Op::Adam(op) => {
                let d = AdamDesc {
                    len: r[0].len(),
                    beta1: op.beta1,
                    beta2: op.beta2,
                    epsilon: op.epsilon,
                    weight_decay: op.weight_decay,
                    decoupled: op.decoupled,
                };
                let [p, m, v] = &mut w[..] else { panic!("Adam writes three values") };
                optimizer::reference::adam(&d, r[0], r[1][0], r[2][0] as i64, p, m, v);
            }
            Op::Accumulate(_) => w[0].iter_mut().zip(r[0]).for_each(|(total, g)| *total += g),
            Op::ClipNorm(op) => {
                let (norm, gradients) = w.split_last_mut().expect("clipping writes the norm last");
                norm[0] = gradients.iter().flatten().map(|g| g * g).sum::<f64>().sqrt();
                let scale = (f64::from(op.max_norm) / norm[0]).min(1.0);
                gradients.iter_mut().flatten().for_each(|g| *g *= scale);
            }
        }
        for (id, value) in node.outputs.iter().zip(writes) {
            self.values.insert(*id, value);
        }
    }
}

fn linear(x: [usize; 4], y: [usize; 4], bias: bool, activation: Activation) -> LinearDesc {
    LinearDesc { batch: x[0], in_features: x[1], out_features: y[1], bias, activation: kernel(activation) }
}

fn norm(op: &ops::BatchNorm, activation: Activation, shape: [usize; 4]) -> BatchNormDesc {
    BatchNormDesc {
        shape,
        epsilon: op.epsilon,
        momentum: op.momentum,
        residual: false,
        activation: kernel(activation),
    }
}

fn scatter(op: &ops::ScatterKernels, weight: [usize; 4]) -> ScatterDesc {
    ScatterDesc { kernel: weight[2] * weight[3], places: op.places(weight[1]) }
}

fn rbf(x: [usize; 4], codes: [usize; 4]) -> RbfDesc {
    RbfDesc { rows: x[0], features: x[1], units: codes[0] }
}

fn gather(x: &[usize], op: &ops::Gather) -> GatherDesc {
    GatherDesc::new(x, op.axis, op.indices.clone())
}

fn function(function: ops::Function) -> Function {
    match function {
        ops::Function::LeakyRelu { slope } => Function::LeakyRelu { slope },
        ops::Function::Elu { alpha, scale, rate } => Function::Elu { alpha, scale, rate },
        ops::Function::HardSigmoid { slope, offset } => Function::HardSigmoid { slope, offset },
        ops::Function::HardSwish => Function::HardSwish,
        ops::Function::Gelu => Function::Gelu,
        ops::Function::GeluTanh => Function::GeluTanh,
        ops::Function::Exp => Function::Exp,
        ops::Function::Log => Function::Log,
        ops::Function::Sqrt => Function::Sqrt,
        ops::Function::Abs => Function::Abs,
        ops::Function::Erf => Function::Erf,
        ops::Function::Power { exponent } => Function::Power { exponent },
    }
}

fn lrn(op: &ops::Lrn, shape: [usize; 4]) -> LrnDesc {
    LrnDesc { shape, size: op.size, alpha: op.alpha, beta: op.beta, k: op.k }
}

fn shifted(shape: [usize; 4], y: [usize; 4], before: isize) -> PadChannelsDesc {
    PadChannelsDesc { shape, channels: y[1], before }
}

fn class_loss(op: &ops::ClassLoss, shape: [usize; 4]) -> ClassLossDesc {
    let criterion = match op.criterion {
        ops::Criterion::BinaryCrossEntropy => Criterion::BinaryCrossEntropy,
        ops::Criterion::MeanSquared => Criterion::MeanSquared,
        ops::Criterion::Hinge { margin, power } => Criterion::Hinge { margin, power },
        ops::Criterion::Rbf { j } => Criterion::Rbf { j },
    };
    ClassLossDesc { rows: shape[0], classes: shape[1], criterion, scale: op.scale }
}

fn loss(op: &ops::CrossEntropy, shape: [usize; 4]) -> CrossEntropyDesc {
    CrossEntropyDesc { rows: shape[0], classes: shape[1], smoothing: op.smoothing, scale: op.scale }
}
