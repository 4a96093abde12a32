//! What operations on several values, or over axes, become: arithmetic, concatenation, means, borders.

use striate_graph::Op;
use striate_graph::ops::{Add, Concat, Flatten, GlobalAveragePool, MultiplyBy, Pad, ReduceMean};
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
            // Before opset 7 the second operand could begin at an axis.
            let behind = a.rank().checked_sub(axis_of(axis, a.rank())? + constant.shape.len());
            let behind = behind.ok_or_else(|| Error::input("attribute axis does not fit the operands"))?;
            *constant = constant.reshaped([&constant.shape[..], &vec![1; behind]].concat())?;
        }
        if let (Value::Known(a), Value::Known(b)) = (&a, &b) {
            return Ok(vec![Value::Known(arithmetic(op, a, b, &mut self.budget)?)]);
        }
        let rank = a.rank().max(b.rank());
        if op == Arithmetic::Mul
            && let (Value::Known(factor), Value::Flow(_) | Value::Turned(_))
            | (Value::Flow(_) | Value::Turned(_), Value::Known(factor)) = (&a, &b)
            && factor.is_float()
            && factor.len()? == 1
        {
            let index = usize::from(matches!(a, Value::Known(_)));
            if self.as_it_stands(node, index)?.rank() == rank {
                let factor = factor.scalar()?;
                return self.elementwise_of(node, index, MultiplyBy { factor });
            }
        }
        // Both in the order of the one that is turned, where the other can be.
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
        let mut operand = |value: Value, index: usize| match (value, &order) {
            (Value::Turned(value), Some(_)) => Ok(value.flow),
            (Value::Known(constant), order) => {
                let trained = is_addition && constant.is_weight;
                let constant = match order {
                    Some(order) => order.unturned(&constant, &mut self.budget)?,
                    None => constant,
                };
                self.constant_layer(node.inputs[index], constant, trained)
            }
            (Value::Flow(value), _) => Ok(value),
            (Value::Turned(value), None) => self.turn(node, value),
        };
        let (a, b) = (operand(a, 0)?, operand(b, 1)?);
        let y = self.layer(&stem_of(node), layer, &[&a, &b], vec![])?;
        Ok(vec![order.map_or_else(|| Value::Flow(y.clone()), |order| order.clone().with(y.clone()))])
    }

    pub(super) fn sum(&mut self, node: &Node) -> Result<Flow> {
        let mut total = self.flow(node, 0)?;
        for index in 1..node.inputs.len() {
            let next = self.flow(node, index)?;
            total = self.layer(&stem_of(node), Add {}, &[&total, &next], vec![])?;
        }
        Ok(total)
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
            return Err(Error::input(
                "attribute axis: the batch of several values side by side is not known",
            ));
        }
        let fits = |flow: &Flow| {
            let others = |shape: &Shape| {
                [&shape[..axis.min(shape.len())], &shape[(axis + 1).min(shape.len())..]].concat()
            };
            flow.rank() == rank && others(&flow.shapes[0]) == others(&flows[0].shapes[0])
        };
        if !flows.iter().all(fits) {
            return Err(Error::input("its operands do not fit side by side"));
        }
        // Rows of what lies behind the axis stand side by side as channels do.
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

    /// Values in one order of axes side by side along their channels, in that order; `None` of others.
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

    /// A sum as so many times the mean.
    pub(super) fn reduce_sum(&mut self, node: &Node) -> Result<Value> {
        let numel = |value: &Value| value.shapes()[0].iter().product::<usize>();
        let x = self.as_it_stands(node, 0)?;
        let mean = self.reduce_mean(node)?;
        let factor = (numel(&x) / numel(&mean)) as f32;
        let stem = format!("{}/sum", stem_of(node));
        Ok(match mean {
            Value::Flow(mean) => Value::Flow(self.layer(&stem, MultiplyBy { factor }, &[&mean], vec![])?),
            Value::Turned(mean) => {
                let sum = self.layer(&stem, MultiplyBy { factor }, &[&mean.flow], vec![])?;
                mean.with(sum)
            }
            known => known,
        })
    }

    pub(super) fn reduce_mean(&mut self, node: &Node) -> Result<Value> {
        let x = self.computed(node, 0)?;
        let rank = x.order.len();
        let given = self.fixed_of(node, 1, "axes")?.unwrap_or_default();
        if given.is_empty() && node.int("noop_with_empty_axes")?.unwrap_or(0) != 0 {
            return Ok(x.value());
        }
        let mut axes = given.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<Vec<_>>>()?;
        if axes.is_empty() {
            axes = (0..rank).collect();
        }
        axes = axes.into_iter().map(|axis| x.order[axis]).collect();
        axes.sort_unstable();
        axes.dedup();
        let [small, large] = &x.flow.shapes;
        if axes.iter().any(|axis| small[*axis] != large[*axis]) {
            return Err(Error::input("axes: a mean over the batch is not known"));
        }
        let op: Op = match (3..=5).contains(&rank) && axes.iter().copied().eq(2..rank) {
            true => GlobalAveragePool {}.into(),
            false => ReduceMean { axes: axes.clone() }.into(),
        };
        let y = self.layer(&stem_of(node), op, &[&x.flow], vec![])?;
        if node.int("keepdims")?.unwrap_or(1) != 0 {
            return Ok(x.with(y));
        }
        let kept: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
        let order = x.order.iter().filter_map(|axis| kept.iter().position(|other| other == axis)).collect();
        let without = y
            .shapes
            .each_ref()
            .map(|shape| Shape::new(kept.iter().map(|axis| shape[*axis]).collect::<Vec<_>>()));
        let flow = match kept.len() == 2 && rank > 2 {
            true => self.layer(&format!("{}/shape", stem_of(node)), Flatten {}, &[&y], vec![])?,
            false => self.reshape(node, &y, &without)?,
        };
        Ok(Turned { flow, order }.value())
    }

    pub(super) fn pad(&mut self, node: &Node) -> Result<Value> {
        let x = self.computed(node, 0)?;
        let rank = x.order.len();
        let mode = node.text("mode")?.unwrap_or_else(|| "constant".into());
        if mode != "constant" {
            return Err(Error::input(format!("attribute mode is {mode}; only constant borders are known")));
        }
        let pads = self.fixed_of(node, 1, "pads")?.or(node.ints("paddings")?);
        let pads = pads.ok_or_else(|| Error::input("pads are not given"))?;
        let value = self.known_if_given(node, 2)?.map(|value| value.scalar()).transpose()?;
        let value = value.or(node.float("value")?).unwrap_or(0.0);
        let axes = match self.fixed_of(node, 3, "axes")? {
            Some(axes) => axes.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<Vec<_>>>()?,
            None => (0..rank).collect(),
        };
        if pads.len() != 2 * axes.len() || pads.iter().any(|pad| !(0..=1 << 16).contains(pad)) {
            return Err(Error::input(format!("pads {pads:?} are not two numbers from 0 on for each axis")));
        }
        let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
        for (place, axis) in axes.iter().enumerate() {
            before[x.order[*axis]] = pads[place] as usize;
            after[x.order[*axis]] = pads[place + axes.len()] as usize;
        }
        if before[0] + after[0] > 0 {
            return Err(Error::input("pads: a border around the batch is not known"));
        }
        let y = self.layer(&stem_of(node), Pad { before, after, value }, &[&x.flow], vec![])?;
        Ok(x.with(y))
    }
}
