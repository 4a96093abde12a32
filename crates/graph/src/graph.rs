//! Values and nodes with every shape known: the compiler's representation.

use striate_tensor::{DType, Shape};

use crate::{Fan, Init, Loss, Op};

/// The index of a value in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub usize);

/// The purpose of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Learned by gradient descent; stored in the model file.
    Parameter,
    /// Updated by the forward computation (running statistics); stored in the model file.
    Buffer,
    /// A parameter's gradient, recomputed in each step.
    Gradient,
    /// The sum of a parameter's gradients over the parts of a batch, recomputed in each step.
    Total,
    /// The optimizer's state (momenta, averages); stored in checkpoints.
    State,
    /// Set from outside before each step: learning rate, step number, seed.
    Scalar,
}

/// The origin of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Provided for each run.
    Input,
    /// Persists from run to run.
    Variable {
        /// Its purpose.
        role: Role,
        /// Its initial values.
        init: Init,
        /// Fan-in and fan-out of one unit, which some initializations need.
        fan: Fan,
    },
    /// Computed by a node in every run.
    Computed,
}

/// A tensor in the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Unique in the graph.
    pub name: String,
    /// Extents, starting with the batch if there is one.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
    /// Its origin.
    pub kind: Kind,
}

impl Value {
    /// The role, if this is a variable.
    pub fn role(&self) -> Option<Role> {
        match self.kind {
            Kind::Variable { role, .. } => Some(role),
            _ => None,
        }
    }

    /// The number of bytes of its elements.
    pub fn bytes(&self) -> usize {
        self.shape.numel() * self.dtype.size()
    }
}

/// The part of a training step in which a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// Once, as long as the weights do not change.
    Prepare,
    /// For each (micro-)batch: forward computation, loss, gradients.
    Accumulate,
    /// After all gradients are accumulated: the optimizer's step.
    Update,
}

/// An operation applied to values. Nodes are stored in execution order.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The layer's name, unique in the graph.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// The values it reads: data first, then variables, in the order documented for its op.
    pub inputs: Vec<ValueId>,
    /// The values it writes; variables among them are updated in place.
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
    /// All nodes, in execution order.
    pub nodes: Vec<Node>,
    /// The values provided for each run.
    pub inputs: Vec<ValueId>,
    /// The values returned by each run.
    pub outputs: Vec<ValueId>,
    /// The network's own loss, if it has one.
    pub loss: Option<Loss>,
    /// Auxiliary outputs, each with the factor on its loss; empty once the training graph is derived.
    pub heads: Vec<(ValueId, f32)>,
    /// Parameters with their gradients, in the order in which the gradients are computed.
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
        self.values.push(Value { name: name.into(), shape, dtype, kind });
        ValueId(self.values.len() - 1)
    }

    /// Adds an `f32` value that a node will compute.
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
    ) {
        self.nodes.push(Node { name: name.into(), op: op.into(), inputs, outputs, segment });
    }

    /// Finds the value named `name`.
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.values.iter().position(|value| value.name == name).map(ValueId)
    }

    /// The variables with the given role, in the graph's order.
    pub fn variables(&self, role: Role) -> impl Iterator<Item = (ValueId, &Value)> {
        self.values
            .iter()
            .enumerate()
            .filter(move |(_, value)| value.role() == Some(role))
            .map(|(index, value)| (ValueId(index), value))
    }

    /// Removes nodes whose results are unused, and returns how many.
    ///
    /// A node is live if it updates a variable, or produces an output or a value that a live node reads.
    pub fn remove_dead_nodes(&mut self) -> usize {
        let mut used: Vec<bool> = vec![false; self.values.len()];
        for id in &self.outputs {
            used[id.0] = true;
        }
        let before = self.nodes.len();
        let mut kept: Vec<Node> = Vec::with_capacity(before);
        for node in self.nodes.drain(..).rev() {
            let live = node.outputs.iter().any(|out| used[out.0] || self.values[out.0].role().is_some());
            if live {
                node.inputs.iter().for_each(|input| used[input.0] = true);
                kept.push(node);
            }
        }
        kept.reverse();
        self.nodes = kept;
        before - self.nodes.len()
    }
}
