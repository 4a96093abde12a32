//! Rules for resizing maps. Along one axis, nearest-neighbor resizing is a gather, and interpolation is the
//! product with a constant matrix.

use striate_graph::ops::{Gather, MatMul};
use striate_tensor::{Error, Result};

use super::constant::Constant;
use super::import::{Import, stem_of};
use super::proto::Node;
use super::value::Flow;

/// How positions in the result correspond to positions in the operand.
struct Sampling {
    coordinates: String,
    rounding: String,
    is_linear: bool,
}

/// The size of one axis before and after, and the scale between them.
#[derive(Clone, Copy)]
struct Sizes {
    from: usize,
    to: usize,
    scale: f64,
}

impl Import<'_> {
    pub(super) fn resize(&mut self, node: &Node) -> Result<Flow> {
        let mut x = self.flow(node, 0)?;
        let rank = x.rank();
        let is_old = node.op == "Upsample" || self.opset < 11;
        let sampling = Sampling::read(node, is_old)?;
        let axes: Vec<usize> = match node.ints("axes")? {
            None => (0..rank).collect(),
            Some(axes) => {
                axes.iter().map(|axis| super::layers::axis_of(*axis, rank)).collect::<Result<_>>()?
            }
        };
        for (place, sizes) in self.sizes_of(node, &x, &axes, is_old)?.into_iter().enumerate() {
            let axis = axes[place];
            if sizes.from == sizes.to && sizes.scale == 1.0 {
                continue;
            }
            if axis < 2 {
                return Err(Error::input("resizes the batch or the channels, which is not supported"));
            }
            x = match sampling.is_linear {
                true => self.interpolated(node, &x, axis, &sampling, sizes)?,
                false => {
                    self.budget.ints(sizes.to)?;
                    let indices = (0..sizes.to).map(|to| sampling.nearest(to, sizes)).collect();
                    self.layer(&stem_of(node), Gather { axis, indices }, &[&x], vec![])?
                }
            };
        }
        Ok(x)
    }

    /// The sizes along each of `axes`.
    fn sizes_of(&mut self, node: &Node, x: &Flow, axes: &[usize], is_old: bool) -> Result<Vec<Sizes>> {
        let [small, large] = &x.shapes;
        let misfit = |count: usize| {
            Error::input(format!("the number of scales or sizes is {count}, that of axes {}", axes.len()))
        };
        let place = if is_old { 1 } else { 2 };
        let scales = match self.known_if_given(node, place)? {
            Some(scales) if scales.len()? > 0 => Some(scales.to_floats()?),
            _ => node.floats("scales")?,
        };
        if let Some(scales) = scales {
            if scales.len() != axes.len() {
                return Err(misfit(scales.len()));
            }
            let size = |(axis, scale): (&usize, &f32)| {
                let (from, scale) = (small[*axis], f64::from(*scale));
                let to = (from as f64 * scale).floor();
                let is_fixed = small[*axis] == large[*axis] || scale == 1.0;
                let fits = is_fixed && scale.is_finite() && (1.0..=65536.0).contains(&to);
                let is_batch = small[*axis] != large[*axis];
                match fits || (is_batch && is_fixed) {
                    true => Ok(Sizes { from, to: to as usize, scale }),
                    false => Err(Error::input(format!(
                        "scale {scale} of axis {axis} turns {from} into {to}, which is not supported"
                    ))),
                }
            };
            return axes.iter().zip(&scales).map(size).collect();
        }
        let wanted = self.ints_of(node, 3, "sizes")?;
        let wanted = wanted.ok_or_else(|| Error::input("neither scales nor sizes are given"))?;
        if wanted[0].len() != axes.len() {
            return Err(misfit(wanted[0].len()));
        }
        let policy = node.text("keep_aspect_ratio_policy")?.unwrap_or_else(|| "stretch".into());
        if policy != "stretch" {
            return Err(Error::input(format!(
                "attribute keep_aspect_ratio_policy is {policy}; only stretch is supported"
            )));
        }
        let size = |(place, axis): (usize, &usize)| {
            let [to, to_large] = [wanted[0][place], wanted[1][place]];
            let (from, from_large) = (small[*axis], large[*axis]);
            if to == from as i64 && (to_large == from_large as i64 || Some(to) == self.batch) {
                return Ok(Sizes { from, to: from, scale: 1.0 });
            }
            let is_batch = from != from_large;
            if is_batch && Some(to) == self.batch {
                return Ok(Sizes { from, to: from, scale: 1.0 });
            }
            if is_batch || to != to_large || !(1..=1 << 16).contains(&to) {
                return Err(Error::input(format!(
                    "size {to} of axis {axis} is out of range or depends on the batch"
                )));
            }
            Ok(Sizes { from, to: to as usize, scale: to as f64 / from as f64 })
        };
        axes.iter().enumerate().map(size).collect()
    }

    fn interpolated(
        &mut self,
        node: &Node,
        x: &Flow,
        axis: usize,
        sampling: &Sampling,
        sizes: Sizes,
    ) -> Result<Flow> {
        let rank = x.rank();
        if axis + 2 < rank {
            return Err(Error::input("interpolates along more than two axes, which is not supported"));
        }
        let Sizes { from, to, .. } = sizes;
        let total = super::constant::count(&[from, to])?;
        self.budget.floats(total)?;
        self.budget.work(total, 1)?;
        // [from, to] after the data, [to, from] before them.
        let is_last = axis + 1 == rank;
        let mut matrix = vec![0.0f32; total];
        for column in 0..to {
            for (row, weight) in sampling.linear(column, sizes) {
                matrix[if is_last { row * to + column } else { column * from + row }] += weight as f32;
            }
        }
        let shape = if is_last { vec![from, to] } else { vec![to, from] };
        let name = format!("{}/weights", stem_of(node));
        let matrix = self.constant_layer(&name, Constant::floats(shape, matrix), false)?;
        let operands = if is_last { [x, &matrix] } else { [&matrix, x] };
        self.layer(&stem_of(node), MatMul::default(), &operands, vec![])
    }
}

