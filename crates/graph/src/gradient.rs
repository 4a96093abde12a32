//! The gradient rules of all operations.
//!
//! [`backward`] and [`backward_from`] visit the nodes from last to first and apply the rule of each, which adds the
//! nodes that compute the gradients of its inputs from the gradient of its output. Contributions to the same value are
//! summed in the order in which they appear.

use std::collections::{HashMap, HashSet};

use striate_tensor::{DType, Error, Result, Shape};

use crate::Init;
use crate::graph::{Graph, Kind, Node, Role, Segment, ValueId};
use crate::ops::*;

/// Adds the gradients of all parameters that are not `frozen` to `graph`, whose last nodes are the losses. Each
/// parameter must have a single reader, whose gradient writes that of the parameter.
pub(crate) fn backward(graph: &mut Graph, frozen: &HashSet<ValueId>) -> Result<()> {
    let parameters = graph.variables(Role::Parameter).map(|(id, _)| id);
    let parameters: Vec<ValueId> = parameters.filter(|id| !frozen.contains(id)).collect();
    Backward::new(graph, &parameters).visit_all()
}

/// Adds to `graph` the gradients of `targets`, which are inputs or computed values, given the gradient `dy` of the
/// value `y`. Returns the gradient of each value that depends on a target and that `y` depends on. Batch norms and
/// dropout have the form of inference.
pub(crate) fn backward_from(
    graph: &mut Graph,
    y: ValueId,
    dy: ValueId,
    targets: &[ValueId],
) -> Result<HashMap<ValueId, ValueId>> {
    let mut backward = Backward::new(graph, targets);
    backward.contribute(y, dy);
    backward.visit_all()?;
    Ok(backward.gradients)
}

