//! Values and nodes with every shape known: what the compiler works on.

use std::collections::HashMap;

use striate_tensor::{DType, Layout, Shape};

use crate::{Fan, Init, Loss, Op};

/// The index of a value in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub usize);

/// The index of a node in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// What a variable is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Learned by gradient descent; stored in the model file.
    Parameter,
    /// Changed by the forward pass (running statistics); stored in the model file.
    Buffer,
    /// A parameter's gradient, made anew in each step.
    Gradient,
    /// The optimizer's memory (momenta, averages); stored in checkpoints.
    State,
    /// Set from outside before each step: learning rate, step number, seed.
    Scalar,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Given for each run.
    Input,
    /// Lives from run to run.
    Variable {
        /// What it is for.
        role: Role,
        /// Its first values.
        init: Init,
        /// Inputs and outputs of one unit, which some initializations need.
        fan: Fan,
    },
    /// Made by a node, in every run.
    Computed,
}

/// A tensor in the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Unique in the graph.
    pub name: String,
    /// Extents, batch first where there is one.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
    /// Where it comes from.
    pub kind: Kind,
    /// How it lies in memory; [`Layout::Plain`] until the compiler decides.
    pub layout: Layout,
}

impl Value {
    /// The role, if it is a variable.
    pub fn role(&self) -> Option<Role> {
        match self.kind {
            Kind::Variable { role, .. } => Some(role),
            _ => None,
        }
    }

    /// Bytes that it occupies in its layout.
    pub fn bytes(&self) -> usize {
        self.layout.len(&self.shape) * self.dtype.size()
    }
}

/// When a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// Once, as long as the weights do not change.
    Prepare,
    /// For each (micro-)batch: forward, loss, gradients.
    Accumulate,
    /// After the gradients were exchanged: the optimizer's step.
    Update,
}

/// An operation on values. Nodes stand in the order in which they run.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The layer's name, unique in the graph.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// What it reads: data first, then its variables, in the order its op states.
    pub inputs: Vec<ValueId>,
    /// What it writes; a variable among them is updated in place.
    pub outputs: Vec<ValueId>,
    /// When it runs.
    pub segment: Segment,
}

/// A computation with every shape known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// The network's name.
    pub name: String,
    /// All values.
    pub values: Vec<Value>,
    /// All nodes, in the order in which they run.
    pub nodes: Vec<Node>,
    /// What is given for each run.
    pub inputs: Vec<ValueId>,
    /// What is wanted from each run.
    pub outputs: Vec<ValueId>,
    /// What the network is trained with, if it says so.
    pub loss: Option<Loss>,
    /// Auxiliary outputs, each with the factor on its loss; only before training is derived.
    pub heads: Vec<(ValueId, f32)>,
    /// Parameters with their gradients, in the order in which the backward pass makes them.
    pub gradients: Vec<(ValueId, ValueId)>,
}

impl Graph {
    /// The value `id`.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    /// The extents of the value `id`.
    pub fn shape(&self, id: ValueId) -> &Shape {
        &self.values[id.0].shape
    }

    /// Adds a value.
    pub fn add_value(&mut self, name: impl Into<String>, shape: Shape, dtype: DType, kind: Kind) -> ValueId {
        self.values.push(Value { name: name.into(), shape, dtype, kind, layout: Layout::Plain });
        ValueId(self.values.len() - 1)
    }

    /// Adds an `f32` value that a node will make.
    pub fn add_computed(&mut self, name: impl Into<String>, shape: Shape) -> ValueId {
        self.add_value(name, shape, DType::F32, Kind::Computed)
    }

    /// Adds a node at the end.
    pub fn add_node(
        &mut self,
        name: impl Into<String>,
        op: impl Into<Op>,
        inputs: Vec<ValueId>,
        outputs: Vec<ValueId>,
        segment: Segment,
    ) -> NodeId {
        self.nodes.push(Node { name: name.into(), op: op.into(), inputs, outputs, segment });
        NodeId(self.nodes.len() - 1)
    }

    /// The value called `name`.
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.values.iter().position(|value| value.name == name).map(ValueId)
    }

    /// The variables of `role`, in the graph's order.
    pub fn variables(&self, role: Role) -> impl Iterator<Item = (ValueId, &Value)> {
        self.values
            .iter()
            .enumerate()
            .filter(move |(_, value)| value.role() == Some(role))
            .map(|(index, value)| (ValueId(index), value))
    }

    /// Which node makes each computed value.
    pub fn producers(&self) -> HashMap<ValueId, NodeId> {
        let mut producers = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            for output in &node.outputs {
                if self.value(*output).kind == Kind::Computed {
                    producers.insert(*output, NodeId(index));
                }
            }
        }
        producers
    }

    /// Which nodes read each value, in the order in which they run.
    pub fn consumers(&self) -> HashMap<ValueId, Vec<NodeId>> {
        let mut consumers: HashMap<ValueId, Vec<NodeId>> = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            for input in &node.inputs {
                consumers.entry(*input).or_default().push(NodeId(index));
            }
        }
        consumers
    }

    /// Removes nodes whose results nobody wants, and returns how many.
    ///
    /// A node is wanted if it updates a variable, or makes an output or what a wanted node reads.
    pub fn remove_dead_nodes(&mut self) -> usize {
        let mut wanted: Vec<bool> = vec![false; self.values.len()];
        for id in &self.outputs {
            wanted[id.0] = true;
        }
        let before = self.nodes.len();
        let mut kept: Vec<Node> = Vec::with_capacity(before);
        for node in self.nodes.drain(..).rev() {
            let alive = node.outputs.iter().any(|out| wanted[out.0] || self.values[out.0].role().is_some());
            if alive {
                node.inputs.iter().for_each(|input| wanted[input.0] = true);
                kept.push(node);
            }
        }
        kept.reverse();
        self.nodes = kept;
        before - self.nodes.len()
    }
}
