//! Rules for operators on several values: arithmetic and concatenation.

use striate_graph::Op;
use striate_graph::ops::{Clip, Concat, MultiplyBy};
use striate_tensor::{Error, Result, Shape};

use super::folding::{Arithmetic, arithmetic, concat};
use super::import::{Import, stem_of};
use super::layers::axis_of;
use super::proto::Node;
use super::turned::Turned;
use super::value::{Flow, Value};

impl Import<'_> {
    pub(super) fn arithmetic(&mut self, node: &Node, op: Arithmetic, layer: Op) -> Result<Vec<Value>> {
        let (a, mut b) = (self.as_it_stands(node, 0)?, self.as_it_stands(node, 1)?);
        if let (Some(axis), Value::Known(constant)) = (node.int("axis")?, &mut b) {
            // Before opset 7, an attribute aligned the second operand with an axis.
            let behind = a.rank().checked_sub(axis_of(axis, a.rank())? + constant.shape.len());
            let behind = behind.ok_or_else(|| Error::input("attribute axis does not fit the operands"))?;
            *constant = constant.reshaped([&constant.shape[..], &vec![1; behind]].concat())?;
        }
        Ok(vec![self.combine(node, op, layer, [a, b], [node.inputs[0], node.inputs[1]])?])
    }

    /// Applies `op` to two operands named `names`; computed operands make it a `layer`.
    pub(super) fn combine(
        &mut self,
        node: &Node,
        op: Arithmetic,
        layer: Op,
        [a, b]: [Value; 2],
        names: [&str; 2],
    ) -> Result<Value> {
        if let (Value::Known(a), Value::Known(b)) = (&a, &b) {
            return Ok(Value::Known(arithmetic(op, a, b, &mut self.budget)?));
        }
        if let Some(done) = self.with_number(node, op, [&a, &b])? {
            return Ok(done);
        }
        // A pending transposition of one operand stays pending if the other can follow it.
        let order = match (&a, &b) {
            (Value::Turned(a), Value::Turned(b)) if a.order == b.order => Some(a.clone()),
            (Value::Turned(turned), Value::Known(constant))
            | (Value::Known(constant), Value::Turned(turned))
                if constant.shape.len() <= turned.order.len() =>
            {
                Some(turned.clone())
            }
            _ => None,
        };
        let is_addition = op == Arithmetic::Add;
        let mut operand = |value: Value, name: &str| match (value, &order) {
            (Value::Turned(value), Some(_)) => Ok(value.flow),
            (Value::Known(constant), order) => {
                let trained = is_addition && constant.is_weight;
                let constant = match order {
                    Some(order) => order.unturned(&constant, &mut self.budget)?,
                    None => constant,
                };
                self.constant_layer(name, constant, trained)
            }
            (Value::Flow(value), _) => Ok(value),
            (Value::Turned(value), None) => self.turn(node, value),
        };
        let (a, b) = (operand(a, names[0])?, operand(b, names[1])?);
        let y = self.layer(&stem_of(node), layer, &[&a, &b], vec![])?;
        Ok(order.map_or_else(|| Value::Flow(y.clone()), |order| order.clone().with(y.clone())))
    }

    /// Combines a computed value with a single number, if there is a layer for that.
    fn with_number(&mut self, node: &Node, op: Arithmetic, operands: [&Value; 2]) -> Result<Option<Value>> {
        let rank = operands[0].rank().max(operands[1].rank());
        let ([Value::Known(number), data] | [data, Value::Known(number)]) = operands else { return Ok(None) };
        if !number.is_float() || number.len()? != 1 || data.rank() != rank {
            return Ok(None);
        }
        let number = number.scalar()?;
        let layer: Op = match op {
            Arithmetic::Mul => MultiplyBy { factor: number }.into(),
            Arithmetic::Max => Clip { min: number, max: f32::MAX }.into(),
            Arithmetic::Min => Clip { min: f32::MIN, max: number }.into(),
            _ => return Ok(None),
        };
        let (flow, order) = match data.clone() {
            Value::Turned(turned) => (turned.flow, turned.order),
            Value::Flow(flow) => {
                let order = (0..flow.rank()).collect();
                (flow, order)
            }
            Value::Known(_) => return Ok(None),
        };
        let y = self.layer(&stem_of(node), layer, &[&flow], vec![])?;
        Ok(Some(Turned { flow: y, order }.value()))
    }

    pub(super) fn concat(&mut self, node: &Node) -> Result<Vec<Value>> {
        let parts =
            (0..node.inputs.len()).map(|index| self.as_it_stands(node, index)).collect::<Result<Vec<_>>>()?;
        let axis = node.int("axis")?.unwrap_or(1);
        let known = |part: &Value| if let Value::Known(part) = part { Some(part.clone()) } else { None };
        if let Some(known) = parts.iter().map(known).collect::<Option<Vec<_>>>() {
            let first = known.first().ok_or_else(|| Error::input("has no operands"))?;
            let axis = axis_of(axis, first.shape.len())?;
            return Ok(vec![Value::Known(concat(&known, axis, &mut self.budget)?)]);
        }
        if let Some(joined) = self.concat_turned(node, &parts, axis)? {
            return Ok(vec![joined]);
        }
        let flows = (0..parts.len()).map(|index| self.flow(node, index)).collect::<Result<Vec<_>>>()?;
        let rank = flows[0].rank();
        let axis = axis_of(axis, rank)?;
        if axis == 1 && rank <= 5 {
            let flows: Vec<&Flow> = flows.iter().collect();
            return Ok(vec![Value::Flow(self.layer(&stem_of(node), Concat {}, &flows, vec![])?)]);
        }
        if axis == 0 {
            return Err(Error::input("attribute axis: concatenation along the batch is not supported"));
        }
        let fits = |flow: &Flow| {
            let others = |shape: &Shape| {
                [&shape[..axis.min(shape.len())], &shape[(axis + 1).min(shape.len())..]].concat()
            };
            flow.rank() == rank && others(&flow.shapes[0]) == others(&flows[0].shapes[0])
        };
        if !flows.iter().all(fits) {
            return Err(Error::input("its operands cannot be concatenated"));
        }
        // The axis and all later ones are joined as if they were channels.
        let mut rows = Vec::new();
        for flow in &flows {
            let to = flow.shapes.each_ref().map(|shape| {
                Shape::from([shape[..axis].iter().product::<usize>(), shape[axis..].iter().product()])
            });
            rows.push(self.reshape(node, flow, &to)?);
        }
        let joined = self.layer(&stem_of(node), Concat {}, &rows.iter().collect::<Vec<_>>(), vec![])?;
        let whole = [0, 1].map(|side| {
            let mut extents = flows[0].shapes[side].to_vec();
            extents[axis] = flows.iter().map(|flow| flow.shapes[side][axis]).sum();
            Shape::new(extents)
        });
        Ok(vec![Value::Flow(self.reshape(node, &joined, &whole)?)])
    }

    /// Concatenates values with equal pending transpositions along their channels; `None` for all others.
    fn concat_turned(&mut self, node: &Node, parts: &[Value], axis: i64) -> Result<Option<Value>> {
        let turned = |part: &Value| if let Value::Turned(part) = part { Some(part.clone()) } else { None };
        let Some(parts) = parts.iter().map(turned).collect::<Option<Vec<_>>>() else { return Ok(None) };
        let first = &parts[0];
        let axis = axis_of(axis, first.order.len())?;
        if first.order[axis] != 1
            || first.order.len() > 5
            || parts.iter().any(|part| part.order != first.order)
        {
            return Ok(None);
        }
        let flows: Vec<&Flow> = parts.iter().map(|part| &part.flow).collect();
        let joined = self.layer(&stem_of(node), Concat {}, &flows, vec![])?;
        Ok(Some(first.clone().with(joined)))
    }
}
