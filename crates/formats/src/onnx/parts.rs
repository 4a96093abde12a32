//! Rules for parts of an axis: slices, gathered elements, splits.

use striate_graph::ops::{Gather, Slice};
use striate_tensor::{Error, Result, Shape};

use super::import::{Import, stem_of};
use super::layers::axis_of;
use super::proto::Node;
use super::value::{Flow, Operand, Value};

/// A part of an axis: first element, length, step.
type Part = (usize, usize, isize);

/// The smallest value that exporters write for an open end, and hence the largest batch that such a slice preserves.
const ANY_BATCH: usize = i32::MAX as usize;

impl Import<'_> {
    pub(super) fn slice(&mut self, node: &Node) -> Result<Value> {
        let missing = |what: &str| Error::input(format!("{what} are not given"));
        let starts = self.ints_of(node, 1, "starts")?.ok_or_else(|| missing("starts"))?;
        let ends = self.ints_of(node, 2, "ends")?.ok_or_else(|| missing("ends"))?;
        let axes = self.fixed_of(node, 3, "axes")?;
        let axes = axes.unwrap_or_else(|| (0..starts[0].len() as i64).collect());
        let steps = self.fixed_of(node, 4, "steps")?.unwrap_or_else(|| vec![1; axes.len()]);
        if [starts[0].len(), ends[0].len(), steps.len()] != [axes.len(); 3] {
            return Err(Error::input("starts, ends, axes and steps must have the same length"));
        }
        let mut value = self.operand(node, 0)?;
        for (place, axis) in axes.iter().enumerate() {
            let is_fixed = starts[0][place] == starts[1][place] && ends[0][place] == ends[1][place];
            let part = |side: usize, extent: usize| {
                part_of(starts[side][place], ends[side][place], steps[place], extent)
            };
            value = match value {
                Operand::Known(constant) => {
                    let axis = axis_of(*axis, constant.shape.len())?;
                    let (start, length, step) = part(0, constant.shape[axis])?;
                    if !is_fixed {
                        return Err(batch_decides(axis));
                    }
                    let index = |i: usize| (start as isize + i as isize * step) as usize;
                    Operand::Known(constant.along(axis, length, index, &mut self.budget)?)
                }
                Operand::Flow(flow) => {
                    let axis = axis_of(*axis, flow.rank())?;
                    let parts = [part(0, flow.shapes[0][axis])?, part(1, flow.shapes[1][axis])?];
                    let is_batch = flow.shapes[0][axis] != flow.shapes[1][axis];
                    // A slice of the batch axis must keep batches of any size whole, not only those tried here.
                    let whole = |extent: usize| Ok::<bool, Error>(part(0, extent)? == (0, extent, 1));
                    if is_fixed == is_batch && !(is_batch && whole(ANY_BATCH)?) {
                        return Err(batch_decides(axis));
                    }
                    Operand::Flow(self.part(node, &flow, axis, parts)?)
                }
            };
        }
        Ok(value.into())
    }

    /// Adds a slice of a computed value, unless it covers the whole axis.
    pub(super) fn part(&mut self, node: &Node, flow: &Flow, axis: usize, parts: [Part; 2]) -> Result<Flow> {
        let whole = |side: usize| parts[side] == (0, flow.shapes[side][axis], 1);
        if whole(0) && whole(1) {
            return Ok(flow.clone());
        }
        let is_batch = flow.shapes[0][axis] != flow.shapes[1][axis];
        if is_batch || parts[0] != parts[1] {
            return Err(batch_decides(axis));
        }
        let (start, length, step) = parts[0];
        self.layer(&stem_of(node), Slice { axis, start, length, step }, &[flow], vec![])
    }

    pub(super) fn gather(&mut self, node: &Node) -> Result<Value> {
        let indices = self.known(node, 1)?;
        let axis = node.int("axis")?.unwrap_or(0);
        let wanted = indices.fixed_ints()?;
        self.budget.ints(wanted.len())?;
        let within = |extent: usize| -> Result<Vec<usize>> {
            wanted.iter().map(|index| axis_of(*index, extent)).collect()
        };
        match self.operand(node, 0)? {
            Operand::Known(constant) => {
                let axis = axis_of(axis, constant.shape.len())?;
                let places = within(constant.shape[axis])?;
                let picked = constant.along(axis, places.len(), |i| places[i], &mut self.budget)?;
                let shape = [&constant.shape[..axis], &indices.shape, &constant.shape[axis + 1..]].concat();
                Ok(Value::Known(picked.reshaped(shape)?))
            }
            Operand::Flow(flow) => {
                let axis = axis_of(axis, flow.rank())?;
                let places = within(flow.shapes[0][axis])?;
                let step = places.get(1).map_or(1, |second| *second as isize - places[0] as isize);
                let even = places.windows(2).all(|pair| pair[1] as isize - pair[0] as isize == step);
                if places.is_empty() || axis == 0 || flow.shapes[0][axis] != flow.shapes[1][axis] {
                    return Err(Error::input(
                        "indices: gathering along the batch, or no indices at all, is not supported",
                    ));
                }
                let flow = match even && step != 0 {
                    true => {
                        let part = (places[0], places.len(), step);
                        self.part(node, &flow, axis, [part, part])?
                    }
                    false => {
                        self.layer(&stem_of(node), Gather { axis, indices: places }, &[&flow], vec![])?
                    }
                };
                let to = flow
                    .shapes
                    .each_ref()
                    .map(|shape| Shape::new([&shape[..axis], &indices.shape, &shape[axis + 1..]].concat()));
                Ok(Value::Flow(self.reshape(node, &flow, &to)?))
            }
        }
    }

    pub(super) fn split(&mut self, node: &Node) -> Result<Vec<Value>> {
        let flow = self.flow(node, 0)?;
        let axis = axis_of(node.int("axis")?.unwrap_or(0), flow.rank())?;
        let (extent, parts) = (flow.shapes[0][axis], node.outputs.len());
        if axis == 0 {
            return Err(Error::input("attribute axis: splitting the batch is not supported"));
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
            return Err(Error::input(format!(
                "split {sizes:?} does not divide {extent} elements into {parts} parts"
            )));
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

fn batch_decides(axis: usize) -> Error {
    Error::input(format!("the part of axis {axis} depends on the size of the batch"))
}

/// Returns the part of an axis of `extent` from `start` up to `end`; negative positions count from the end.
fn part_of(start: i64, end: i64, step: i64, extent: usize) -> Result<Part> {
    let size = extent as i64;
    let counted = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
    let (first, length) = match step {
        0 => return Err(Error::input("steps must not be 0")),
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
        return Err(Error::input("the slice is empty"));
    }
    // With a single element, the step is never used and may be of any size.
    let step = if length == 1 { 1 } else { step as isize };
    Ok((first as usize, length as usize, step))
}
