//! The values of a graph, and access to them as operands of nodes.

use striate_tensor::{Error, Result, Shape};

use super::constant::Constant;
use super::import::Import;
use super::proto::Node;
use super::turned::Turned;
use crate::message::shown;

/// A computed value: the layer that computes it, and its shape for both batch sizes.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    pub layer: String,
    pub shapes: [Shape; 2],
}

impl Flow {
    pub fn rank(&self) -> usize {
        self.shapes[0].len()
    }
}

/// A value of the graph in the file.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Known(Constant),
    Flow(Flow),
    Turned(Turned),
}

impl Value {
    /// Returns its shape for both batch sizes.
    pub fn shapes(&self) -> [Vec<usize>; 2] {
        match self {
            Value::Known(constant) => [constant.shape.clone(), constant.shape.clone()],
            Value::Flow(flow) => flow.shapes.each_ref().map(|shape| shape.to_vec()),
            Value::Turned(Turned { flow, order }) => {
                flow.shapes.each_ref().map(|shape| order.iter().map(|axis| shape[*axis]).collect())
            }
        }
    }

    pub fn rank(&self) -> usize {
        self.shapes()[0].len()
    }
}

/// An operand with its axes in the graph's order.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    Known(Constant),
    Flow(Flow),
}

impl From<Operand> for Value {
    fn from(operand: Operand) -> Value {
        match operand {
            Operand::Known(constant) => Value::Known(constant),
            Operand::Flow(flow) => Value::Flow(flow),
        }
    }
}

impl Import<'_> {
    /// Returns operand `index` of a node, if it has one; a transposition may be pending.
    fn optional(&self, node: &Node, index: usize) -> Result<Option<Value>> {
        let Some(name) = node.inputs.get(index).filter(|name| !name.is_empty()) else { return Ok(None) };
        match self.values.get(name) {
            Some(value) => Ok(Some(value.clone())),
            None => Err(Error::input(format!(
                "reads {}, which no input, initializer or earlier node produces (a cycle, or nodes out of order)",
                shown(name)
            ))),
        }
    }

    /// Returns operand `index`; a transposition may be pending.
    pub fn as_it_stands(&self, node: &Node, index: usize) -> Result<Value> {
        let missing = || Error::input(format!("operand {} is missing", index + 1));
        self.optional(node, index)?.ok_or_else(missing)
    }

    /// Returns operand `index` with its axes in the graph's order.
    pub fn operand(&mut self, node: &Node, index: usize) -> Result<Operand> {
        Ok(match self.as_it_stands(node, index)? {
            Value::Known(constant) => Operand::Known(constant),
            Value::Flow(flow) => Operand::Flow(flow),
            Value::Turned(turned) => Operand::Flow(self.turn(node, turned)?),
        })
    }

    /// Returns operand `index` as a computed value; a constant becomes a layer.
    pub fn flow(&mut self, node: &Node, index: usize) -> Result<Flow> {
        match self.operand(node, index)? {
            Operand::Flow(flow) => Ok(flow),
            Operand::Known(constant) => self.constant_layer(node.inputs[index], constant, false),
        }
    }

    /// Returns operand `index`, which must be a constant.
    pub fn known(&self, node: &Node, index: usize) -> Result<Constant> {
        match self.as_it_stands(node, index)? {
            Value::Known(constant) => Ok(constant),
            _ => Err(Error::input(format!(
                "operand {} ({}) is computed; it must be an initializer here",
                index + 1,
                shown(node.inputs[index])
            ))),
        }
    }

    pub fn known_if_given(&self, node: &Node, index: usize) -> Result<Option<Constant>> {
        Ok(match self.optional(node, index)? {
            None => None,
            Some(_) => Some(self.known(node, index)?),
        })
    }
}
