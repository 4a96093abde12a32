//! What operations on shapes become: arithmetic that is done here, or other orders of the data.

use striate_graph::ops::{Flatten, Slice, Transpose};
use striate_tensor::{Error, Result, Shape};

use super::constant::{Constant, Data, count};
use super::import::{Flow, Import, Value, stem_of};
use super::layers::axis_of;
use super::proto::{Held, Node};
use super::tensor;

/// Part of an axis: first element, number, step.
type Part = (usize, usize, isize);

impl Import<'_> {
    pub(super) fn shape_rule(&mut self, node: &Node) -> Result<Vec<Value>> {
        let one = match node.op {
            "Identity" => self.operand(node, 0)?,
            "Constant" => Value::Known(constant(node)?),
            "ConstantOfShape" => Value::Known(self.filled(node)?),
            "Cast" => self.cast(node)?,
            "Shape" => Value::Known(self.shape(node)?),
            "Reshape" => self.reshape_rule(node)?,
            "Flatten" => self.flatten(node)?,
            "Squeeze" => self.squeeze(node)?,
            "Unsqueeze" => self.unsqueeze(node)?,
            "Transpose" => self.transpose(node)?,
            "Slice" => self.slice(node)?,
            "Gather" => self.gather(node)?,
            "Split" => return self.split(node),
            _ => return Err(Error::input("this operation is not known")),
        };
        Ok(vec![one])
    }

    /// The integers of operand `index`, or of the attribute `name`, as older versions have it.
    fn ints_of(&self, node: &Node, index: usize, name: &str) -> Result<Option<[Vec<i64>; 2]>> {
        match self.known_if_given(node, index)? {
            Some(constant) => constant.to_ints().map(Some),
            None => Ok(node.ints(name)?.map(|values| [values.clone(), values])),
        }
    }

    fn fixed_of(&self, node: &Node, index: usize, name: &str) -> Result<Option<Vec<i64>>> {
        match self.ints_of(node, index, name)? {
            Some([small, large]) if small == large => Ok(Some(small)),
            Some(_) => Err(Error::input(format!("{name} depends on the size of the batch"))),
            None => Ok(None),
        }
    }

    fn filled(&mut self, node: &Node) -> Result<Constant> {
        let extents = self.known(node, 0)?.fixed_ints()?;
        let shape: Option<Vec<usize>> = extents.iter().map(|extent| usize::try_from(*extent).ok()).collect();
        let shape = shape.filter(|shape| shape.len() <= 8);
        let shape = shape.ok_or_else(|| Error::input(format!("{extents:?} is no shape")))?;
        let total = count(&shape)?;
        let value = match attribute_tensor(node, "value")? {
            None => Constant::floats(vec![], vec![0.0]),
            Some(value) => value,
        };
        if value.len()? != 1 {
            return Err(Error::input("attribute value is not one number"));
        }
        if let Data::Ints(values) = &value.data {
            self.spend(total)?;
            let all = vec![values[0][0]; total];
            return Ok(Constant::ints(shape, [all.clone(), all]));
        }
        Ok(Constant { shape, data: Data::Filled(value.scalar()?) })
    }

    fn cast(&mut self, node: &Node) -> Result<Value> {
        let to = node.int("to")?.ok_or_else(|| Error::input("attribute to is missing"))?;
        let float = matches!(to, 1 | 10 | 11 | 16);
        match self.operand(node, 0)? {
            Value::Flow(flow) if float => Ok(Value::Flow(flow)),
            Value::Flow(_) => Err(Error::input(format!("attribute to is {to}: the data stay floats"))),
            Value::Known(constant) if constant.is_float() == float => Ok(Value::Known(constant)),
            Value::Known(constant) if float => {
                let values = constant.fixed_ints()?.iter().map(|x| *x as f32).collect();
                Ok(Value::Known(Constant::floats(constant.shape, values)))
            }
            Value::Known(constant) => {
                self.spend(constant.len()?)?;
                let values: Vec<i64> = constant.to_floats()?.iter().map(|x| *x as i64).collect();
                Ok(Value::Known(Constant::ints(constant.shape, [values.clone(), values])))
            }
        }
    }

    fn shape(&mut self, node: &Node) -> Result<Constant> {
        let shapes = match self.operand(node, 0)? {
            Value::Flow(flow) => flow.shapes.map(|shape| shape.to_vec()),
            Value::Known(constant) => [constant.shape.clone(), constant.shape],
        };
        let rank = shapes[0].len() as i64;
        let bound = |value: i64| (if value < 0 { value + rank } else { value }).clamp(0, rank) as usize;
        let start = bound(node.int("start")?.unwrap_or(0));
        let end = bound(node.int("end")?.unwrap_or(rank)).max(start);
        let part = shapes.map(|shape| shape[start..end].iter().map(|extent| *extent as i64).collect());
        Ok(Constant::ints(vec![end - start], part))
    }

    fn reshape_rule(&mut self, node: &Node) -> Result<Value> {
        let wanted =
            self.ints_of(node, 1, "shape")?.ok_or_else(|| Error::input("the new shape is not given"))?;
        let zero_is_zero = node.int("allowzero")?.unwrap_or(0) != 0;
        match self.operand(node, 0)? {
            Value::Known(constant) => {
                let shape = target(&wanted[0], &constant.shape, zero_is_zero)?;
                Ok(Value::Known(constant.reshaped(shape)?))
            }
            Value::Flow(flow) => {
                let mut sides = Vec::new();
                for (wanted, shape) in wanted.iter().zip(&flow.shapes) {
                    let mut wanted = wanted.clone();
                    // A file for one size of the batch writes that size where the batch stands.
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

    fn flatten(&mut self, node: &Node) -> Result<Value> {
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

    /// A value under shapes that `change` makes of its own.
    fn with_shape(&mut self, node: &Node, change: impl Fn(&[usize]) -> Result<Vec<usize>>) -> Result<Value> {
        match self.operand(node, 0)? {
            Value::Known(constant) => {
                let shape = change(&constant.shape)?;
                Ok(Value::Known(constant.reshaped(shape)?))
            }
            Value::Flow(flow) => {
                let to = [Shape::new(change(&flow.shapes[0])?), Shape::new(change(&flow.shapes[1])?)];
                Ok(Value::Flow(self.reshape(node, &flow, &to)?))
            }
        }
    }

    fn squeeze(&mut self, node: &Node) -> Result<Value> {
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

    fn unsqueeze(&mut self, node: &Node) -> Result<Value> {
        let axes = self.fixed_of(node, 1, "axes")?.ok_or_else(|| Error::input("axes are not given"))?;
        self.with_shape(node, |shape| {
            let rank = shape.len() + axes.len();
            let new = axes.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<Vec<_>>>()?;
            let mut own = shape.iter();
            let extents =
                (0..rank).map(|axis| if new.contains(&axis) { Some(1) } else { own.next().copied() });
            extents.collect::<Option<_>>().ok_or_else(|| Error::input("axes name one place twice"))
        })
    }

    fn transpose(&mut self, node: &Node) -> Result<Value> {
        let operand = self.operand(node, 0)?;
        let rank = match &operand {
            Value::Known(constant) => constant.shape.len(),
            Value::Flow(flow) => flow.rank(),
        };
        let permutation = match node.ints("perm")? {
            None => (0..rank).rev().collect(),
            Some(axes) => axes.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<Vec<_>>>()?,
        };
        let mut sorted = permutation.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..rank) {
            return Err(Error::input(format!(
                "attribute perm {permutation:?} does not name each of {rank} axes once"
            )));
        }
        match operand {
            Value::Known(constant) => {
                self.spend(constant.len()?)?;
                Ok(Value::Known(constant.transposed(&permutation)?))
            }
            Value::Flow(flow) => {
                Ok(Value::Flow(self.layer(&stem_of(node), Transpose { permutation }, &[&flow], vec![])?))
            }
        }
    }

    fn slice(&mut self, node: &Node) -> Result<Value> {
        let missing = |what: &str| Error::input(format!("{what} are not given"));
        let starts = self.ints_of(node, 1, "starts")?.ok_or_else(|| missing("starts"))?;
        let ends = self.ints_of(node, 2, "ends")?.ok_or_else(|| missing("ends"))?;
        let axes = self.fixed_of(node, 3, "axes")?;
        let axes = axes.unwrap_or_else(|| (0..starts[0].len() as i64).collect());
        let steps = self.fixed_of(node, 4, "steps")?.unwrap_or_else(|| vec![1; axes.len()]);
        if [starts[0].len(), ends[0].len(), steps.len()] != [axes.len(); 3] {
            return Err(Error::input("starts, ends, axes and steps are not equally many"));
        }
        let mut value = self.operand(node, 0)?;
        for (place, axis) in axes.iter().enumerate() {
            let part = |side: usize, extent: usize| {
                part_of(starts[side][place], ends[side][place], steps[place], extent)
            };
            value = match value {
                Value::Known(constant) => {
                    let axis = axis_of(*axis, constant.shape.len())?;
                    let (start, length, step) = part(0, constant.shape[axis])?;
                    let index = |i: usize| (start as isize + i as isize * step) as usize;
                    Value::Known(constant.along(axis, &(0..length).map(index).collect::<Vec<_>>())?)
                }
                Value::Flow(flow) => {
                    let axis = axis_of(*axis, flow.rank())?;
                    let parts = [part(0, flow.shapes[0][axis])?, part(1, flow.shapes[1][axis])?];
                    Value::Flow(self.part(node, &flow, axis, parts)?)
                }
            };
        }
        Ok(value)
    }

    /// Part of an axis of computed data; the whole of an axis is no part.
    fn part(&mut self, node: &Node, flow: &Flow, axis: usize, parts: [Part; 2]) -> Result<Flow> {
        let whole = |side: usize| parts[side] == (0, flow.shapes[side][axis], 1);
        if whole(0) && whole(1) {
            return Ok(flow.clone());
        }
        let is_batch = flow.shapes[0][axis] != flow.shapes[1][axis];
        if is_batch || parts[0] != parts[1] {
            return Err(Error::input(format!("the part of axis {axis} depends on the size of the batch")));
        }
        let (start, length, step) = parts[0];
        self.layer(&stem_of(node), Slice { axis, start, length, step }, &[flow], vec![])
    }

    fn gather(&mut self, node: &Node) -> Result<Value> {
        let indices = self.known(node, 1)?;
        let axis = node.int("axis")?.unwrap_or(0);
        let wanted = indices.fixed_ints()?;
        let within = |extent: usize| -> Result<Vec<usize>> {
            wanted.iter().map(|index| axis_of(*index, extent)).collect()
        };
        match self.operand(node, 0)? {
            Value::Known(constant) => {
                let axis = axis_of(axis, constant.shape.len())?;
                let picked = constant.along(axis, &within(constant.shape[axis])?)?;
                self.spend(picked.len()?)?;
                let shape = [&constant.shape[..axis], &indices.shape, &constant.shape[axis + 1..]].concat();
                Ok(Value::Known(picked.reshaped(shape)?))
            }
            Value::Flow(flow) => {
                let axis = axis_of(axis, flow.rank())?;
                let places = within(flow.shapes[0][axis])?;
                let step = places.get(1).map_or(1, |second| *second as isize - places[0] as isize);
                let even = places.windows(2).all(|pair| pair[1] as isize - pair[0] as isize == step);
                if places.is_empty() || !even || step == 0 || axis == 0 {
                    return Err(Error::input(
                        "indices: only even steps along one axis of the data are known",
                    ));
                }
                let part = (places[0], places.len(), step);
                let flow = self.part(node, &flow, axis, [part, part])?;
                let to = flow
                    .shapes
                    .each_ref()
                    .map(|shape| Shape::new([&shape[..axis], &indices.shape, &shape[axis + 1..]].concat()));
                Ok(Value::Flow(self.reshape(node, &flow, &to)?))
            }
        }
    }

    fn split(&mut self, node: &Node) -> Result<Vec<Value>> {
        let flow = self.flow(node, 0)?;
        let axis = axis_of(node.int("axis")?.unwrap_or(0), flow.rank())?;
        let (extent, parts) = (flow.shapes[0][axis], node.outputs.len());
        if axis == 0 {
            return Err(Error::input("attribute axis: the batch is not split"));
        }
        let sizes = match self.fixed_of(node, 1, "split")? {
            Some(sizes) => sizes.iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect(),
            None => {
                let each = extent.div_ceil(parts.max(1));
                (0..parts).map(|part| each.min(extent.saturating_sub(part * each))).collect::<Vec<_>>()
            }
        };
        let total = sizes.iter().try_fold(0usize, |sum, size| sum.checked_add(*size));
        if sizes.len() != parts || total != Some(extent) || sizes.contains(&0) {
            return Err(Error::input(format!("split {sizes:?} does not make {parts} parts of {extent}")));
        }
        let mut start = 0;
        let mut results = Vec::new();
        for length in sizes {
            let part = (start, length, 1);
            results.push(Value::Flow(self.part(node, &flow, axis, [part, part])?));
            start += length;
        }
        Ok(results)
    }
}

/// The extents that a reshape asks for.
fn target(wanted: &[i64], from: &[usize], zero_is_zero: bool) -> Result<Vec<usize>> {
    let misfit = || Error::input(format!("the elements of {from:?} have no shape {wanted:?}"));
    if wanted.len() > 8 || wanted.iter().filter(|extent| **extent == -1).count() > 1 {
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

/// Part of an axis of `extent` from `start` to before `end`, both counted from the end if negative.
fn part_of(start: i64, end: i64, step: i64, extent: usize) -> Result<Part> {
    let size = extent as i64;
    let counted = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
    let (first, length) = match step {
        0 => return Err(Error::input("steps: a step of 0 leads nowhere")),
        1.. => {
            let (first, end) = (counted(start).clamp(0, size), counted(end).clamp(0, size));
            (first, (end - first).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
        }
        _ => {
            let (first, end) = (counted(start).clamp(-1, size - 1), counted(end).clamp(-1, size - 1));
            (first, (first - end).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
        }
    };
    if length == 0 {
        return Err(Error::input("a part without elements"));
    }
    // A step that is never taken may be of any size.
    let step = if length == 1 { 1 } else { step as isize };
    Ok((first as usize, length as usize, step))
}

fn attribute_tensor(node: &Node, name: &str) -> Result<Option<Constant>> {
    match node.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| &attribute.held) {
        None => Ok(None),
        Some(Held::Tensor(held)) => tensor::read(held, None).map(Some),
        Some(_) => Err(Error::input(format!("attribute {name} is no tensor"))),
    }
}

fn constant(node: &Node) -> Result<Constant> {
    if let Some(value) = attribute_tensor(node, "value")? {
        return Ok(value);
    }
    if let Some(value) = node.float("value_float")? {
        return Ok(Constant::floats(vec![], vec![value]));
    }
    if let Some(value) = node.int("value_int")? {
        return Ok(Constant::ints(vec![], [vec![value], vec![value]]));
    }
    if let Some(values) = node.ints("value_ints")? {
        return Ok(Constant::ints(vec![values.len()], [values.clone(), values]));
    }
    match node.attributes.iter().find(|attribute| attribute.name == "value_floats").map(|found| &found.held) {
        Some(Held::Floats(values)) => Ok(Constant::floats(vec![values.len()], values.clone())),
        _ => Err(Error::input("attribute value is missing, or is no tensor of numbers")),
    }
}
