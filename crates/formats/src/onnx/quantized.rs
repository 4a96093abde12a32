//! Rules for quantized weights, which are converted back to floats. Computed values are never quantized.

use striate_tensor::{Error, Result};

use super::constant::{Constant, Data};
use super::import::Import;
use super::layers::axis_of;
use super::proto::Node;
use super::value::Value;

/// Scales and zero points of a value, for each of its elements.
struct Quantization {
    scale: Constant,
    zero_point: Option<Constant>,
    /// The distance in elements between consecutive scales, and the number of scales.
    step: usize,
    count: usize,
}

impl Quantization {
    fn index(&self, place: usize) -> usize {
        place / self.step % self.count
    }

    fn scale(&self, place: usize) -> f32 {
        self.scale.float(self.index(place))
    }

    fn zero_point(&self, place: usize) -> Result<i64> {
        match &self.zero_point {
            None => Ok(0),
            Some(point) => Ok(point.fixed_ints()?[self.index(place)]),
        }
    }
}

impl Import<'_> {
    /// (x − zero point)·scale
    pub(super) fn dequantize(&mut self, node: &Node) -> Result<Constant> {
        let x = self.quantized_operand(node)?;
        let form = self.quantization(node, &x)?;
        let values = x.fixed_ints()?;
        self.budget.floats(values.len())?;
        self.budget.work(values.len(), 8)?;
        let value = |(place, x): (usize, &i64)| {
            Ok((x.saturating_sub(form.zero_point(place)?)) as f32 * form.scale(place))
        };
        let floats = values.iter().enumerate().map(value).collect::<Result<_>>()?;
        Ok(Constant { is_weight: true, ..Constant::floats(x.shape.clone(), floats) })
    }

    /// x/scale, rounded, plus the zero point, within the range of the type
    pub(super) fn quantize(&mut self, node: &Node) -> Result<Constant> {
        let x = self.quantized_operand(node)?;
        if !x.is_float() {
            return Err(Error::input("quantizes integers, which is not supported"));
        }
        let form = self.quantization(node, &x)?;
        let given = form.zero_point.as_ref().map(|point| point.element_type);
        let element_type = match (given, node.int("output_dtype")?) {
            (Some(given), _) => given,
            (None, Some(stated)) if stated != 0 => stated.cast_unsigned(),
            _ => 2,
        };
        let (least, most) = match element_type {
            2 => (0, 255),
            3 => (-128, 127),
            4 => (0, 65_535),
            5 => (-32_768, 32_767),
            other => {
                return Err(Error::input(format!("quantizes to type {other}; 8 and 16 bits are supported")));
            }
        };
        let total = x.len()?;
        self.budget.ints(total)?;
        self.budget.work(total, 8)?;
        let value = |place: usize| {
            let level = (x.float(place) / form.scale(place)).round_ties_even();
            Ok((level as i64).saturating_add(form.zero_point(place)?).clamp(least, most))
        };
        let values = (0..total).map(value).collect::<Result<_>>()?;
        Ok(Constant { element_type, ..Constant::fixed(x.shape.clone(), values) })
    }

    fn quantized_operand(&self, node: &Node) -> Result<Constant> {
        match self.as_it_stands(node, 0)? {
            Value::Known(constant) => Ok(constant),
            _ => Err(Error::input(
                "quantizes computed values; only weights may be quantized: export the network before quantizing its activations",
            )),
        }
    }

    fn quantization(&mut self, node: &Node, x: &Constant) -> Result<Quantization> {
        if node.int("block_size")?.unwrap_or(0) != 0 {
            return Err(Error::input("attribute block_size: scales for blocks are not supported"));
        }
        let scale = self.known(node, 1)?;
        let zero_point = self.known_if_given(node, 2)?;
        let count = scale.len()?;
        let misfit = || Error::input(format!("scale {:?} does not fit {:?}", scale.shape, x.shape));
        if !scale.is_float() || zero_point.as_ref().is_some_and(|point| point.shape != scale.shape) {
            return Err(misfit());
        }
        if let Some(Data::Floats(_) | Data::Filled(_)) = zero_point.as_ref().map(|point| &point.data) {
            return Err(Error::input("its zero point is a float"));
        }
        if count == 1 {
            return Ok(Quantization { scale, zero_point, step: 1, count });
        }
        let axis = axis_of(node.int("axis")?.unwrap_or(1), x.shape.len())?;
        if count != x.shape[axis] || count == 0 {
            return Err(misfit());
        }
        let step = super::constant::count(&x.shape[axis + 1..])?.max(1);
        Ok(Quantization { scale, zero_point, step, count })
    }
}
