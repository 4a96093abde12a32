//! Values that are known before a network runs: weights, and the arithmetic on shapes that exporters write.
//!
//! Integers are kept for two sizes of the batch at once, so that what depends on the batch shows by being
//! different, and no algebra is needed.

use std::sync::Arc;

use striate_tensor::{Error, Result, Shape};

/// A value that is known.
#[derive(Debug, Clone)]
pub(super) struct Constant {
    pub shape: Vec<usize>,
    pub data: Data,
    /// Whether it comes from an initializer, so that training may change it.
    pub is_weight: bool,
}

/// Elements of a known value, in order.
#[derive(Debug, Clone)]
pub(super) enum Data {
    Floats(Arc<Vec<f32>>),
    /// The same number everywhere; it takes no memory until it is a weight.
    Filled(f32),
    /// For the smaller and for the larger batch.
    Ints([Arc<Vec<i64>>; 2]),
}

/// The number of elements of extents, which must be as many as memory can hold.
pub(super) fn count(shape: &[usize]) -> Result<usize> {
    Shape::from(shape).checked_len()
}

impl Constant {
    pub fn floats(shape: Vec<usize>, values: Vec<f32>) -> Constant {
        Constant { shape, data: Data::Floats(Arc::new(values)), is_weight: false }
    }

    pub fn ints(shape: Vec<usize>, values: [Vec<i64>; 2]) -> Constant {
        Constant { shape, data: Data::Ints(values.map(Arc::new)), is_weight: false }
    }

    /// Whether its elements are floats.
    pub fn is_float(&self) -> bool {
        !matches!(self.data, Data::Ints(_))
    }

    pub fn len(&self) -> Result<usize> {
        count(&self.shape)
    }

    /// Its floats.
    pub fn to_floats(&self) -> Result<Vec<f32>> {
        match &self.data {
            Data::Floats(values) => Ok(values.to_vec()),
            Data::Filled(value) => Ok(vec![*value; self.len()?]),
            Data::Ints(_) => Err(Error::input("holds integers where floats are needed")),
        }
    }

    /// Its integers, for each of both batches.
    pub fn to_ints(&self) -> Result<[Vec<i64>; 2]> {
        match &self.data {
            Data::Ints(values) => Ok([values[0].to_vec(), values[1].to_vec()]),
            _ => Err(Error::input("holds floats where integers are needed")),
        }
    }

    /// Its integers, which must not depend on the batch.
    pub fn fixed_ints(&self) -> Result<Vec<i64>> {
        let [small, large] = self.to_ints()?;
        if small == large { Ok(small) } else { Err(Error::input("depends on the size of the batch")) }
    }

    /// Its only element as a float.
    pub fn scalar(&self) -> Result<f32> {
        if self.len()? != 1 {
            return Err(Error::input(format!("has shape {:?} where one number is needed", self.shape)));
        }
        match &self.data {
            Data::Floats(values) => Ok(values[0]),
            Data::Filled(value) => Ok(*value),
            Data::Ints(values) => Ok(values[0][0] as f32),
        }
    }

    /// The same elements under other extents.
    pub fn reshaped(&self, shape: Vec<usize>) -> Result<Constant> {
        if count(&shape)? != self.len()? {
            return Err(Error::input(format!("the elements of {:?} have no shape {shape:?}", self.shape)));
        }
        Ok(Constant { shape, ..self.clone() })
    }

    /// Elements of other places: element i of the result is element `places[i]`.
    pub fn picked(&self, shape: Vec<usize>, places: &[usize]) -> Constant {
        let data = match &self.data {
            Data::Filled(value) => Data::Filled(*value),
            Data::Floats(values) => {
                Data::Floats(Arc::new(places.iter().map(|place| values[*place]).collect()))
            }
            Data::Ints(sides) => {
                let pick = |values: &Arc<Vec<i64>>| {
                    Arc::new(places.iter().map(|place| values[*place]).collect::<Vec<_>>())
                };
                Data::Ints([pick(&sides[0]), pick(&sides[1])])
            }
        };
        Constant { shape, data, is_weight: self.is_weight }
    }

    /// Axes in another order.
    pub fn transposed(&self, permutation: &[usize]) -> Result<Constant> {
        let mut strides = vec![1; self.shape.len()];
        for axis in (1..self.shape.len()).rev() {
            strides[axis - 1] = strides[axis] * self.shape[axis];
        }
        let shape: Vec<usize> = permutation.iter().map(|axis| self.shape[*axis]).collect();
        if let Data::Filled(_) = self.data {
            return Ok(Constant { shape, ..self.clone() });
        }
        let place = |mut index: usize| {
            let mut place = 0;
            for (extent, axis) in shape.iter().zip(permutation).rev() {
                place += index % extent * strides[*axis];
                index /= extent;
            }
            place
        };
        let places: Vec<usize> = (0..self.len()?).map(place).collect();
        Ok(self.picked(shape, &places))
    }