impl Backward<'_> {
    /// Applies the rules of all nodes, from last to first.
    fn visit_all(&mut self) -> Result<()> {
        let forward = self.graph.nodes.clone();
        for node in forward.iter().rev() {
            self.differentiate(node).map_err(|e| e.at(format!("gradient of layer {}", node.name)))?;
        }
        Ok(())
    }

    /// Applies the rule of `node`. `x` is its data input, `y` its output, `dy` the gradient of `y`.
    fn differentiate(&mut self, node: &Node) -> Result<()> {
        let x = node.inputs[0];
        let y = node.outputs[0];
        if let Op::CrossEntropy(loss) = &node.op {
            let (probabilities, labels) = (node.outputs[1], node.inputs[1]);
            self.add(node, CrossEntropyGradient(loss.clone()), vec![probabilities, labels], &[x]);
            return Ok(());
        }
        if let Op::SoftCrossEntropy(loss) = &node.op {
            let (probabilities, targets) = (node.outputs[1], node.inputs[1]);
            self.add(node, SoftCrossEntropyGradient(loss.clone()), vec![probabilities, targets], &[x]);
            return Ok(());
        }
        if let Op::ClassLoss(loss) = &node.op {
            self.add(node, ClassLossGradient(loss.clone()), node.inputs.clone(), &[x]);
            return Ok(());
        }
        let Some(dy) = self.gradient_of(y) else { return Ok(()) };
        match &node.op {
            Op::Conv(conv) => {
                let weight = node.inputs[1];
                self.add(node, ConvWeightGradient(conv.clone()), vec![x, dy], &[weight]);
                if conv.bias {
                    self.add(node, ChannelSum, vec![dy], &[node.inputs[2]]);
                }
                self.add(node, ConvDataGradient(conv.clone()), vec![dy, weight], &[x]);
            }
            Op::Linear(linear) => {
                let weight = node.inputs[1];
                self.add(node, LinearWeightGradient, vec![x, dy], &[weight]);
                if linear.bias {
                    self.add(node, ChannelSum, vec![dy], &[node.inputs[2]]);
                }
                self.add(node, LinearDataGradient, vec![dy, weight], &[x]);
            }
            Op::BatchNormTraining(training) => {
                let (scale, shift) = (node.inputs[1], node.inputs[2]);
                let (mean, inverse_deviation) = (node.outputs[1], node.outputs[2]);
                let operands = vec![x, dy, scale, mean, inverse_deviation];
                let norm = training.norm.clone();
                let gradient = BatchNormGradient { norm, activation: Activation::None };
                self.add(node, gradient, operands, &[x, scale, shift]);
            }
            // With fixed statistics μ and σ², the same scaling of dy, without β and μ.
            Op::BatchNorm(norm) if self.depends[x.0] => {
                let [scale, shift, mean, variance] = node.inputs[1..] else {
                    unreachable!("a batch norm has four variables")
                };
                let [shift, mean] = [shift, mean].map(|id| self.zeros_like(id));
                self.add(node, norm.clone(), vec![dy, scale, shift, mean, variance], &[x]);
            }
            Op::BatchNorm(_) => {}
            Op::LocallyConnected(local) => {
                let weight = node.inputs[1];
                self.add(node, LocallyConnectedWeightGradient(local.clone()), vec![x, dy], &[weight]);
                if local.bias {
                    self.add(node, SumTo { factor: 1.0 }, vec![dy], &[node.inputs[2]]);
                }
                self.add(node, LocallyConnectedDataGradient(local.clone()), vec![dy, weight], &[x]);
            }
            Op::ScatterKernels(scatter) => {
                self.add(node, ScatterKernelsGradient(scatter.clone()), vec![dy], &[x]);
            }
            Op::Rbf(_) => self.add(node, RbfGradient, vec![x, node.inputs[1], dy], &[x]),
            Op::Scale(scale) => {
                let weight = node.inputs[1];
                self.add(node, ChannelProductSum, vec![x, dy], &[weight]);
                if scale.bias {
                    self.add(node, ChannelSum, vec![dy], &[node.inputs[2]]);
                }
                self.add(node, Scale { bias: false }, vec![dy, weight], &[x]);
            }
            Op::MultiplyBy(multiply) => self.add(node, multiply.clone(), vec![dy], &[x]),
            Op::Lrn(lrn) => self.add(node, LrnGradient(lrn.clone()), vec![x, dy], &[x]),
            Op::PadChannels(pad) => self.add(node, PadChannelsGradient(pad.clone()), vec![dy], &[x]),
            Op::Relu(_) | Op::Relu6(_) | Op::Tanh(_) | Op::Sigmoid(_) | Op::ScaledTanh(_) => {
                let activation = node.op.activation().expect("is an activation");
                self.add(node, ActivationGradient(activation), vec![y, dy], &[x]);
            }
            Op::LeakyRelu(_)
            | Op::Elu(_)
            | Op::HardSigmoid(_)
            | Op::HardSwish(_)
            | Op::Step(_)
            | Op::Gelu(_)
            | Op::Unary(_)
            | Op::Power(_) => {
                let function = node.op.function().expect("is a function");
                self.add(node, FunctionGradient(function), vec![x, dy], &[x]);
            }
            Op::MaxPool(pool) => self.add(node, MaxPoolGradient::new(pool.clone()), vec![x, dy], &[x]),
            Op::AveragePool(pool) => self.add(node, AveragePoolGradient::new(pool.clone()), vec![dy], &[x]),
            Op::GlobalAveragePool(_) => {
                let pool = GlobalAveragePool::as_pool(self.graph.shape(x));
                self.add(node, AveragePoolGradient::new(pool), vec![dy], &[x]);
            }
            Op::Add(_) => {
                self.unbroadcast(node, dy, x, 1.0);
                self.unbroadcast(node, dy, node.inputs[1], 1.0);
            }
            Op::Sub(_) => {
                self.unbroadcast(node, dy, x, 1.0);
                self.unbroadcast(node, dy, node.inputs[1], -1.0);
            }
            Op::Mul(_) => {
                for (target, other) in [(x, node.inputs[1]), (node.inputs[1], x)] {
                    if self.depends[target.0] {
                        let share = self.compute(node, Mul {}, [dy, other]);
                        self.unbroadcast(node, share, target, 1.0);
                    }
                }
            }
            Op::Div(_) => {
                let divisor = node.inputs[1];
                let share = self.compute(node, Div {}, [dy, divisor]);
                self.unbroadcast(node, share, x, 1.0);
                if self.depends[divisor.0] {
                    let share = self.compute(node, Mul {}, [share, y]);
                    self.unbroadcast(node, share, divisor, -1.0);
                }
            }
            Op::Max(_) | Op::Min(_) => {
                let is_min = matches!(node.op, Op::Min(_));
                for (target, other) in [(x, node.inputs[1]), (node.inputs[1], x)] {
                    if self.depends[target.0] {
                        let shape = self.graph.shape(y).clone();
                        let operands = vec![target, other, dy];
                        let share = self.compute_as(node, ExtremumGradient { is_min }, operands, shape);
                        self.unbroadcast(node, share, target, 1.0);
                    }
                }
            }
            Op::MatMul(_) => {
                let other = node.inputs[1];
                if self.depends[x.0] {
                    let share =
                        self.compute(node, MatMul { transpose_a: false, transpose_b: true }, [dy, other]);
                    self.unbroadcast(node, share, x, 1.0);
                }
                if self.depends[other.0] {
                    let share = self.compute(node, MatMul { transpose_a: true, transpose_b: false }, [x, dy]);
                    self.unbroadcast(node, share, other, 1.0);
                }
            }
            Op::Constant(_) => self.add(node, SumTo { factor: 1.0 }, vec![dy], &[x]),
            Op::Transpose(transpose) => self.add(node, transpose.inverse(), vec![dy], &[x]),
            Op::Slice(slice) => self.add(node, SliceGradient(slice.clone()), vec![dy], &[x]),
            Op::Gather(gather) => self.add(node, GatherGradient(gather.clone()), vec![dy], &[x]),
            Op::Pad(pad) => self.add(node, PadGradient(pad.clone()), vec![dy], &[x]),
            Op::ReduceMean(_) => self.add(node, ReduceMeanGradient, vec![dy], &[x]),
            Op::Clip(clip) => self.add(node, ClipGradient(clip.clone()), vec![x, dy], &[x]),
            Op::LogSoftmax(_) => self.add(node, LogSoftmaxGradient, vec![y, dy], &[x]),
            Op::Concat(_) => self.add(node, ConcatGradient, vec![dy], &node.inputs),
            Op::Flatten(_) | Op::Reshape(_) => {
                let shape = Reshape::to(self.graph.shape(x));
                self.add(node, shape, vec![dy], &[x]);
            }
            // In inference, dropout passes its input on.
            Op::Dropout(_) if node.inputs.len() == 1 => self.contribute(x, dy),
            Op::Dropout(dropout) => {
                let (seed, step) = (node.inputs[1], node.inputs[2]);
                self.add(node, dropout.clone(), vec![dy, seed, step], &[x]);
            }
            Op::Softmax(_) => self.add(node, SoftmaxGradient, vec![y, dy], &[x]),
            other => {
                return Err(Error::input(format!(
                    "{} has no gradient, so layers before it cannot be trained",
                    other.name()
                )));
            }
        }
        Ok(())
    }
}

