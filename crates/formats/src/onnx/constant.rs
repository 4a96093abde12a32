//! Constants: weights, and the shapes in the computations of exporters.
//!
//! Integers are kept for two batch sizes at once: those that depend on the batch size differ, so no symbolic algebra
//! is needed.

use std::sync::Arc;

use striate_tensor::{Error, Result, Shape};

use super::budget::Budget;

/// ONNX's codes of element types.
const FLOAT: u64 = 1;
const INT64: u64 = 7;

/// A value that is known before the network runs.
#[derive(Debug, Clone)]
pub(super) struct Constant {
    pub shape: Vec<usize>,
    pub data: Data,
    /// Whether it comes from an initializer, so that training may update it.
    pub is_weight: bool,
    /// ONNX's code of its element type: 1 for all floats, 7 for integers that are computed.
    pub element_type: u64,
}

/// The elements of a constant, in row-major order.
#[derive(Debug, Clone)]
pub(super) enum Data {
    Floats(Arc<Vec<f32>>),
    /// The same number for all elements; takes no memory until it becomes a weight.
    Filled(f32),
    /// For the smaller and for the larger batch size.
    Ints([Arc<Vec<i64>>; 2]),
}

/// Returns the number of elements of a shape, which must fit the address space.
pub(super) fn count(shape: &[usize]) -> Result<usize> {
    Shape::from(shape).checked_len()
}

impl Constant {
    pub fn floats(shape: Vec<usize>, values: Vec<f32>) -> Constant {
        Constant { shape, data: Data::Floats(Arc::new(values)), is_weight: false, element_type: FLOAT }
    }

    pub fn ints(shape: Vec<usize>, values: [Vec<i64>; 2]) -> Constant {
        Constant { shape, data: Data::Ints(values.map(Arc::new)), is_weight: false, element_type: INT64 }
    }

    /// Creates a constant with one float for all elements.
    pub fn filled(shape: Vec<usize>, value: f32) -> Constant {
        Constant { shape, data: Data::Filled(value), is_weight: false, element_type: FLOAT }
    }

    /// Creates integers that do not depend on the batch size.
    pub fn fixed(shape: Vec<usize>, values: Vec<i64>) -> Constant {
        let values = Arc::new(values);
        Constant { shape, data: Data::Ints([values.clone(), values]), is_weight: false, element_type: INT64 }
    }

    /// Identifies its stored floats: equal for constants that share them, as long as one of them exists.
    pub fn identity(&self) -> Option<usize> {
        match &self.data {
            Data::Floats(values) => Some(Arc::as_ptr(values) as usize),
            _ => None,
        }
    }

    /// Returns whether its elements are floats.
    pub fn is_float(&self) -> bool {
        !matches!(self.data, Data::Ints(_))
    }

    pub fn len(&self) -> Result<usize> {
        count(&self.shape)
    }

    /// Returns its floats.
    pub fn to_floats(&self) -> Result<Vec<f32>> {
        match &self.data {
            Data::Floats(values) => Ok(values.to_vec()),
            Data::Filled(value) => Ok(vec![*value; self.len()?]),
            Data::Ints(_) => Err(Error::input("contains integers where floats are needed")),
        }
    }

    /// Returns the float that all elements are known to equal, if there is one.
    pub fn uniform(&self) -> Option<f32> {
        match &self.data {
            Data::Floats(values) if values.len() == 1 => Some(values[0]),
            Data::Filled(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the float at `index`.
    ///
    /// # Panics
    /// If the index is out of range, or the elements are integers.
    pub fn float(&self, index: usize) -> f32 {
        match &self.data {
            Data::Floats(values) => values[index],
            Data::Filled(value) => *value,
            Data::Ints(_) => panic!("holds integers"),
        }
    }

    /// Returns its integers for both batch sizes.
    pub fn ints_of_batches(&self) -> Result<&[Arc<Vec<i64>>; 2]> {
        match &self.data {
            Data::Ints(values) => Ok(values),
            _ => Err(Error::input("contains floats where integers are needed")),
        }
    }

    /// Returns its integers, which must not depend on the batch size.
    pub fn fixed_ints(&self) -> Result<&[i64]> {
        let [small, large] = self.ints_of_batches()?;
        if small == large { Ok(small) } else { Err(Error::input("depends on the size of the batch")) }
    }

    /// Returns its only element as a float.
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

    /// Returns the same elements in another shape.
    pub fn reshaped(&self, shape: Vec<usize>) -> Result<Constant> {
        if count(&shape)? != self.len()? {
            return Err(Error::input(format!("cannot reshape {:?} to {shape:?}", self.shape)));
        }
        Ok(Constant { shape, ..self.clone() })
    }

    /// Charges `budget` for `count` elements of its type.
    fn spend(&self, count: usize, budget: &mut Budget) -> Result<()> {
        match &self.data {
            Data::Filled(_) => Ok(()),
            Data::Floats(_) => budget.floats(count),
            Data::Ints(_) => budget.ints(count),
        }
    }

    /// Returns the elements at `places`, in that order.
    fn picked(
        &self,
        shape: Vec<usize>,
        places: impl Iterator<Item = usize> + Clone,
        steps: usize,
        budget: &mut Budget,
    ) -> Result<Constant> {
        let total = count(&shape)?;
        self.spend(total, budget)?;
        if !matches!(self.data, Data::Filled(_)) {
            budget.work(total, steps)?;
        }
        let data = match &self.data {
            Data::Filled(value) => Data::Filled(*value),
            Data::Floats(values) => Data::Floats(Arc::new(pick(values, places, total))),
            Data::Ints([small, large]) => {
                let both = [pick(small, places.clone(), total), pick(large, places, total)];
                Data::Ints(both.map(Arc::new))
            }
        };
        Ok(Constant { shape, data, is_weight: self.is_weight, element_type: self.element_type })
    }

    /// Returns the constant with permuted axes.
    pub fn transposed(&self, permutation: &[usize], budget: &mut Budget) -> Result<Constant> {
        let shape: Vec<usize> = permutation.iter().map(|axis| self.shape[*axis]).collect();
        let total = count(&shape)?;
        let mut strides = vec![1; self.shape.len()];
        for axis in (1..self.shape.len()).rev() {
            // The extents of an empty constant may be of any size; its strides are never used.
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
        let steps = 1 + permutation.len();
        self.picked(shape, (0..total).map(place), steps, budget)
    }

    /// Returns `length` elements along one axis, those at `index(0)`, `index(1)`, ….
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
        self.picked(shape, places, 1, budget)
    }
}

/// Collects the `total` elements of `values` at `places`.
fn pick<T: Copy>(values: &[T], places: impl Iterator<Item = usize>, total: usize) -> Vec<T> {
    let mut picked = Vec::with_capacity(total);
    picked.extend(places.map(|place| values[place]));
    picked
}