    /// Elements `indices` of one axis.
    pub fn along(&self, axis: usize, indices: &[usize]) -> Result<Constant> {
        let inner = count(&self.shape[axis + 1..])?;
        let outer = count(&self.shape[..axis])?;
        let mut shape = self.shape.clone();
        shape[axis] = indices.len();
        let extent = self.shape[axis];
        let mut places = Vec::with_capacity(outer * indices.len() * inner);
        for row in 0..outer {
            for index in indices {
                let start = (row * extent + index) * inner;
                places.extend(start..start + inner);
            }
        }
        Ok(self.picked(shape, &places))
    }
}

/// Arithmetic that folding knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
}

impl Arithmetic {
    fn floats(self, a: f32, b: f32) -> f32 {
        match self {
            Arithmetic::Add => a + b,
            Arithmetic::Sub => a - b,
            Arithmetic::Mul => a * b,
            Arithmetic::Div => a / b,
        }
    }

    fn ints(self, a: i64, b: i64) -> Option<i64> {
        match self {
            Arithmetic::Add => a.checked_add(b),
            Arithmetic::Sub => a.checked_sub(b),
            Arithmetic::Mul => a.checked_mul(b),
            Arithmetic::Div => a.checked_div(b),
        }
    }
}

/// a op b of two known values; extents of 1 are stretched.
pub(super) fn arithmetic(op: Arithmetic, a: &Constant, b: &Constant) -> Result<Constant> {
    let rank = a.shape.len().max(b.shape.len());
    let extent =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let together = |axis: usize| match (extent(&a.shape, axis), extent(&b.shape, axis)) {
        (x, y) if x == y => Some(x),
        (1, other) | (other, 1) => Some(other),
        _ => None,
    };
    let misfit = || Error::input(format!("{:?} and {:?} do not fit together", a.shape, b.shape));
    let shape: Vec<usize> = (0..rank).map(together).collect::<Option<_>>().ok_or_else(misfit)?;
    let total = count(&shape)?;
    let place = |own: &[usize], mut index: usize| {
        let (mut place, mut stride) = (0, 1);
        for axis in (0..rank).rev() {
            let here = extent(own, axis);
            place += if here == 1 { 0 } else { index % shape[axis] * stride };
            stride *= here;
            index /= shape[axis];
        }
        place
    };
    let is_weight = a.is_weight || b.is_weight;
    match (&a.data, &b.data) {
        (Data::Filled(x), Data::Filled(y)) => {
            Ok(Constant { data: Data::Filled(op.floats(*x, *y)), shape, is_weight })
        }
        (Data::Ints(x), Data::Ints(y)) => {
            let side = |side: usize| -> Result<Vec<i64>> {
                let element = |i: usize| op.ints(x[side][place(&a.shape, i)], y[side][place(&b.shape, i)]);
                let all: Option<Vec<i64>> = (0..total).map(element).collect();
                all.ok_or_else(|| Error::input("the arithmetic on integers overflows, or divides by zero"))
            };
            Ok(Constant::ints(shape.clone(), [side(0)?, side(1)?]))
        }
        _ => {
            let (x, y) = (a.to_floats()?, b.to_floats()?);
            let element = |i: usize| op.floats(x[place(&a.shape, i)], y[place(&b.shape, i)]);
            let values = (0..total).map(element).collect();
            Ok(Constant { is_weight, ..Constant::floats(shape.clone(), values) })
        }
    }
}

/// Known values side by side along an axis.
pub(super) fn concat(parts: &[&Constant], axis: usize) -> Result<Constant> {
    let first = parts[0];
    let fits = |part: &&&Constant| {
        part.shape.len() == first.shape.len()
            && part.is_float() == first.is_float()
            && (0..first.shape.len()).all(|other| other == axis || part.shape[other] == first.shape[other])
    };
    if axis >= first.shape.len() || !parts.iter().all(|part| fits(&part)) {
        return Err(Error::input("the parts do not fit side by side"));
    }
    let mut shape = first.shape.clone();
    shape[axis] = parts.iter().map(|part| part.shape[axis]).sum();
    count(&shape)?;
    let outer = count(&shape[..axis])?;
    let rows = |part: &Constant| part.shape[axis..].iter().product::<usize>();
    if first.is_float() {
        let values: Vec<Vec<f32>> = parts.iter().map(|part| part.to_floats()).collect::<Result<_>>()?;
        let mut all = Vec::new();
        for row in 0..outer {
            for (part, values) in parts.iter().zip(&values) {
                all.extend(&values[row * rows(part)..][..rows(part)]);
            }
        }
        let is_weight = parts.iter().any(|part| part.is_weight);
        return Ok(Constant { is_weight, ..Constant::floats(shape, all) });
    }
    let values: Vec<[Vec<i64>; 2]> = parts.iter().map(|part| part.to_ints()).collect::<Result<_>>()?;
    let side = |side: usize| {
        let mut all = Vec::new();
        for row in 0..outer {
            for (part, values) in parts.iter().zip(&values) {
                all.extend(&values[side][row * rows(part)..][..rows(part)]);
            }
        }
        all
    };
    Ok(Constant::ints(shape, [side(0), side(1)]))
}
