//! Values that are known before a network runs: weights, and the shapes that exporters compute with.
//!
//! Integers are kept for two sizes of the batch at once, so that what depends on the batch shows by being
//! different, and no algebra is needed.

use std::sync::Arc;

use striate_tensor::{Error, Result, Shape};

use super::budget::Budget;

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

    /// The same float everywhere.
    pub fn filled(shape: Vec<usize>, value: f32) -> Constant {
        Constant { shape, data: Data::Filled(value), is_weight: false }
    }

    /// Integers that do not depend on the batch.
    pub fn fixed(shape: Vec<usize>, values: Vec<i64>) -> Constant {
        let values = Arc::new(values);
        Constant { shape, data: Data::Ints([values.clone(), values]), is_weight: false }
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

    /// The float that all its elements are, if they are known to be all the same.
    pub fn uniform(&self) -> Option<f32> {
        match &self.data {
            Data::Floats(values) if values.len() == 1 => Some(values[0]),
            Data::Filled(value) => Some(*value),
            _ => None,
        }
    }

    /// Float `index`.
    ///
    /// # Panics
    /// If there is none.
    pub fn float(&self, index: usize) -> f32 {
        match &self.data {
            Data::Floats(values) => values[index],
            Data::Filled(value) => *value,
            Data::Ints(_) => panic!("holds integers"),
        }
    }

    /// Its integers, for each of both batches.
    pub fn ints_of_batches(&self) -> Result<&[Arc<Vec<i64>>; 2]> {
        match &self.data {
            Data::Ints(values) => Ok(values),
            _ => Err(Error::input("holds floats where integers are needed")),
        }
    }

    /// Its integers, which must not depend on the batch.
    pub fn fixed_ints(&self) -> Result<&[i64]> {
        let [small, large] = self.ints_of_batches()?;
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
            Data::Ints(_) => Ok(self.fixed_ints()?[0] as f32),
        }
    }

    /// The same elements under other extents.
    pub fn reshaped(&self, shape: Vec<usize>) -> Result<Constant> {
        if count(&shape)? != self.len()? {
            return Err(Error::input(format!("the elements of {:?} have no shape {shape:?}", self.shape)));
        }
        Ok(Constant { shape, ..self.clone() })
    }

    /// Takes from `budget` what `count` elements of its kind need.
    fn spend(&self, count: usize, budget: &mut Budget) -> Result<()> {
        match &self.data {
            Data::Filled(_) => Ok(()),
            Data::Floats(_) => budget.floats(count),
            Data::Ints(_) => budget.ints(count),
        }
    }

    /// Elements of other places: element i of the result is the one at the i-th of `places`.
    fn picked(
        &self,
        shape: Vec<usize>,
        places: impl Iterator<Item = usize> + Clone,
        budget: &mut Budget,
    ) -> Result<Constant> {
        let total = count(&shape)?;
        self.spend(total, budget)?;
        let data = match &self.data {
            Data::Filled(value) => Data::Filled(*value),
            Data::Floats(values) => Data::Floats(Arc::new(pick(values, places, total))),
            Data::Ints([small, large]) => {
                let both = [pick(small, places.clone(), total), pick(large, places, total)];
                Data::Ints(both.map(Arc::new))
            }
        };
        Ok(Constant { shape, data, is_weight: self.is_weight })
    }

    /// Axes in another order.
    pub fn transposed(&self, permutation: &[usize], budget: &mut Budget) -> Result<Constant> {
        let shape: Vec<usize> = permutation.iter().map(|axis| self.shape[*axis]).collect();
        let total = count(&shape)?;
        let mut strides = vec![1; self.shape.len()];
        for axis in (1..self.shape.len()).rev() {
            // Without elements extents may be of any size, and strides are of no use.
            strides[axis - 1] = self.shape[axis].saturating_mul(strides[axis]);
        }
        let extents = shape.clone();
        let place = |mut index: usize| {
            let mut place = 0;
            for (extent, axis) in extents.iter().zip(permutation).rev() {
                place += index % extent * strides[*axis];
                index /= extent;
            }
            place
        };
        self.picked(shape, (0..total).map(place), budget)
    }

    /// `length` elements of one axis, those at `index` of 0, 1, 2 ….
    pub fn along(
        &self,
        axis: usize,
        length: usize,
        index: impl Fn(usize) -> usize,
        budget: &mut Budget,
    ) -> Result<Constant> {
        let mut shape = self.shape.clone();
        shape[axis] = length;
        let (outer, inner) = (count(&shape[..axis])?, count(&shape[axis + 1..])?);
        let extent = self.shape[axis];
        let rows = if count(&shape)? == 0 { 0 } else { outer * length };
        let places = (0..rows).flat_map(|row| {
            let start = (row / length * extent + index(row % length)) * inner;
            start..start + inner
        });
        self.picked(shape, places, budget)
    }
}

/// The elements of `values` at `places`, which are `total`.
fn pick<T: Copy>(values: &[T], places: impl Iterator<Item = usize>, total: usize) -> Vec<T> {
    let mut picked = Vec::with_capacity(total);
    picked.extend(places.map(|place| values[place]));
    picked
}