struct Backward<'g> {
    graph: &'g mut Graph,
    /// The gradients found so far.
    gradients: HashMap<ValueId, ValueId>,
    /// Which values depend on one whose gradient is wanted.
    depends: Vec<bool>,
}

impl<'g> Backward<'g> {
    /// Prepares for the gradients of `targets`.
    fn new(graph: &'g mut Graph, targets: &[ValueId]) -> Self {
        let mut depends = vec![false; graph.values.len()];
        targets.iter().for_each(|target| depends[target.0] = true);
        for node in &graph.nodes {
            if node.inputs.iter().any(|input| depends[input.0]) {
                node.outputs.iter().for_each(|output| depends[output.0] = true);
            }
        }
        Backward { graph, gradients: HashMap::new(), depends }
    }

    fn gradient_of(&self, value: ValueId) -> Option<ValueId> {
        self.gradients.get(&value).copied()
    }

    /// Adds a node that computes the gradients of `targets`, unless none of them is needed.
    fn add(&mut self, of: &Node, op: impl Into<Op>, operands: Vec<ValueId>, targets: &[ValueId]) {
        if !targets.iter().any(|target| self.depends[target.0]) {
            return;
        }
        let op = op.into();
        let name = format!("{}/{}", op.name(), of.name);
        let outputs: Vec<ValueId> = targets.iter().map(|target| self.new_gradient(*target)).collect();
        self.graph.add_node(name, op, operands, outputs.clone(), Segment::Accumulate);
        for (target, output) in targets.iter().zip(outputs) {
            self.contribute(*target, output);
        }
    }

