//! Rules for operators on shapes, types and the order of axes.

use striate_graph::ops::Flatten;
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape};

use super::constant::{Constant, Data, count};
use super::import::{Import, stem_of};
use super::layers::axis_of;
use super::proto::{Held, Node};
use super::tensor::{self, MOST_AXES};
use super::turned::Turned;
use super::value::{Operand, Value};

impl Import<'_> {
    /// Returns the integers of operand `index`, or of the attribute `name` of older versions: a few for each
    /// axis, or one for each result.
    pub(super) fn ints_of(&self, node: &Node, index: usize, name: &str) -> Result<Option<[Vec<i64>; 2]>> {
        let most = (2 * MOST_AXES).max(node.outputs.len());
        let few = |count: usize| match count <= most {
            true => Ok(()),
            false => {
                Err(Error::input(format!("{name} has {}; the limit is {most}", counted(count, "number"))))
            }
        };
        if let Some(constant) = self.known_if_given(node, index)? {
            few(constant.len()?)?;
            return Ok(Some(constant.ints_of_batches()?.each_ref().map(|values| values.to_vec())));
        }
        let given = node.ints(name)?;
        given.iter().try_for_each(|values| few(values.len()))?;
        Ok(given.map(|values| [values.clone(), values]))
    }

    /// As [`Import::ints_of`], but they must not depend on the batch.
    pub(super) fn fixed_of(&self, node: &Node, index: usize, name: &str) -> Result<Option<Vec<i64>>> {
        match self.ints_of(node, index, name)? {
            Some([small, large]) if small == large => Ok(Some(small)),
            Some(_) => Err(Error::input(format!("{name} depends on the size of the batch"))),
            None => Ok(None),
        }
    }

    pub(super) fn filled(&mut self, node: &Node) -> Result<Constant> {
        let no_shape = || Error::input("operand 1 is not a shape");
        let extents = self.known(node, 0)?;
        if extents.len()? > MOST_AXES {
            return Err(no_shape());
        }
        let shape = extents.fixed_ints()?.iter().map(|extent| usize::try_from(*extent).ok());
        let shape: Vec<usize> = shape.collect::<Option<_>>().ok_or_else(no_shape)?;
        let total = count(&shape)?;
        let value = match self.attribute_tensor(node, "value")? {
            None => Constant::filled(vec![], 0.0),
            Some(value) => value,
        };
        if value.len()? != 1 {
            return Err(Error::input("attribute value is not one number"));
        }
        if let Data::Ints([value, _]) = &value.data {
            self.budget.ints(total)?;
            return Ok(Constant::fixed(shape, vec![value[0]; total]));
        }
        Ok(Constant::filled(shape, value.scalar()?))
    }

    pub(super) fn cast(&mut self, node: &Node) -> Result<Value> {
        let to = node.int("to")?.ok_or_else(|| Error::input("attribute to is missing"))?;
        let float = matches!(to, 1 | 10 | 11 | 16);
        match self.as_it_stands(node, 0)? {
            computed @ (Value::Flow(_) | Value::Turned(_)) if float || self.reads_integers(node) => {
                Ok(computed)
            }
            Value::Flow(_) | Value::Turned(_) => {
                Err(Error::input(format!("casts computed floats to type {to}, which is not supported")))
            }
            Value::Known(constant) if constant.is_float() == float => Ok(Value::Known(constant)),
            Value::Known(constant) if float => {
                let values = constant.fixed_ints()?;
                self.budget.floats(values.len())?;
                let values = values.iter().map(|x| *x as f32).collect();
                Ok(Value::Known(Constant::floats(constant.shape, values)))
            }
            Value::Known(constant) => {
                let total = constant.len()?;
                self.budget.ints(total)?;
                let values = (0..total).map(|place| constant.float(place) as i64).collect();
                Ok(Value::Known(Constant {
                    element_type: to.cast_unsigned(),
                    ..Constant::fixed(constant.shape, values)
                }))
            }
        }
    }

    pub(super) fn shape(&mut self, node: &Node) -> Result<Constant> {
        let shapes = self.as_it_stands(node, 0)?.shapes();
        let rank = shapes[0].len() as i64;
        let bound = |value: i64| (if value < 0 { value + rank } else { value }).clamp(0, rank) as usize;
        let start = bound(node.int("start")?.unwrap_or(0));
        let end = bound(node.int("end")?.unwrap_or(rank)).max(start);
        let part = shapes.map(|shape| shape[start..end].iter().map(|extent| *extent as i64).collect());
        Ok(Constant::ints(vec![end - start], part))
    }

    pub(super) fn reshape_rule(&mut self, node: &Node) -> Result<Value> {
        let wanted =
            self.ints_of(node, 1, "shape")?.ok_or_else(|| Error::input("the new shape is not given"))?;
        let zero_is_zero = node.int("allowzero")?.unwrap_or(0) != 0;
        match self.operand(node, 0)? {
            Operand::Known(constant) => {
                let shape = target(&wanted[0], &constant.shape, zero_is_zero)?;
                Ok(Value::Known(constant.reshaped(shape)?))
            }
            Operand::Flow(flow) => {
                let mut sides = Vec::new();
                for (wanted, shape) in wanted.iter().zip(&flow.shapes) {
                    let mut wanted = wanted.clone();
                    // The shapes of a file with a fixed batch size contain that size.
                    let batched = flow.shapes[0].first() != flow.shapes[1].first();
                    if let Some(first) = wanted.first_mut()
                        && batched
                        && Some(*first) == self.batch
                    {
                        *first = shape[0] as i64;
                    }
                    sides.push(Shape::new(target(&wanted, shape, zero_is_zero)?));
                }
                let [small, large] = [sides[0].clone(), sides[1].clone()];
                let rows = flow.rank() > 2 && small.len() == 2;
                if rows && small[0] == flow.shapes[0][0] && large[0] == flow.shapes[1][0] {
                    return Ok(Value::Flow(self.layer(&stem_of(node), Flatten {}, &[&flow], vec![])?));
                }
                Ok(Value::Flow(self.reshape(node, &flow, &[small, large])?))
            }
        }
    }

    pub(super) fn flatten(&mut self, node: &Node) -> Result<Value> {
        let flow = self.flow(node, 0)?;
        let given = node.int("axis")?.unwrap_or(1);
        let axis = if given == flow.rank() as i64 { flow.rank() } else { axis_of(given, flow.rank())? };
        if axis == 1 {
            return Ok(Value::Flow(self.layer(&stem_of(node), Flatten {}, &[&flow], vec![])?));
        }
        let rows = flow.shapes.each_ref().map(|shape| {
            Shape::from([shape[..axis].iter().product::<usize>(), shape[axis..].iter().product()])
        });
        Ok(Value::Flow(self.reshape(node, &flow, &rows)?))
    }

    /// Reshapes operand 1 to the shape that `change` returns for it.
    fn with_shape(&mut self, node: &Node, change: impl Fn(&[usize]) -> Result<Vec<usize>>) -> Result<Value> {
        match self.operand(node, 0)? {
            Operand::Known(constant) => {
                let shape = change(&constant.shape)?;
                Ok(Value::Known(constant.reshaped(shape)?))
            }
            Operand::Flow(flow) => {
                let to = [Shape::new(change(&flow.shapes[0])?), Shape::new(change(&flow.shapes[1])?)];
                Ok(Value::Flow(self.reshape(node, &flow, &to)?))
            }
        }
    }

    pub(super) fn squeeze(&mut self, node: &Node) -> Result<Value> {
        let axes = self.fixed_of(node, 1, "axes")?;
        self.with_shape(node, |shape| {
            let gone: Vec<usize> = match &axes {
                Some(axes) => axes.iter().map(|axis| axis_of(*axis, shape.len())).collect::<Result<_>>()?,
                None => (0..shape.len()).filter(|axis| shape[*axis] == 1).collect(),
            };
            if gone.iter().any(|axis| shape[*axis] != 1) {
                return Err(Error::input(format!("axes {gone:?} of {shape:?} are not all of extent 1")));
            }
            Ok((0..shape.len()).filter(|axis| !gone.contains(axis)).map(|axis| shape[axis]).collect())
        })
    }

    pub(super) fn unsqueeze(&mut self, node: &Node) -> Result<Value> {
        let axes = self.fixed_of(node, 1, "axes")?.ok_or_else(|| Error::input("axes are not given"))?;
        self.with_shape(node, |shape| {
            let rank = shape.len() + axes.len();
            if rank > MOST_AXES {
                return Err(Error::input(format!(
                    "axes: the result has {rank} axes; the limit is {MOST_AXES}"
                )));
            }
            let new = axes.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<Vec<_>>>()?;
            let mut own = shape.iter();
            let extents =
                (0..rank).map(|axis| if new.contains(&axis) { Some(1) } else { own.next().copied() });
            extents.collect::<Option<_>>().ok_or_else(|| Error::input("axes lists an axis twice"))
        })
    }

    pub(super) fn transpose(&mut self, node: &Node) -> Result<Value> {
        let operand = self.as_it_stands(node, 0)?;
        let rank = operand.rank();
        let permutation = match node.ints("perm")? {
            None => (0..rank).rev().collect(),
            Some(axes) => axes.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<Vec<_>>>()?,
        };
        let mut sorted = permutation.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..rank) {
            return Err(Error::input(format!(
                "attribute perm {permutation:?} must list each of {rank} axes once"
            )));
        }
        match operand {
            Value::Known(constant) => Ok(Value::Known(constant.transposed(&permutation, &mut self.budget)?)),
            Value::Flow(flow) => Ok(Turned { flow, order: permutation }.value()),
            Value::Turned(turned) => Ok(turned.again(&permutation)),
        }
    }

    fn attribute_tensor(&mut self, node: &Node, name: &str) -> Result<Option<Constant>> {
        let held = node.attributes.iter().find(|attribute| attribute.name == name);
        match held.map(|attribute| &attribute.held) {
            None => Ok(None),
            Some(Held::Tensor(held)) => tensor::read(held, None, &mut self.budget).map(Some),
            Some(_) => Err(Error::input(format!("attribute {name} is not a tensor"))),
        }
    }

    pub(super) fn constant(&mut self, node: &Node) -> Result<Constant> {
        if let Some(value) = self.attribute_tensor(node, "value")? {
            return Ok(value);
        }
        if let Some(value) = node.float("value_float")? {
            return Ok(Constant::filled(vec![], value));
        }
        if let Some(value) = node.int("value_int")? {
            return Ok(Constant::fixed(vec![], vec![value]));
        }
        if let Some(values) = node.ints("value_ints")? {
            return Ok(Constant::fixed(vec![values.len()], values));
        }
        let held = node.attributes.iter().find(|attribute| attribute.name == "value_floats");
        match held.map(|attribute| &attribute.held) {
            Some(Held::Floats(values)) => Ok(Constant::floats(vec![values.len()], values.clone())),
            _ => Err(Error::input("attribute value is missing or not a tensor of numbers")),
        }
    }
}

/// Returns the target shape of a reshape.
fn target(wanted: &[i64], from: &[usize], zero_is_zero: bool) -> Result<Vec<usize>> {
    let misfit = || Error::input(format!("cannot reshape {from:?} to {wanted:?}"));
    if wanted.len() > MOST_AXES || wanted.iter().filter(|extent| **extent == -1).count() > 1 {
        return Err(misfit());
    }
    let given = |(place, extent): (usize, &i64)| match extent {
        -1 => Some(1),
        0 if !zero_is_zero => from.get(place).copied(),
        extent => usize::try_from(*extent).ok(),
    };
    let extents: Option<Vec<usize>> = wanted.iter().enumerate().map(given).collect();
    let mut extents = extents.ok_or_else(misfit)?;
    let (known, total) = (count(&extents)?, count(from)?);
    if let Some(open) = wanted.iter().position(|extent| *extent == -1) {
        extents[open] = total.checked_div(known).ok_or_else(misfit)?;
    }
    if count(&extents)? == total { Ok(extents) } else { Err(misfit()) }
}
