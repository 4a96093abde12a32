//! Postponed transpositions: a value is transposed only where the order of its axes matters. Graphs of channels-last
//! frameworks transpose before and after every convolution; most of these cancel out.

use striate_graph::Op;
use striate_graph::ops::Transpose;
use striate_tensor::{Error, Result, Shape};

use super::budget::Budget;
use super::constant::Constant;
use super::import::{Import, stem_of};
use super::proto::Node;
use super::value::{Flow, Value};

/// A computed value whose axis i is axis `order[i]` of `flow`.
#[derive(Debug, Clone)]
pub(super) struct Turned {
    pub flow: Flow,
    pub order: Vec<usize>,
}

impl Turned {
    pub fn value(self) -> Value {
        if self.order.iter().copied().eq(0..self.order.len()) {
            return Value::Flow(self.flow);
        }
        Value::Turned(self)
    }

    /// Permutes the axes once more: axis i of the result is axis `order[i]` of this value.
    pub fn again(self, order: &[usize]) -> Value {
        let order = order.iter().map(|axis| self.order[*axis]).collect();
        Turned { flow: self.flow, order }.value()
    }

    /// Returns `flow`, which was computed from this value, with the same pending transposition.
    pub fn with(self, flow: Flow) -> Value {
        Turned { flow, ..self }.value()
    }

    /// Returns `constant`, an operand to be combined with this value, transposed so that it fits the untransposed one.
    pub fn unturned(&self, constant: &Constant, budget: &mut Budget) -> Result<Constant> {
        let missing = self.order.len().checked_sub(constant.shape.len());
        let missing = missing.ok_or_else(|| Error::input("an operand has more axes than the data"))?;
        let whole = constant.reshaped([&vec![1; missing], &constant.shape[..]].concat())?;
        whole.transposed(&Transpose { permutation: self.order.clone() }.inverse().permutation, budget)
    }
}

impl Import<'_> {
    /// Carries out a pending transposition.
    pub(super) fn turn(&mut self, node: &Node, turned: Turned) -> Result<Flow> {
        let Turned { flow, order } = turned;
        let key = (flow.layer.clone(), order.clone());
        if let Some(done) = self.turned.get(&key) {
            return Ok(done.clone());
        }
        let to =
            flow.shapes.each_ref().map(|shape| order.iter().map(|axis| shape[*axis]).collect::<Vec<_>>());
        let moved: Vec<usize> = order.iter().copied().filter(|axis| flow.shapes[1][*axis] != 1).collect();
        let done = match moved.is_sorted() {
            // Moving axes of extent 1 does not change the order of the elements.
            true => self.reshape(node, &flow, &to.map(Shape::new))?,
            false => {
                let permutation = order;
                self.layer(&format!("{}/turn", stem_of(node)), Transpose { permutation }, &[&flow], vec![])?
            }
        };
        self.turned.insert(key, done.clone());
        Ok(done)
    }

    /// Returns operand `index` as a computed value with its pending transposition.
    pub(super) fn computed(&mut self, node: &Node, index: usize) -> Result<Turned> {
        match self.as_it_stands(node, index)? {
            Value::Turned(turned) => Ok(turned),
            _ => {
                let flow = self.flow(node, index)?;
                Ok(Turned { order: (0..flow.rank()).collect(), flow })
            }
        }
    }

    /// Adds an elementwise layer on the first operand; a pending transposition stays pending.
    pub(super) fn elementwise(&mut self, node: &Node, op: impl Into<Op>) -> Result<Vec<Value>> {
        self.elementwise_of(node, 0, op)
    }

    /// As [`Import::elementwise`], on operand `index`.
    pub(super) fn elementwise_of(
        &mut self,
        node: &Node,
        index: usize,
        op: impl Into<Op>,
    ) -> Result<Vec<Value>> {
        let x = self.computed(node, index)?;
        let y = self.layer(&stem_of(node), op, &[&x.flow], vec![])?;
        Ok(vec![x.with(y)])
    }
}