    /// Adds a node that computes an intermediate value of a gradient.
    fn compute(&mut self, of: &Node, op: impl Into<Op>, operands: [ValueId; 2]) -> ValueId {
        let op = op.into();
        let shapes = operands.map(|id| self.graph.shape(id).clone());
        let layer = op.layer().expect("intermediate values are computed by layers");
        let shape = layer
            .output(&[&shapes[0], &shapes[1]])
            .expect("the shapes fit, as they did in the forward direction");
        self.compute_as(of, op, operands.to_vec(), shape)
    }

    /// Like [`Backward::compute`], for an operation whose output has this shape.
    fn compute_as(&mut self, of: &Node, op: impl Into<Op>, operands: Vec<ValueId>, shape: Shape) -> ValueId {
        let name = format!("gradient/{}.{}", of.name, self.graph.nodes.len());
        let value = self.graph.add_computed(name.clone(), shape);
        self.graph.add_node(name, op, operands, vec![value], Segment::Accumulate);
        value
    }

    /// Adds zeros in the shape of the variable `id`, which has finite values.
    fn zeros_like(&mut self, id: ValueId) -> ValueId {
        let (name, shape) = (format!("zeros/{}", self.graph.value(id).name), self.graph.shape(id).clone());
        if let Some(known) = self.graph.find(&name) {
            return known;
        }
        let zeros = self.graph.add_computed(name.clone(), shape);
        self.graph.add_node(name, MultiplyBy { factor: 0.0 }, vec![id], vec![zeros], Segment::Accumulate);
        zeros
    }

    /// Contributes `factor` times `contribution` to `target`, summed over the axes that broadcasting expanded.
    fn unbroadcast(&mut self, of: &Node, contribution: ValueId, target: ValueId, factor: f32) {
        if factor == 1.0 && self.graph.shape(contribution) == self.graph.shape(target) {
            return self.contribute(target, contribution);
        }
        self.add(of, SumTo { factor }, vec![contribution], &[target]);
    }

    /// Adds the value that receives one contribution to the gradient of `target`: for a parameter, which has only one,
    /// its gradient variable.
    fn new_gradient(&mut self, target: ValueId) -> ValueId {
        let (name, shape) = (self.graph.value(target).name.clone(), self.graph.shape(target).clone());
        if self.is_trained_parameter(target) {
            return self.gradient_variable(name, shape, target);
        }
        let name = match self.gradients.contains_key(&target) {
            false => format!("gradient.{name}"),
            true => format!("gradient.{name}.{}", self.graph.nodes.len()),
        };
        self.graph.add_computed(name, shape)
    }

    fn is_trained_parameter(&self, id: ValueId) -> bool {
        self.depends[id.0] && self.graph.value(id).role() == Some(Role::Parameter)
    }

    /// Adds the variable that holds the gradient of the parameter `target`.
    fn gradient_variable(&mut self, name: String, shape: Shape, target: ValueId) -> ValueId {
        debug_assert!(
            self.graph.gradients.iter().all(|(parameter, _)| *parameter != target),
            "{name} has one reader"
        );
        let kind = Kind::Variable { role: Role::Gradient, init: Init::Constant(0.0), fan: (1, 1).into() };
        let gradient = self.graph.add_value(format!("gradient.{name}"), shape, DType::F32, kind);
        self.graph.gradients.push((target, gradient));
        gradient
    }

    /// Adds `contribution` to the gradient of `target`.
    fn contribute(&mut self, target: ValueId, contribution: ValueId) {
        if !self.depends[target.0] {
            return;
        }
        if self.graph.value(target).role() == Some(Role::Parameter) {
            return;
        }
        let total = match self.gradient_of(target) {
            None => contribution,
            Some(before) => {
                let (name, shape) = (&self.graph.value(target).name, self.graph.shape(target).clone());
                let name = format!("sum.{name}.{}", self.graph.nodes.len());
                let sum = self.graph.add_computed(name.clone(), shape);
                let operands = vec![before, contribution];
                self.graph.add_node(name, Add {}, operands, vec![sum], Segment::Accumulate);
                sum
            }
        };
        self.gradients.insert(target, total);
    }
}
