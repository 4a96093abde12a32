//! Rules for padding: with a constant, with elements of the data, and negative padding, which crops.

use striate_graph::ops::{Gather, Pad, Slice};
use striate_tensor::{Error, Result};

use super::import::{Import, stem_of};
use super::layers::axis_of;
use super::proto::Node;
use super::value::{Flow, Value};

/// Wider borders are taken for mistakes.
const WIDEST: i64 = 1 << 16;

impl Import<'_> {
    pub(super) fn pad(&mut self, node: &Node) -> Result<Value> {
        let x = self.computed(node, 0)?;
        let rank = x.order.len();
        let mode = node.text("mode")?.unwrap_or_else(|| "constant".into());
        let pads = self.fixed_of(node, 1, "pads")?.or(node.ints("paddings")?);
        let pads = pads.ok_or_else(|| Error::input("pads are not given"))?;
        let value = self.known_if_given(node, 2)?.map(|value| value.scalar()).transpose()?;
        let value = value.or(node.float("value")?).unwrap_or(0.0);
        let axes = match self.fixed_of(node, 3, "axes")? {
            Some(axes) => axes.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<Vec<_>>>()?,
            None => (0..rank).collect(),
        };
        if pads.len() != 2 * axes.len() || pads.iter().any(|pad| !(-WIDEST..=WIDEST).contains(pad)) {
            return Err(Error::input(format!(
                "pads {pads:?} must be two numbers for each axis, from {} to {WIDEST}",
                -WIDEST
            )));
        }
        let mut sides = vec![[0; 2]; rank];
        for (place, axis) in axes.iter().enumerate() {
            sides[x.order[*axis]] = [pads[place], pads[place + axes.len()]];
        }
        if sides[0] != [0, 0] {
            return Err(Error::input("pads: padding the batch is not supported"));
        }
        let mut y = self.cropped(node, &x.flow, &sides)?;
        let [before, after] = [0, 1].map(|side| {
            sides.iter().map(|sides| sides[side].max(0).unsigned_abs() as usize).collect::<Vec<_>>()
        });
        if before.iter().chain(&after).all(|side| *side == 0) {
            return Ok(x.with(y));
        }
        y = match mode.as_str() {
            "constant" => self.layer(&stem_of(node), Pad { before, after, value }, &[&y], vec![])?,
            "reflect" | "edge" | "wrap" => self.continued(node, y, &mode, [&before, &after])?,
            other => return Err(Error::input(format!("attribute mode {other} is not supported"))),
        };
        Ok(x.with(y))
    }

    /// Returns `x` without the elements that negative padding crops.
    fn cropped(&mut self, node: &Node, x: &Flow, sides: &[[i64; 2]]) -> Result<Flow> {
        let mut x = x.clone();
        for (axis, sides) in sides.iter().enumerate() {
            let [start, end] = sides.map(|side| (-side).max(0) as usize);
            if start + end == 0 {
                continue;
            }
            let extent = x.shapes[0][axis];
            if start + end >= extent {
                return Err(Error::input(format!("pads remove all {extent} elements of axis {axis}")));
            }
            let op = Slice { axis, start, length: extent - start - end, step: 1 };
            x = self.layer(&format!("{}/crop", stem_of(node)), op, &[&x], vec![])?;
        }
        Ok(x)
    }

    /// Returns `x` padded with its own elements.
    fn continued(
        &mut self,
        node: &Node,
        x: Flow,
        mode: &str,
        [before, after]: [&[usize]; 2],
    ) -> Result<Flow> {
        let mut x = x;
        for axis in (1..x.rank()).filter(|axis| before[*axis] + after[*axis] > 0) {
            let extent = x.shapes[0][axis];
            if mode == "reflect" && before[axis].max(after[axis]) >= extent {
                return Err(Error::input(format!(
                    "pads: reflected padding must be narrower than axis {axis}"
                )));
            }
            let last = extent as i64 - 1;
            let source = |place: usize| {
                let place = place as i64 - before[axis] as i64;
                let inside = match mode {
                    "edge" => place.clamp(0, last),
                    "wrap" => place.rem_euclid(extent as i64),
                    _ if place < 0 => -place,
                    _ if place > last => 2 * last - place,
                    _ => place,
                };
                inside as usize
            };
            let total = before[axis] + extent + after[axis];
            self.budget.ints(total)?;
            let indices = (0..total).map(source).collect();
            x = self.layer(&stem_of(node), Gather { axis, indices }, &[&x], vec![])?;
        }
        Ok(x)
    }
}