impl Sampling {
    fn read(node: &Node, is_old: bool) -> Result<Sampling> {
        let text =
            |name: &str, default: &str| Ok::<_, Error>(node.text(name)?.unwrap_or_else(|| default.into()));
        let mode = text("mode", "nearest")?;
        if !matches!(mode.as_str(), "nearest" | "linear" | "bilinear") {
            return Err(Error::input(format!("attribute mode is {mode}; nearest and linear are supported")));
        }
        let is_linear = mode != "nearest";
        for name in ["antialias", "exclude_outside"] {
            if is_linear && node.int(name)?.unwrap_or(0) != 0 {
                return Err(Error::input(format!("attribute {name} is not supported")));
            }
        }
        let (coordinates, rounding) = match is_old {
            true => ("asymmetric".to_owned(), "floor".to_owned()),
            false => {
                let coordinates = text("coordinate_transformation_mode", "half_pixel")?;
                (coordinates, text("nearest_mode", "round_prefer_floor")?)
            }
        };
        const COORDINATES: [&str; 5] =
            ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"];
        if !COORDINATES.contains(&coordinates.as_str()) {
            let what = format!("attribute coordinate_transformation_mode {coordinates} is not supported");
            return Err(Error::input(what));
        }
        if !["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"].contains(&rounding.as_str()) {
            return Err(Error::input(format!("attribute nearest_mode {rounding} is not supported")));
        }
        Ok(Sampling { coordinates, rounding, is_linear })
    }

    /// The position in the operand of element `to` of the result.
    fn place(&self, to: usize, sizes: Sizes) -> f64 {
        let (at, from, extent) = (to as f64, sizes.from as f64, sizes.to as f64);
        let half_pixel = (at + 0.5) / sizes.scale - 0.5;
        match self.coordinates.as_str() {
            "align_corners" if sizes.to == 1 => 0.0,
            // By definition, this is the scaled length before rounding.
            "align_corners" => at * (from - 1.0) / (sizes.scale * from - 1.0),
            "asymmetric" => at / sizes.scale,
            "pytorch_half_pixel" if sizes.to == 1 => 0.0,
            "half_pixel_symmetric" => from / 2.0 * (1.0 - extent / (sizes.scale * from)) + half_pixel,
            _ => half_pixel,
        }
    }

    fn nearest(&self, to: usize, sizes: Sizes) -> usize {
        let place = self.place(to, sizes);
        let rounded = match self.rounding.as_str() {
            "floor" => place.floor(),
            "ceil" => place.ceil(),
            "round_prefer_ceil" => (place + 0.5).floor(),
            _ => (place - 0.5).ceil(),
        };
        (rounded.max(0.0) as usize).min(sizes.from - 1)
    }

    /// The elements of the operand between which element `to` of the result lies, with their weights.
    fn linear(&self, to: usize, sizes: Sizes) -> [(usize, f64); 2] {
        let place = self.place(to, sizes).clamp(0.0, sizes.from as f64 - 1.0);
        let below = (place.floor() as usize).min(sizes.from - 1);
        let share = place - below as f64;
        [(below, 1.0 - share), ((below + 1).min(sizes.from - 1), share)]
    }
}
