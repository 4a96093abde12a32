//! Computes a graph in f64, node by node, from the formulas of its operations: the oracle for devices. Shares nothing
//! with the kernels or the engine. Ignores layouts, so it can run graphs at every stage of compilation.

mod channels;
mod functions;
mod general;
mod rows;
mod updates;
mod windows;

use std::collections::HashMap;

use striate_graph::{Graph, Kind, Node, Op, Role, ValueId};
use striate_tensor::{DType, bf16};

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
                (
                    None,
                    Kind::Variable {
                        role: Role::Gradient | Role::Total | Role::State | Role::Scalar, ..
                    },
                ) => {
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
        self.compute(node, &r, &mut writes);
        for (id, mut value) in node.outputs.iter().zip(writes) {
            if self.graph.value(*id).dtype == DType::BF16 {
                value.iter_mut().for_each(|x| *x = f64::from(bf16::from_f64(*x)));
            }
            self.values.insert(*id, value);
        }
    }

    fn compute(&self, node: &Node, r: &[&[f64]], w: &mut [Vec<f64>]) {
        match &node.op {
            Op::Conv(_)
            | Op::ConvDataGradient(_)
            | Op::ConvWeightGradient(_)
            | Op::LocallyConnected(_)
            | Op::LocallyConnectedDataGradient(_)
            | Op::LocallyConnectedWeightGradient(_)
            | Op::MaxPool(_)
            | Op::MaxPoolGradient(_)
            | Op::AveragePool(_)
            | Op::AveragePoolGradient(_)
            | Op::GlobalAveragePool(_) => windows::step(self.graph, node, r, &mut w[0]),
            Op::Relu(_)
            | Op::Relu6(_)
            | Op::Tanh(_)
            | Op::Sigmoid(_)
            | Op::ScaledTanh(_)
            | Op::ActivationGradient(_)
            | Op::LeakyRelu(_)
            | Op::Elu(_)
            | Op::HardSigmoid(_)
            | Op::HardSwish(_)
            | Op::Step(_)
            | Op::Gelu(_)
            | Op::Unary(_)
            | Op::Power(_)
            | Op::FunctionGradient(_)
            | Op::MultiplyBy(_)
            | Op::Cast(_)
            | Op::Dropout(_)
            | Op::Flatten(_)
            | Op::Reshape(_)
            | Op::Constant(_) => functions::step(node, r, &mut w[0]),
            Op::BatchNorm(_)
            | Op::BatchNormTraining(_)
            | Op::BatchNormGradient(_)
            | Op::BatchNormResidualGradient(_)
            | Op::FoldBatchNorm(_)
            | Op::Lrn(_)
            | Op::LrnGradient(_)
            | Op::Scale(_)
            | Op::ChannelSum(_)
            | Op::ChannelProductSum(_)
            | Op::PadChannels(_)
            | Op::PadChannelsGradient(_)
            | Op::Concat(_)
            | Op::ConcatGradient(_)
            | Op::ScatterKernels(_)
            | Op::ScatterKernelsGradient(_) => channels::step(self.graph, node, r, w),
            Op::Linear(_)
            | Op::LinearDataGradient(_)
            | Op::LinearWeightGradient(_)
            | Op::Rbf(_)
            | Op::RbfGradient(_)
            | Op::Softmax(_)
            | Op::SoftmaxGradient(_)
            | Op::LogSoftmax(_)
            | Op::LogSoftmaxGradient(_)
            | Op::CrossEntropy(_)
            | Op::CrossEntropyGradient(_)
            | Op::SoftCrossEntropy(_)
            | Op::SoftCrossEntropyGradient(_)
            | Op::ClassLoss(_)
            | Op::ClassLossGradient(_) => rows::step(self.graph, node, r, w),
            Op::Add(_)
            | Op::Sub(_)
            | Op::Mul(_)
            | Op::Div(_)
            | Op::Max(_)
            | Op::Min(_)
            | Op::ExtremumGradient(_)
            | Op::Gather(_)
            | Op::GatherGradient(_)
            | Op::SumTo(_)
            | Op::ReduceMean(_)
            | Op::ReduceMeanGradient(_)
            | Op::MatMul(_)
            | Op::Transpose(_)
            | Op::Slice(_)
            | Op::SliceGradient(_)
            | Op::Pad(_)
            | Op::PadGradient(_)
            | Op::Clip(_)
            | Op::ClipGradient(_) => general::step(self.graph, node, r, &mut w[0]),
            Op::Sgd(_) | Op::Adam(_) | Op::RmsProp(_) | Op::Lars(_) | Op::Average(_) | Op::ClipNorm(_) => {
                updates::step(node, r, w);
            }
        }
    }
}
